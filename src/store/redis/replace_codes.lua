-- KEYS: account, codes. ARGV: version, salt, pepper id, hashes. Answers 1 when they are stored, 0
-- when the account has changed.
local version, salt, pepper_id = ARGV[1], ARGV[2], ARGV[3]
local account = redis.call('HMGET', KEYS[1], 'version', 'salt')
if account[2] == salt then
    return 1
end
if (account[1] or '0') ~= version then
    return 0
end
local hashes = {}
for i = 4, #ARGV do
    hashes[#hashes + 1] = ARGV[i]
    hashes[#hashes + 1] = '1'
end

redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(hashes))
redis.call('HSET', KEYS[1], 'salt', salt, 'pepper', pepper_id)
return 1
