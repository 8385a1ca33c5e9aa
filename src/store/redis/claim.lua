-- Claims a credential id for a user. A claim is user|attempt|time, with the time in milliseconds.
-- KEYS: claim.
-- ARGV: digest of the user; id of the attempt; value of another user's claim that may be taken over,
-- empty for none.
-- Returns a word, the value of the claim, and the time: 'held' if another user has the claim, 'joined' if
-- this user had it already, else 'created'.
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
