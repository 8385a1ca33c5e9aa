-- KEYS: account, enrolments or authentications. ARGV: version, handle (empty: as it is), the
-- challenge's digest, record, TTL in milliseconds, how many may be live. Answers the deadline, or 0 when the account has changed.
local version, handle, challenge, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ttl, limit = tonumber(ARGV[5]), tonumber(ARGV[6])

local account = redis.call('HMGET', KEYS[1], 'version', 'handle')
if (account[1] or '0') ~= version or (handle ~= '' and account[2] and account[2] ~= handle) then
    return 0
end

local now = now_ms()
local deadline = now + ttl
local kept, dropped, last = {}, {}, deadline
local entries = redis.call('HGETALL', KEYS[2])
for i = 1, #entries, 2 do
    local one = live(entries[i + 1], now)
    if not one then
        dropped[#dropped + 1] = entries[i]
    elseif entries[i] ~= challenge then
        one.challenge = entries[i]
        kept[#kept + 1] = one
    end
end
table.sort(kept, function(a, b) return a.sequence < b.sequence end)
while #kept >= limit do
    dropped[#dropped + 1] = table.remove(kept, 1).challenge
end
for _, one in ipairs(kept) do
    last = math.max(last, one.deadline)
end

if handle ~= '' then
    redis.call('HSET', KEYS[1], 'handle', handle)
end
local sequence = redis.call('HINCRBY', KEYS[1], 'begun', 1)
if #dropped > 0 then
    redis.call('HDEL', KEYS[2], unpack(dropped))
end
local entry = string.format('%.0f|%.0f|%.0f|', now, deadline, sequence) .. record
redis.call('HSET', KEYS[2], challenge, entry)
redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', last))
return deadline
