-- name: begin
-- Whether nobody else is at this answer; the caller is from now on.
-- KEYS: who is at it.  ARGV: the caller, for how many milliseconds.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
return 0

-- name: finish
-- Says that the caller is no longer at it, and keeps the answer where there is one; the oldest ones make room.
-- KEYS: who is at it, the answer, the ages of all answers, their sizes.
-- ARGV: the caller, the answer ('' for none), for how many milliseconds it is kept, bytes all of them may have.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('UNLINK', KEYS[1])
end
if ARGV[2] == '' then
  return 0
end
local function forget(key)
  redis.call('UNLINK', key)
  redis.call('ZREM', KEYS[3], key)
  redis.call('HDEL', KEYS[4], key)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', now - ARGV[3], 'BYSCORE')) do
  forget(key)
end
forget(KEYS[2])
local bytes = #ARGV[2]
for _, size in ipairs(redis.call('HVALS', KEYS[4])) do
  bytes = bytes + size
end
while bytes > tonumber(ARGV[4]) do
  local oldest = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
  if not oldest then
    return 0
  end
  bytes = bytes - (redis.call('HGET', KEYS[4], oldest) or 0)
  forget(oldest)
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[3], now, KEYS[2])
redis.call('HSET', KEYS[4], KEYS[2], #ARGV[2])
return 1
