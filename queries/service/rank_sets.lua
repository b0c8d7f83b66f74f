-- name: page
-- Members of one group in their order, with what it takes to number them; nothing unless the set is of this epoch and
-- of this refresh, and whole.
-- KEYS: pointer, set, groups.  ARGV: epoch, seq, group, asc or desc, text of the last member before the page ('' for
-- none), members.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'other epoch'
end
local stated = redis.call('HGET', KEYS[3], '')
if stated ~= ARGV[2] .. ' ' .. redis.call('ZCARD', KEYS[2]) then
  return false
end
local figures = redis.call('HGET', KEYS[3], ARGV[3])
if not figures then
  return false
end
local first, last = ARGV[3] .. '\0', ARGV[3] .. '\1'
local members
if ARGV[4] == 'asc' then
  local from = ARGV[5] == '' and '[' .. first or '(' .. first .. ARGV[5]
  members = redis.call('ZRANGE', KEYS[2], from, '(' .. last, 'BYLEX', 'LIMIT', 0, ARGV[6])
else
  local from = ARGV[5] == '' and '(' .. last or '(' .. first .. ARGV[5]
  members = redis.call('ZRANGE', KEYS[2], from, '[' .. first, 'BYLEX', 'REV', 'LIMIT', 0, ARGV[6])
end
if #members == 0 then
  return {figures, members, 0, 0, 0}
end
local lowest, highest = members[1], members[#members]
if ARGV[4] ~= 'asc' then
  lowest, highest = highest, lowest
end
-- A member ends in the ten digits of a CIK; ':' sorts after all of them.
return {
  figures,
  members,
  redis.call('ZLEXCOUNT', KEYS[2], '[' .. first, '(' .. lowest),
  redis.call('ZLEXCOUNT', KEYS[2], '[' .. first, '(' .. lowest:sub(1, -11)),
  redis.call('ZLEXCOUNT', KEYS[2], '[' .. first, '(' .. highest:sub(1, -11) .. ':')
}

-- name: places
-- Where the values of one member stand in each of several sets: its group's figures, how many are smaller, how many not
-- larger; false for a set that is of another refresh or not whole, or has nobody with the value.
-- KEYS: pointer, then set and groups of each.  ARGV: epoch, then seq, group and text of the value of each.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'other epoch'
end
local places = {}
for i = 1, (#KEYS - 1) / 2 do
  local set, groups = KEYS[2 * i], KEYS[2 * i + 1]
  local seq, group, value = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local held = redis.call('HMGET', groups, '', group)
  places[i] = false
  if held[2] and held[1] == seq .. ' ' .. redis.call('ZCARD', set) then
    local first = group .. '\0'
    local below = redis.call('ZLEXCOUNT', set, '[' .. first, '(' .. first .. value)
    local not_larger = redis.call('ZLEXCOUNT', set, '[' .. first, '(' .. first .. value .. ':')
    if not_larger > below then
      places[i] = {held[2], below, not_larger}
    end
  end
end
return places

-- name: begin_filling
-- Lets one process at a time fill a set, and no other for a while after it, so that a cell that changes all the time
-- is not filled all the time.
-- KEYS: pointer, mark.  ARGV: epoch, milliseconds.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) and 1 or 0

-- name: add_members
-- Adds members to a set nobody reads yet.
-- KEYS: set.  ARGV: milliseconds until it is given up, then the members.
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 0, ARGV[i])
end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])

-- name: show_filled
-- Puts a filled set in the place of the one before, unless the epoch has ended, members were lost on the way, or what
-- is held is as new. The oldest sets make room.
-- KEYS: pointer, filled set, set, groups, the ages of all sets, their sizes.
-- ARGV: epoch, seq, members, milliseconds to live, bytes all sets may have, then group and figures of each.
local held = redis.call('HGET', KEYS[4], '')
if redis.call('GET', KEYS[1]) ~= ARGV[1]
  or redis.call('ZCARD', KEYS[2]) ~= tonumber(ARGV[3])
  or (held and held:match(' (%d+)$') == tostring(redis.call('ZCARD', KEYS[3]))
    and tonumber(held:match('^%d+')) >= tonumber(ARGV[2]))
then
  redis.call('UNLINK', KEYS[2])
  return 0
end
local function forget(set)
  redis.call('UNLINK', set, set .. ':groups')
  redis.call('ZREM', KEYS[5], set)
  redis.call('HDEL', KEYS[6], set)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, set in ipairs(redis.call('ZRANGE', KEYS[5], '-inf', now - ARGV[4], 'BYSCORE')) do
  forget(set)
end
forget(KEYS[3])
redis.call('HSET', KEYS[4], '', ARGV[2] .. ' ' .. ARGV[3], unpack(ARGV, 6))
local size = redis.call('MEMORY', 'USAGE', KEYS[2]) + redis.call('MEMORY', 'USAGE', KEYS[4])
local bytes = size
for _, other in ipairs(redis.call('HVALS', KEYS[6])) do
  bytes = bytes + other
end
while bytes > tonumber(ARGV[5]) do
  local oldest = redis.call('ZRANGE', KEYS[5], 0, 0)[1]
  if not oldest then
    redis.call('UNLINK', KEYS[2], KEYS[4])
    return 0
  end
  bytes = bytes - (redis.call('HGET', KEYS[6], oldest) or 0)
  forget(oldest)
end
redis.call('RENAME', KEYS[2], KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
redis.call('ZADD', KEYS[5], now, KEYS[3])
redis.call('HSET', KEYS[6], KEYS[3], size)
return 1
