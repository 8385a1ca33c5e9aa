-- Stores a pending ceremony, and the handle if the account has none.
-- KEYS: account; enrolments or authentications; the session's count of begun ceremonies.
-- ARGV: version; handle (empty: leave the stored one); digest of the challenge; record; TTL in
-- milliseconds; session; maximum number of pending ceremonies of the session, of the account; maximum
-- number of ceremonies that the session may begin within a window; the window in milliseconds.
-- Returns a word and a number: 'stored' with the deadline in milliseconds; 'stale' with 0 if the account
-- has another version or another handle; 'many' with the milliseconds until the session may begin again.
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

-- Records of the previous release name no session, and share the empty one.
local function session_of(pending)
    local is_json, decoded = pcall(cjson.decode, pending)
    local key = is_json and type(decoded) == 'table' and decoded.session_key
    return type(key) == 'string' and key or ''
end

local now = now_ms()
local deadline = now + ttl
local kept, dropped = {}, {}
local counts = { [session] = 1 }
local entries = redis.call('HGETALL', KEYS[2])
for i = 1, #entries, 2 do
    local ceremony = live(entries[i + 1], now)
    if not ceremony then
        dropped[#dropped + 1] = entries[i]
    elseif entries[i] ~= challenge then
        ceremony.challenge, ceremony.session = entries[i], session_of(ceremony.record)
        counts[ceremony.session] = (counts[ceremony.session] or 0) + 1
        kept[#kept + 1] = ceremony
    end
end
table.sort(kept, function(a, b) return a.sequence < b.sequence end)

-- Drops the oldest ceremony of the sessions that `may_lose` accepts.
local function drop_oldest(may_lose)
    for index, ceremony in ipairs(kept) do
        if may_lose(ceremony.session) then
            counts[ceremony.session] = counts[ceremony.session] - 1
            dropped[#dropped + 1] = table.remove(kept, index).challenge
            return
        end
    end
end
while counts[session] > per_session do
    drop_oldest(function(candidate) return candidate == session end)
end
while #kept + 1 > per_account do
    local most = 0
    for _, count in pairs(counts) do
        most = math.max(most, count)
    end
    drop_oldest(function(candidate) return counts[candidate] == most end)
end
local last = deadline
for _, ceremony in ipairs(kept) do
    last = math.max(last, ceremony.deadline)
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
