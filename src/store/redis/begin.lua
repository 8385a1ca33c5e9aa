-- KEYS: account, enrolments or authentications, the session's count of begins. ARGV: version, handle
-- (empty: as it is), the challenge's digest, record, TTL in milliseconds, session, how many may be
-- live for a session, how many for the account, how many begins a session has, within how many
-- milliseconds. Answers a word and a number: the deadline, or the milliseconds until the session may
-- begin again.
local version, handle, challenge, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ttl, session = tonumber(ARGV[5]), ARGV[6]
local per_session, per_account = tonumber(ARGV[7]), tonumber(ARGV[8])
local limit, window = tonumber(ARGV[9]), ARGV[10]

local account = redis.call('HMGET', KEYS[1], 'version', 'handle')
if (account[1] or '0') ~= version or (handle ~= '' and account[2] and account[2] ~= handle) then
    return { 'stale', 0 }
end
if tonumber(redis.call('GET', KEYS[3]) or '0') >= limit then
    return { 'many', math.max(redis.call('PTTL', KEYS[3]), 0) }
end

-- Records of the release before this one name no session: they count for the account as a whole.
local function session_of(pending)
    local is_json, one = pcall(cjson.decode, pending)
    local named = is_json and type(one) == 'table' and one.session_key
    return type(named) == 'string' and named or ''
end

local now = now_ms()
local deadline = now + ttl
local kept, dropped = {}, {}
local counts = { [session] = 1 }
local entries = redis.call('HGETALL', KEYS[2])
for i = 1, #entries, 2 do
    local one = live(entries[i + 1], now)
    if not one then
        dropped[#dropped + 1] = entries[i]
    elseif entries[i] ~= challenge then
        one.challenge, one.session = entries[i], session_of(one.record)
        counts[one.session] = (counts[one.session] or 0) + 1
        kept[#kept + 1] = one
    end
end
table.sort(kept, function(a, b) return a.sequence < b.sequence end)

local function drop_oldest(may_go)
    for at, one in ipairs(kept) do
        if may_go(one.session) then
            counts[one.session] = counts[one.session] - 1
            dropped[#dropped + 1] = table.remove(kept, at).challenge
            return
        end
    end
end
while counts[session] > per_session do
    drop_oldest(function(of) return of == session end)
end
while #kept + 1 > per_account do
    local most = 0
    for _, count in pairs(counts) do
        most = math.max(most, count)
    end
    drop_oldest(function(of) return counts[of] == most end)
end
local last = deadline
for _, one in ipairs(kept) do
    last = math.max(last, one.deadline)
end

if redis.call('INCR', KEYS[3]) == 1 then
    redis.call('PEXPIRE', KEYS[3], window)
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
return { 'stored', deadline }
