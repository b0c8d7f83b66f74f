-- Writes a set of fragments that belong together, unless what is held is as new or newer.
-- KEYS: seq, meta, then one key a fragment.  ARGV: seq, meta, then one value a fragment ('' removes it).
local held = tonumber(redis.call('GET', KEYS[1]) or '-1')
if held >= tonumber(ARGV[1]) then
  return 0
end
for i = 3, #KEYS do
  if ARGV[i] == '' then
    redis.call('UNLINK', KEYS[i])
  else
    redis.call('SET', KEYS[i], ARGV[i])
  end
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2])
return 1
