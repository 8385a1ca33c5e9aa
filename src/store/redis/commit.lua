-- Completes an enrolment. Everything is checked before the first write, because Redis does not roll back
-- a script that fails midway.
-- KEYS: account; authenticators; codes; enrolments.
-- ARGV: version; digest of the challenge; id of the authenticator; its record; RP ID; credential id;
-- deadline of the claim in milliseconds; maximum number of authenticators; salt of the codes that opened
-- the session (empty for none); a set of codes: salt (empty for none), pepper id, hashes.
-- Returns a word and two numbers: 'stored' with 1 if the set was stored (else 0) and the number of backup
-- codes, also for a repetition; 'gone' with 1 if the account has the credential (else 0); or 'late',
-- 'exists', 'limit' or 'stale' if nothing was stored.
local version, challenge, id, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local rp_id, credential_id, claimed_until = ARGV[5], ARGV[6], tonumber(ARGV[7])
local max_authenticators, opened_by = tonumber(ARGV[8]), ARGV[9]
local salt, pepper_id = ARGV[10], ARGV[11]
local hashes = {}
for i = 12, #ARGV do
    hashes[#hashes + 1] = ARGV[i]
    hashes[#hashes + 1] = '1'
end

local function holds_credential()
    for _, stored in ipairs(redis.call('HVALS', KEYS[2])) do
        local authenticator = cjson.decode(stored)
        if authenticator.rp_id == rp_id and authenticator.credential_id == credential_id then
            return true
        end
    end
    return false
end

local now = now_ms()
local remaining = redis.call('HLEN', KEYS[3])
if redis.call('HEXISTS', KEYS[2], id) == 1 then
    local codes_stored = salt ~= '' and redis.call('HGET', KEYS[1], 'salt') == salt
    return { 'stored', codes_stored and 1 or 0, remaining }
end
if now >= claimed_until then
    return { 'late', 0, 0 }
end
local held = holds_credential()
if not live(redis.call('HGET', KEYS[4], challenge), now) then
    return { 'gone', held and 1 or 0, 0 }
end
if held then
    return { 'exists', 0, 0 }
end
if redis.call('HLEN', KEYS[2]) >= max_authenticators then
    return { 'limit', 0, 0 }
end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= version then
    return { 'stale', 0, 0 }
end

local before = active_codes(KEYS[1])
redis.call('HSET', KEYS[2], id, record)
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HDEL', KEYS[4], challenge)
end_reset(KEYS[1])
local stores_codes = salt ~= '' and #hashes > 0 and remaining == 0
if stores_codes then
    redis.call('HSET', KEYS[1], 'salt', salt, 'pepper', pepper_id)
    redis.call('HSET', KEYS[3], unpack(hashes))
end
if before.salt and before.salt == opened_by and (stores_codes or before.is_recovery) then
    redis.call('HSET', KEYS[1], 'replaced', opened_by)
elseif stores_codes or before.is_recovery then
    redis.call('HDEL', KEYS[1], 'replaced')
end
return { 'stored', stores_codes and 1 or 0, redis.call('HLEN', KEYS[3]) }
