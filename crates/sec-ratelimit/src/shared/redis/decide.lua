-- One decision or settlement over all tiers of a limiter, all or nothing.
-- KEYS: one per tier. ARGV: one text, since five cost a tenth of a decision more. In it a
-- letter for the operation (take, peek, give back, take more) and the units; for each tier the letter of
-- its algorithm, 1 if it only demands, and the two numbers of its quota; to give back, each tier's hold.
-- Answer: eight numbers per tier: wait (0 admitted, -1 never), remaining, reset, next, hold.
-- Times are microseconds of the server's clock; every number is whole and stays below 2^53. They are asked, kept
-- and answered as little-endian doubles, which lose nothing, cost a third of decimal digits, and are the same
-- on a server of 32 bits. A kept value begins with the letter; what has another form counts as nothing.
--
-- All of it runs for every request, so there are no functions and tables but those that its tiers need.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local max, min, floor = math.max, math.min, math.floor
local pack, unpacked = struct.pack, struct.unpack
local asked = ARGV[1]
local op, units = unpacked('<c1d', asked)
local asks, gives = op == 't' or op == 'p', op == 'g'
local tiers, found = #KEYS, redis.call('MGET', unpack(KEYS))
local LAST = 9000000000000000

local answer, refused = {}, false
-- Several tiers: the first pass finds out whether one of them refuses. One alone knows it by itself.
for pass = (tiers > 1 and op == 't') and 1 or 2, 2 do
  local changing = pass == 2 and op ~= 'p' and not refused
  for index = 1, tiers do
    local algorithm, demand, a, b = unpacked('<c1bdd', asked, index * 18 - 8)
    local demands = demand == 1
    local text = found[index] or ''
    if string.sub(text, 1, 1) ~= algorithm then text = '' end
    local h1, h2, h3, h4
    if gives then
      h1, h2, h3, h4 = unpacked('<dddd', asked, tiers * 18 + index * 32 - 22)
    end
    local wait, remaining, reset, nxt = 0, 0, 0, 0
    local hold1, hold2, hold3, hold4 = 0, 0, 0, 0
    -- What is kept from now on, if anything, and for how long. To leave the time to live alone where it is
    -- the same costs half of setting it, so the values of windows say for which length it was set.
    local kept, lasts, lasting

    if algorithm == 'f' then
      local start, set, count = 0, 0, 0
      if #text == 25 then start, set, count = unpacked('<ddd', text, 2) end
      -- An instant before the start counts as inside: a step back of the clock mints nothing.
      if count == 0 or now >= start + b then start, set, count = now, 0, 0 end
      local left = start + b - now
      if left > b then left = b end
      if asks then
        if units > a then wait = -1 elseif count + units > a then wait = left end
      end
      if changing and (wait == 0 or demands) then
        if not gives then
          count, hold1 = count + units, start
          if count > LAST then count = LAST end
        elseif start == h1 then
          count = max(count - units, 0)
        end
        if count > 0 then kept, lasts, lasting = pack('<c1ddd', 'f', start, b, count), left, set == b end
      end
      if count < a then remaining = a - count end
      if count > 0 then reset, nxt = left, left end

    elseif algorithm == 'g' then
      local tat, returned, born = 0, 0, 0
      if #text == 25 then tat, returned, born = unpacked('<ddd', text, 2) end
      if tat <= now then tat, returned, born = 0, 0, now end
      local depth, weight, ahead = a * b, units * a, 0
      if tat > now then ahead = tat - now end
      if asks then
        if units > b then wait = -1 elseif ahead + weight > depth then wait = ahead + weight - depth end
      end
      if changing and (wait == 0 or demands) then
        if not gives then
          local before = now + ahead
          local ceiling = LAST
          if demands then ceiling = max(before, now + depth) end
          tat = before + weight
          if tat > ceiling then tat = ceiling end
          hold1, hold2, hold3, hold4 = tat, tat - before, returned, born
        elseif born == h4 and returned >= h3 then
          local back = max(min(units * a, h2, h1 - (returned - h3) - now), 0)
          tat, returned = tat - back, returned + back
        end
        ahead = tat > now and tat - now or 0
        if ahead > 0 then kept, lasts = pack('<c1ddd', 'g', tat, returned, born), ahead end
      end
      if ahead < depth then remaining = floor((depth - ahead) / a) end
      reset = ahead
      if ahead > 0 then
        nxt = (remaining + 1) * a + ahead - depth
        if nxt < 0 then nxt = 0 end
      end

    -- A log of runs, oldest first: an instant and how many units were taken in it, one after the other.
    elseif algorithm == 'e' then
      -- Pairs of an instant and how many units were taken in it, oldest first. Before them since when and
      -- how many units were pushed out, which refunds give back first.
      local runs, first, last, used = {0, 0}, 3, 2, 0
      if #text % 16 == 1 and #text > 17 then
        last = (#text - 1) / 8
        runs = {unpacked('<' .. string.rep('d', last), text, 2)}
      end
      local since, lost = runs[1], runs[2]
      while first < last and runs[first] + b <= now do
        first = first + 2
        -- What was pushed out is older than any run, and has expired before it.
        since, lost = 0, 0
      end
      for run = first, last, 2 do used = used + runs[run + 1] end
      local function expiry(time) return min(max(time + b - now, 0), b) end
      local function nth(n)
        for run = first, last, 2 do
          n = n - runs[run + 1]
          if n <= 0 then return expiry(runs[run]) end
        end
      end
      if asks then
        if units > a then
          wait = -1
        elseif used + units > a then
          wait = nth(used + units - a) or b
        end
      end
      if changing and (wait == 0 or demands) then
        if gives then
          local units = min(units, h2)
          if h1 >= since and h1 + b > now then
            local again = min(units, lost)
            lost, units = lost - again, units - again
          end
          for run = first, last, 2 do
            if runs[run] == h1 then
              local back = min(units, runs[run + 1])
              runs[run + 1], used = runs[run + 1] - back, used - back
              if runs[run + 1] == 0 then
                table.remove(runs, run)
                table.remove(runs, run)
                last = last - 2
              end
              break
            end
          end
        else
          local time = now
          if first < last then time = max(now, runs[last - 1]) end
          local taken, room = units, max(a, used)
          if demands then taken = min(units, max(a - used, 0)) end
          -- What does not fit pushes the oldest out.
          local over = max(used + taken - room, 0)
          if over > 0 and lost == 0 then since = first < last and runs[first] or time end
          lost = min(lost + over, LAST)
          local wanted = min(taken, room)
          local drop = used + wanted - room
          while drop > 0 and first < last do
            local gone = min(drop, runs[first + 1])
            runs[first + 1], used, drop = runs[first + 1] - gone, used - gone, drop - gone
            if runs[first + 1] == 0 then first = first + 2 end
          end
          if first < last and runs[last - 1] == time then
            runs[last] = runs[last] + wanted
          elseif wanted > 0 then
            runs[last + 1], runs[last + 2] = time, wanted
            last = last + 2
          end
          used = used + wanted
          hold1, hold2 = time, taken
        end
        if first < last then
          runs[first - 2], runs[first - 1] = since, lost
          kept = pack('<c1' .. string.rep('d', last - first + 3), 'e', unpack(runs, first - 2, last))
          lasts = expiry(runs[last - 1])
        end
      end
      if pass == 2 then
        remaining = max(a - used, 0)
        if first < last then reset = expiry(runs[last - 1]) end
        nxt = nth(max(used + 1 - a, 1)) or 0
      end

    -- Two windows: the older one counts with the share of it that still lies within one window of now.
    elseif algorithm == 's' then
      -- floor(x * y / z) for y <= z, and whether a rest is left. A product that a double does not hold is
      -- made bit by bit: with z below 2^51 every step stays below 2^53.
      local function share(x, y, z)
        local product = x * y
        if product < 9007199254740992 then
          local rest = math.fmod(product, z)
          return (product - rest) / z, rest > 0
        end
        local bits = {}
        while x > 0 do
          bits[#bits + 1] = math.fmod(x, 2)
          x = (x - bits[#bits]) / 2
        end
        local whole, rest = 0, 0
        for bit = #bits, 1, -1 do
          local sum = rest * 2 + bits[bit] * y
          rest = math.fmod(sum, z)
          whole = whole * 2 + (sum - rest) / z
        end
        return whole, rest > 0
      end
      local start, set, count, previous = 0, 0, 0, 0
      if #text == 33 then start, set, count, previous = unpacked('<dddd', text, 2) end
      local begun, counted = start, count
      local age = now - start
      if age >= b then start, count, previous, age = start + b, 0, count, age - b end
      if age >= b then previous = 0 end
      if count == 0 and previous == 0 then start = now end
      local function left(since) return min(max(start + since - now, 0), since) end
      -- The age of the window after the one that holds so many units, at which they weigh at most `room`.
      local function faded(held, room)
        if room >= held then return 0 end
        return b - (share(b, room, held))
      end
      local function waiting(cost)
        local room = a - cost
        if room >= count then return left(faded(previous, room - count)) end
        return left(b + faded(count, room))
      end
      local weight = 0
      if previous > 0 then
        local whole, rest = share(previous, left(b), b)
        weight = rest and whole + 1 or whole
      end
      if asks then
        if units > a then
          wait = -1
        elseif count + weight + units > a then
          wait = waiting(units)
        end
      end
      local changes = changing and (wait == 0 or demands)
      if changes then
        if not gives then
          hold1, hold2 = start, units
          if demands then hold2 = min(units, max(a - count - weight, 0)) end
          count = min(count + hold2, LAST)
        elseif h1 == start then
          count = max(count - min(units, h2), 0)
        elseif h1 + b == start then
          previous = max(previous - min(units, h2), 0)
          local whole, rest = share(previous, left(b), b)
          weight = rest and whole + 1 or whole
        end
      end
      if count > 0 then reset = left(b * 2) elseif previous > 0 then reset = left(b) end
      if changes and (count > 0 or previous > 0) then
        kept, lasts = pack('<c1dddd', 's', start, b, count, previous), reset
        lasting = set == b and start == begun and counted > 0 and count > 0
      end
      if pass == 2 then
        remaining = max(a - count - weight, 0)
        if remaining < a then nxt = waiting(remaining + 1) end
      end

    -- Sixteen sub-windows, the newest first, and the one that is partly expired, which counts whole.
    elseif algorithm == 'b' then
      local COUNTS = 17
      local step, start, used, set = math.ceil(b / 16), now, 0, 0
      local counts = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
      if #text >= 25 and #text % 8 == 1 then
        local numbers = (#text - 1) / 8
        local values = {unpacked('<' .. string.rep('d', numbers), text, 2)}
        local steps = floor(max(now - values[1], 0) / step)
        for number = 3, min(numbers, COUNTS + 2 - steps) do
          counts[steps + number - 2] = values[number]
          used = used + values[number]
        end
        if used > 0 then start = values[1] + steps * step end
        if counts[1] > 0 then set = values[2] end
      end
      -- When so many of the oldest units have expired.
      local function expiry(wanted)
        for count = COUNTS, 1, -1 do
          wanted = wanted - counts[count]
          if counts[count] > 0 and wanted <= 0 then
            local age = step * (COUNTS + 1 - count)
            return min(max(start + age - now, 0), age)
          end
        end
        return 0
      end
      if asks then
        if units > a then
          wait = -1
        elseif used + units > a then
          wait = expiry(used + units - a)
        end
      end
      local changes = changing and (wait == 0 or demands)
      if changes then
        if gives then
          local age = start - h1
          local count = age >= 0 and math.fmod(age, step) == 0 and age / step + 1
          local there = count and counts[count]
          if there then
            local back = min(units, h2, there)
            counts[count], used = there - back, used - back
          end
        else
          hold1, hold2 = start, units
          if demands then hold2 = min(units, max(a - used, 0)) end
          hold2 = min(hold2, LAST - used)
          counts[1], used = counts[1] + hold2, used + hold2
        end
      end
      if pass == 2 then
        remaining, reset, nxt = max(a - used, 0), expiry(used), expiry(max(used + 1 - a, 1))
      end
      if changes and used > 0 then
        local last = COUNTS
        while counts[last] == 0 do last = last - 1 end
        kept = pack('<c1' .. string.rep('d', last + 2), 'b', start, b, unpack(counts, 1, last))
        lasts, lasting = reset, set == b and counts[1] > 0
      end
    end

    if pass == 1 then
      if wait ~= 0 and not demands then refused = true end
    else
      if lasting then
        redis.call('SET', KEYS[index], kept, 'KEEPTTL')
      elseif kept then
        redis.call('SET', KEYS[index], kept, 'PX', max(math.ceil(lasts / 1000), 1))
      elseif found[index] and changing and (wait == 0 or demands) then
        redis.call('DEL', KEYS[index])
      end
      answer[index] = pack('<dddddddd', wait, remaining, reset, nxt, hold1, hold2, hold3, hold4)
    end
  end
end
return tiers == 1 and answer[1] or table.concat(answer)
