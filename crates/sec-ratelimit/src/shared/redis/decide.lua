-- One decision or settlement over all tiers of a limiter, all or nothing.
-- KEYS: one per tier. ARGV: operation, units, then eight per tier: algorithm, two numbers of its
-- quota, whether it only demands, and the four numbers of a hold.
-- Answer: eight integers per tier: wait (0 admitted, -1 never), remaining, reset, next, hold.
-- Times are microseconds of the server's clock; every number stays below 2^53, and `%.0f` is how they
-- are written, because `tostring` keeps 14 digits only.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local max, min, floor = math.max, math.min, math.floor
local op, units = ARGV[1], tonumber(ARGV[2])
local LAST = 9000000000000000
local found = redis.call('MGET', unpack(KEYS))

-- Each algorithm is made when a tier asks for it: most decisions need one or two.
local make = {}

function make.f()
  local fixed = {}
  function fixed.load(t, text)
    local start, count = string.match(text or '', '^f(%d+) (%d+)$')
    t.start, t.count = tonumber(start or 0), tonumber(count or 0)
    -- An instant before the start counts as inside: a step back of the clock mints nothing.
    if t.count == 0 or now >= t.start + t.b then t.start, t.count = now, 0 end
  end
  function fixed.left(t) return min(max(t.start + t.b - now, 0), t.b) end
  function fixed.answer(t)
    if units > t.a then return -1 end
    if t.count + units <= t.a then return 0 end
    return fixed.left(t)
  end
  function fixed.take(t)
    t.count = min(t.count + units, LAST)
    t.hold = {t.start, 0, 0, 0}
  end
  function fixed.give(t)
    if t.start == t.h[1] then t.count = max(t.count - units, 0) end
  end
  function fixed.standing(t)
    local left = t.count == 0 and 0 or fixed.left(t)
    return max(t.a - t.count, 0), left, left
  end
  function fixed.save(t)
    if t.count == 0 then return nil, 0 end
    return string.format('f%.0f %.0f', t.start, t.count), fixed.left(t)
  end
  return fixed
end

function make.g()
  local gcra = {}
  function gcra.load(t, text)
    local tat, returned, born = string.match(text or '', '^g(%d+) (%d+) (%d+)$')
    t.tat, t.returned, t.born = tonumber(tat or 0), tonumber(returned or 0), tonumber(born or 0)
    if t.tat <= now then t.tat, t.returned, t.born = 0, 0, now end
    t.depth = t.a * t.b
  end
  function gcra.ahead(t) return max(t.tat - now, 0) end
  function gcra.answer(t)
    if units > t.b then return -1 end
    return max(gcra.ahead(t) + units * t.a - t.depth, 0)
  end
  function gcra.take(t)
    local before = max(t.tat, now)
    local ceiling = LAST
    if t.demands then ceiling = max(before, now + t.depth) end
    t.tat = min(before + min(units * t.a, LAST), ceiling)
    t.hold = {t.tat, t.tat - before, t.returned, t.born}
  end
  function gcra.give(t)
    local since = t.returned - t.h[3]
    if t.born ~= t.h[4] or since < 0 then return end
    local back = max(min(units * t.a, t.h[2], t.h[1] - since - now), 0)
    t.tat, t.returned = t.tat - back, t.returned + back
  end
  function gcra.standing(t)
    local ahead = gcra.ahead(t)
    local remaining = min(floor(max(t.depth - ahead, 0) / t.a), t.b)
    local nxt = 0
    if ahead > 0 then nxt = max((remaining + 1) * t.a + ahead - t.depth, 0) end
    return remaining, ahead, nxt
  end
  function gcra.save(t)
    if t.tat <= now then return nil, 0 end
    return string.format('g%.0f %.0f %.0f', t.tat, t.returned, t.born), t.tat - now
  end
  return gcra
end

-- The log is a row of runs: an instant and how many units were taken in it, oldest first. Before them
-- may be how many units were pushed out since when, which refunds give back first.
function make.e()
  local exact = {}
  function exact.load(t, text)
    t.runs, t.used, t.lost, t.since = {}, 0, 0, 0
    local whole = true
    if string.sub(text or '', 1, 1) ~= 'e' then return end
    for time, count in string.gmatch(text, '(%d+):(%d+)') do
      time, count = tonumber(time), tonumber(count)
      if time + t.b > now then
        t.runs[#t.runs + 1] = {time, count}
        t.used = t.used + count
      else
        whole = false
      end
    end
    -- What was pushed out is older than any run, and has expired before it.
    local lost, since = string.match(text, '^e(%d+)/(%d+) ')
    if lost and whole then t.lost, t.since = tonumber(lost), tonumber(since) end
  end
  function exact.expiry(t, time) return min(max(time + t.b - now, 0), t.b) end
  function exact.nth(t, n)
    for _, run in ipairs(t.runs) do
      n = n - run[2]
      if n <= 0 then return exact.expiry(t, run[1]) end
    end
  end
  function exact.answer(t)
    if units > t.a then return -1 end
    local over = t.used + units - t.a
    if over <= 0 then return 0 end
    return exact.nth(t, over) or t.b
  end
  function exact.take(t)
    local newest = t.runs[#t.runs]
    local at = now
    if newest and newest[1] > now then at = newest[1] end
    local taken, room = units, max(t.a, t.used)
    if t.demands then taken = min(units, max(t.a - t.used, 0)) end
    -- What does not fit pushes the oldest out.
    local over = max(t.used + taken - room, 0)
    if over > 0 and t.lost == 0 then t.since = t.runs[1] and t.runs[1][1] or at end
    t.lost = min(t.lost + over, LAST)
    local wanted = min(taken, room)
    local drop = t.used + wanted - room
    while drop > 0 and t.runs[1] do
      local gone = min(drop, t.runs[1][2])
      t.runs[1][2], t.used, drop = t.runs[1][2] - gone, t.used - gone, drop - gone
      if t.runs[1][2] == 0 then table.remove(t.runs, 1) end
    end
    newest = t.runs[#t.runs]
    if newest and newest[1] == at then
      newest[2] = newest[2] + wanted
    elseif wanted > 0 then
      t.runs[#t.runs + 1] = {at, wanted}
    end
    t.used = t.used + wanted
    t.hold = {at, taken, 0, 0}
  end
  function exact.give(t)
    local units = min(units, t.h[2])
    if t.h[1] >= t.since and t.h[1] + t.b > now then
      local lost = min(units, t.lost)
      t.lost, units = t.lost - lost, units - lost
    end
    for index, run in ipairs(t.runs) do
      if run[1] == t.h[1] then
        local back = min(units, run[2])
        run[2], t.used = run[2] - back, t.used - back
        if run[2] == 0 then table.remove(t.runs, index) end
        return
      end
    end
  end
  function exact.standing(t)
    local newest = t.runs[#t.runs]
    local reset = newest and exact.expiry(t, newest[1]) or 0
    local over = max(t.used + 1 - t.a, 1)
    return max(t.a - t.used, 0), reset, exact.nth(t, over) or 0
  end
  function exact.save(t)
    local newest = t.runs[#t.runs]
    if not newest then return nil, 0 end
    local parts = {}
    for index, run in ipairs(t.runs) do parts[index] = string.format('%.0f:%.0f', run[1], run[2]) end
    local lost = t.lost > 0 and string.format('%.0f/%.0f ', t.lost, t.since) or ''
    return 'e' .. lost .. table.concat(parts, ' '), exact.expiry(t, newest[1])
  end
  return exact
end

-- floor(a * b / c) for b <= c, and whether a rest is left. A product that a double does not hold is
-- made bit by bit: with c below 2^51 every step stays below 2^53.
local function share(a, b, c)
  local product = a * b
  if product < 9007199254740992 then
    local rest = math.fmod(product, c)
    return (product - rest) / c, rest > 0
  end
  local bits = {}
  while a > 0 do
    bits[#bits + 1] = math.fmod(a, 2)
    a = (a - bits[#bits]) / 2
  end
  local whole, rest = 0, 0
  for index = #bits, 1, -1 do
    local sum = rest * 2 + bits[index] * b
    rest = math.fmod(sum, c)
    whole = whole * 2 + (sum - rest) / c
  end
  return whole, rest > 0
end

-- Two windows: the older one counts with the share of it that still lies within one window of now.
function make.s()
  local sliding = {}
  function sliding.load(t, text)
    local start, count, previous = string.match(text or '', '^s(%d+) (%d+) (%d+)$')
    t.start, t.count, t.previous = tonumber(start or 0), tonumber(count or 0), tonumber(previous or 0)
    local age = now - t.start
    if age >= t.b then t.start, t.count, t.previous, age = t.start + t.b, 0, t.count, age - t.b end
    if age >= t.b then t.previous = 0 end
    if t.count == 0 and t.previous == 0 then t.start = now end
  end
  function sliding.used(t)
    local whole, rest = share(t.previous, min(max(t.start + t.b - now, 0), t.b), t.b)
    return t.count + whole + (rest and 1 or 0)
  end
  -- The age of the window after the one that holds so many units, at which they weigh at most `room`.
  function sliding.faded(t, held, room)
    if room >= held then return 0 end
    return t.b - (share(t.b, room, held))
  end
  function sliding.left(t, age) return min(max(t.start + age - now, 0), age) end
  function sliding.wait(t, cost)
    local room = t.a - cost
    if room >= t.count then return sliding.left(t, sliding.faded(t, t.previous, room - t.count)) end
    return sliding.left(t, t.b + sliding.faded(t, t.count, room))
  end
  function sliding.answer(t)
    if units > t.a then return -1 end
    if sliding.used(t) + units <= t.a then return 0 end
    return sliding.wait(t, units)
  end
  function sliding.take(t)
    local taken = units
    if t.demands then taken = min(units, max(t.a - sliding.used(t), 0)) end
    t.count = min(t.count + taken, LAST)
    t.hold = {t.start, taken, 0, 0}
  end
  function sliding.give(t)
    local back = min(units, t.h[2])
    if t.h[1] == t.start then
      t.count = max(t.count - back, 0)
    elseif t.h[1] + t.b == t.start then
      t.previous = max(t.previous - back, 0)
    end
  end
  function sliding.reset(t)
    if t.count > 0 then return sliding.left(t, t.b * 2) end
    if t.previous > 0 then return sliding.left(t, t.b) end
    return 0
  end
  function sliding.standing(t)
    local remaining = max(t.a - sliding.used(t), 0)
    local nxt = remaining < t.a and sliding.wait(t, remaining + 1) or 0
    return remaining, sliding.reset(t), nxt
  end
  function sliding.save(t)
    if t.count == 0 and t.previous == 0 then return nil, 0 end
    return string.format('s%.0f %.0f %.0f', t.start, t.count, t.previous), sliding.reset(t)
  end
  return sliding
end

-- Sixteen sub-windows, the newest first, and the one that is partly expired, which counts whole.
function make.b()
  local bounded = {}
  local COUNTS = 17
  function bounded.load(t, text)
    t.step, t.start, t.used, t.counts = math.ceil(t.b / 16), now, 0, {}
    for index = 1, COUNTS do t.counts[index] = 0 end
    local start, list = string.match(text or '', '^b(%d+) ([%d ]+)$')
    if not start then return end
    start = tonumber(start)
    local steps = floor(max(now - start, 0) / t.step)
    local index = steps
    for count in string.gmatch(list, '%d+') do
      index = index + 1
      if index > COUNTS then break end
      t.counts[index] = tonumber(count)
      t.used = t.used + t.counts[index]
    end
    if t.used > 0 then t.start = start + steps * t.step end
  end
  -- When so many of the oldest units have expired.
  function bounded.expiry(t, wanted)
    for index = COUNTS, 1, -1 do
      wanted = wanted - t.counts[index]
      if t.counts[index] > 0 and wanted <= 0 then
        local age = t.step * (COUNTS + 1 - index)
        return min(max(t.start + age - now, 0), age)
      end
    end
    return 0
  end
  function bounded.answer(t)
    if units > t.a then return -1 end
    local over = t.used + units - t.a
    if over <= 0 then return 0 end
    return bounded.expiry(t, over)
  end
  function bounded.take(t)
    local taken = units
    if t.demands then taken = min(units, max(t.a - t.used, 0)) end
    taken = min(taken, LAST - t.used)
    t.counts[1], t.used = t.counts[1] + taken, t.used + taken
    t.hold = {t.start, taken, 0, 0}
  end
  function bounded.give(t)
    local age = t.start - t.h[1]
    if age < 0 or math.fmod(age, t.step) ~= 0 then return end
    local index = age / t.step + 1
    local count = t.counts[index]
    if not count then return end
    local back = min(units, t.h[2], count)
    t.counts[index], t.used = count - back, t.used - back
  end
  function bounded.standing(t)
    return max(t.a - t.used, 0), bounded.expiry(t, t.used), bounded.expiry(t, max(t.used + 1 - t.a, 1))
  end
  function bounded.save(t)
    if t.used == 0 then return nil, 0 end
    local last = COUNTS
    while t.counts[last] == 0 do last = last - 1 end
    local parts = {}
    for index = 1, last do parts[index] = string.format('%.0f', t.counts[index]) end
    return string.format('b%.0f ', t.start) .. table.concat(parts, ' '), bounded.expiry(t, t.used)
  end
  return bounded
end

local made = {}
local function algorithm_of(kind)
  made[kind] = made[kind] or make[kind]()
  return made[kind]
end

local tiers, refused = {}, false
for index = 1, #KEYS do
  local at = 2 + (index - 1) * 8
  local t = {
    algorithm = algorithm_of(ARGV[at + 1]),
    a = tonumber(ARGV[at + 2]), b = tonumber(ARGV[at + 3]), demands = ARGV[at + 4] == '1',
    h = {tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])},
    hold = {0, 0, 0, 0}, wait = 0,
  }
  t.algorithm.load(t, found[index] or nil)
  if op == 'take' or op == 'peek' then
    t.wait = t.algorithm.answer(t)
    if t.wait ~= 0 and not t.demands then refused = true end
  end
  tiers[index] = t
end

local answer = {}
for index, t in ipairs(tiers) do
  local algorithm = t.algorithm
  if op ~= 'peek' and not refused then
    if op == 'give' then algorithm.give(t) else algorithm.take(t) end
    local text, ttl = algorithm.save(t)
    if text then
      redis.call('SET', KEYS[index], text, 'PX', string.format('%.0f', max(math.ceil(ttl / 1000), 1)))
    elseif found[index] then
      redis.call('DEL', KEYS[index])
    end
  end
  local remaining, reset, nxt = algorithm.standing(t)
  local base = (index - 1) * 8
  answer[base + 1], answer[base + 2], answer[base + 3], answer[base + 4] = t.wait, remaining, reset, nxt
  for n = 1, 4 do answer[base + 4 + n] = t.hold[n] end
end
return answer
