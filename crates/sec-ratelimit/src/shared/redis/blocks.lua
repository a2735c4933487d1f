-- One step on a list of blocks. What is not of this script's making counts as not there.
-- KEYS: the list's first and last number, its records by number, by when they go, and their text.
-- ARGV: operation, then as below. Times are microseconds of the server's clock.
-- A record is `<kept until> <ends> <manual> <wide> <count> <address>`, or `<kept until> lifted`.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local meta, numbers, ends, records = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local op = ARGV[1]
local whole = function(number) return string.format('%.0f', number) end

-- A key of another type would be an error for ever: such a list is begun anew.
for index, kind in ipairs({'hash', 'zset', 'zset', 'hash'}) do
  local is = redis.call('TYPE', KEYS[index]).ok
  if is ~= kind and is ~= 'none' then
    redis.call('DEL', meta, numbers, ends, records)
    break
  end
end

local function number_of(name)
  local number = tonumber(redis.call('HGET', meta, name) or 0) or 0
  if number >= 0 and number < 9007199254740992 then return math.floor(number) end
  return 0
end

local function read(text)
  local kept, rest = string.match(text or '', '^(%d+) (.+)$')
  kept = tonumber(kept or 0)
  if kept <= now then return nil end
  local r = {kept = kept, lifted = rest == 'lifted'}
  local till, manual, wide, count, shown = string.match(rest, '^(%d+) (%d) (%d) (%d+) (%S+)$')
  if till then
    r.till, r.manual, r.wide = tonumber(till), manual, wide
    r.count, r.shown = tonumber(count), shown
  end
  return r
end

local function remove(digest)
  redis.call('ZREM', numbers, digest)
  redis.call('ZREM', ends, digest)
  redis.call('HDEL', records, digest)
end

local function write(digest, kept, text)
  remove(digest)
  -- A part of what is over at a time; readers do not see it, and the bound below takes it first.
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', whole(now), 'LIMIT', 0, 200)) do
    remove(over)
  end
  while redis.call('ZCARD', ends) >= tonumber(ARGV[2]) do
    remove(redis.call('ZRANGE', ends, 0, 0)[1])
  end
  local last = number_of('last')
  local number = math.max(last + 1, now)
  if last == 0 then redis.call('HSET', meta, 'begun', whole(number)) end
  redis.call('HSET', meta, 'last', whole(number))
  redis.call('ZADD', numbers, whole(number), digest)
  redis.call('ZADD', ends, whole(kept), digest)
  redis.call('HSET', records, digest, whole(kept) .. ' ' .. text)
  local latest = tonumber(redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2])
  local ttl = whole(math.max(math.ceil((latest - now) / 1000), 1))
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
end

-- ARGV: most, digest, rest, memory, manual, wide, count, address.
if op == 'put' then
  local digest = ARGV[3]
  local rest, memory = tonumber(ARGV[4]), tonumber(ARGV[5])
  local manual, wide, count, shown = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
  local till, kept = now + rest, now + math.max(memory, rest)
  local old = read(redis.call('HGET', records, digest))
  if old and old.till then
    if manual == '0' and old.till > now and old.till >= till then
      till, manual, wide, shown = old.till, old.manual, old.wide, old.shown
    end
    kept, count = math.max(kept, old.kept), math.max(count, old.count)
  end
  if kept > now then
    write(digest, kept, table.concat({whole(till), manual, wide, whole(count), shown}, ' '))
  end
  return 1
end

-- ARGV: most, digest.
if op == 'lift' then
  local digest = ARGV[3]
  local old = read(redis.call('HGET', records, digest))
  if old and old.till then write(digest, old.kept, 'lifted') end
  return 1
end

-- The run of this server: each start is another one, and so is each server. Unknown where a role may not ask.
local function epoch()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%x%x%x%x%x%x%x%x%x%x%x%x)') or '0'
end

-- ARGV: since, how many. Answer: next, whether there is more, whether the list was lost, the epoch, and per entry its
-- digest and `<rest> <memory> <manual> <wide> <count> <address>`, nothing where it was lifted, `-` where it cannot be read.
local since, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local begun, last = number_of('begun'), number_of('last')
local lost = since ~= 0 and (since < begun or since > last)
if lost then since = 0 end
local rows = redis.call('ZRANGEBYSCORE', numbers, '(' .. whole(since), '+inf', 'WITHSCORES', 'LIMIT', 0, most + 1)
local more = #rows > 2 * most
local answer = {whole(last), more and '1' or '0', lost and '1' or '0', epoch()}
for index = 1, math.min(#rows, 2 * most), 2 do
  local digest = rows[index]
  local record = redis.call('HGET', records, digest)
  local r = read(record)
  if r or record and not string.match(record, '^%d+ ') then
    local text = r and r.lifted and '' or '-'
    if r and r.till then
      local rest = whole(math.max(r.till - now, 0))
      text = table.concat({rest, whole(r.kept - now), r.manual, r.wide, whole(r.count), r.shown}, ' ')
    end
    answer[#answer + 1], answer[#answer + 2] = digest, text
  end
  if more then answer[1] = whole(tonumber(rows[index + 1])) end
end
return answer
