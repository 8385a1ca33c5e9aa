-- KEYS: claim. ARGV: the user's digest, the attempt's id, the value that may be taken over, empty
-- for none. A claim is user|attempt|time. Answers what became of it, its value, and the time.
local user, attempt, orphan = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()
local held = redis.call('GET', KEYS[1])
local own = held and string.match(held, '^([^|]*)|') == user
if held and not own and held ~= orphan then
    return { 'held', held, now }
end
local value = string.format('%s|%s|%.0f', user, attempt, now)
redis.call('SET', KEYS[1], value)
return { own and 'joined' or 'created', value, now }
