-- Completes an authentication. The pending authentication is used up unless it is gone.
-- KEYS: authenticators; uses; authentications; account.
-- ARGV: digest of the challenge; id of the authenticator; signature counter of the assertion; record of
-- the use.
-- Returns a word and the epoch, 0 unless the use was stored: 'stored'; 'gone' if there is no such pending
-- authentication; 'nothing' if there is no such authenticator; 'back' if the counter has not grown.
local challenge, id, count, record = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if not live(redis.call('HGET', KEYS[3], challenge), now_ms()) then
    return { 'gone', 0 }
end
local stored = redis.call('HGET', KEYS[1], id)
local latest = redis.call('HGET', KEYS[2], id) or stored
local before = latest and cjson.decode(latest).sign_count or 0

redis.call('HDEL', KEYS[3], challenge)
if not stored then
    return { 'nothing', 0 }
end
if (before ~= 0 or count ~= 0) and count <= before then
    return { 'back', 0 }
end
redis.call('HSET', KEYS[2], id, record)
return { 'stored', tonumber(redis.call('HGET', KEYS[4], 'epoch') or '0') }
