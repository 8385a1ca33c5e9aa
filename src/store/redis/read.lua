-- Reads an account.
-- KEYS: account; authenticators; codes; enrolments; uses; authentications; the session's count of tries.
-- ARGV: digest of the challenge (empty for none); maximum number of wrong codes.
-- Returns the parts that `ReadReply` in account.rs lists.
local account = redis.call('HMGET', KEYS[1], 'version', 'handle', 'epoch', 'replaced')
local enrolment, authentication
if ARGV[1] ~= '' then
    local now = now_ms()
    enrolment = live(redis.call('HGET', KEYS[4], ARGV[1]), now)
    authentication = live(redis.call('HGET', KEYS[6], ARGV[1]), now)
end
local codes, must_wait = active_codes(KEYS[1]), false
if codes.salt then
    must_wait = tonumber(redis.call('HGET', KEYS[7], codes.salt) or '0') >= tonumber(ARGV[2])
end
return {
    account,
    codes.salt and { codes.is_recovery and 1 or 0, codes.salt, codes.pepper, codes.deadline or false },
    redis.call('HLEN', KEYS[3]),
    enrolment and enrolment.record or false,
    authentication and authentication.record or false,
    redis.call('HVALS', KEYS[2]),
    redis.call('HGETALL', KEYS[5]),
    must_wait and math.max(redis.call('PTTL', KEYS[7]), 0) or false,
}
