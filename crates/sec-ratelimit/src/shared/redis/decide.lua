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

-- The algorithms. A script begins anew with each call, so each is made only when a tier has it.
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

-- The log is a row of runs: an instant and how many units were taken in it, oldest first.
function make.e()
  local exact = {}
  function exact.load(t, text)
    t.runs, t.used = {}, 0
    if string.sub(text or '', 1, 1) ~= 'e' then return end
    for time, count in string.gmatch(text, '(%d+):(%d+)') do
      time, count = tonumber(time), tonumber(count)
      if time + t.b > now then
        t.runs[#t.runs + 1] = {time, count}
        t.used = t.used + count
      end
    end
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
    -- What does not fit pushes the oldest out.
    local room = max(t.a, t.used)
    local wanted = min(units, room)
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
    t.hold = {at, 0, 0, 0}
  end
  function exact.give(t)
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
    return 'e' .. table.concat(parts, ' '), exact.expiry(t, newest[1])
  end
  return exact
end

local algorithms = {}
local NOTHING = {0, 0, 0, 0}
local tiers, refused = {}, false
for index = 1, #KEYS do
  local at = 2 + (index - 1) * 8
  local kind = ARGV[at + 1]
  if not algorithms[kind] then algorithms[kind] = make[kind]() end
  local t = {
    algorithm = algorithms[kind],
    a = tonumber(ARGV[at + 2]), b = tonumber(ARGV[at + 3]), demands = ARGV[at + 4] == '1',
    hold = NOTHING, wait = 0,
  }
  if op == 'give' then
    t.h = {tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])}
  end
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
