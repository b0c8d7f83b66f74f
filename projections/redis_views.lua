-- name: begin_epoch
-- Gives a number no epoch has had: above the counter, and above the clock in case FLUSHALL took the counter.
-- KEYS: the counter.
local now = redis.call('TIME')
local number = math.max((tonumber(redis.call('GET', KEYS[1]) or '0') or 0) + 1, now[1] * 1000 + math.floor(now[2] / 1000))
local text = string.format('%.0f', number)
redis.call('SET', KEYS[1], text)
return text

-- name: fill_epoch
-- Writes some fragments of an epoch nobody reads yet, and counts them.
-- KEYS: the count, then one key a fragment.  ARGV: one value a fragment.
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i - 1])
end
return redis.call('INCRBY', KEYS[1], #KEYS - 1)

-- name: switch_epoch
-- Points to a filled epoch, unless what was found at first has moved or some of the fragments were lost.
-- KEYS: pointer, seq of the epoch found, count, seq, meta.
-- ARGV: pointer found ('' for none), seq found ('' for none), epoch, fragments, seq, meta.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2]
  or (redis.call('GET', KEYS[3]) or '0') ~= ARGV[4] then
  return 0
end
redis.call('UNLINK', KEYS[3])
redis.call('SET', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[6])
redis.call('SET', KEYS[1], ARGV[3])
return 1

-- name: drop_keys
-- Removes keys of one epoch, unless that is the live one: a fail-over may have brought it back.
-- KEYS: pointer, then the keys.  ARGV: their epoch.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return 0
end
for i = 2, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
return 1

-- name: change_in_place
-- Writes what changed after refresh `base`, unless this is another epoch, or what is held is older than that or new.
-- KEYS: pointer, seq, meta, then one key a fragment.  ARGV: epoch, base, seq, meta, then one value a fragment ('' removes).
local held = tonumber(redis.call('GET', KEYS[2]) or '-1') or -1
if redis.call('GET', KEYS[1]) ~= ARGV[1] or held < tonumber(ARGV[2]) or held >= tonumber(ARGV[3]) then
  return 0
end
for i = 4, #KEYS do
  if ARGV[i + 1] == '' then
    redis.call('UNLINK', KEYS[i])
  else
    redis.call('SET', KEYS[i], ARGV[i + 1])
  end
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], ARGV[4])
return 1
