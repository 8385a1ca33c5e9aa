-- Returns the active set of codes from the account's hash: the recovery code if there is one, else the
-- backup codes. `reset` is the version of the account at which the recovery code was stored. Each change
-- of the authenticators raises the version, in the previous release too, and so ends the reset.
-- `recovery_code` is from|until|hash, with times in milliseconds. It is removed when the code is used;
-- the salt stays.
local function active_codes(account)
    local stored = redis.call(
        'HMGET', account, 'version', 'reset', 'salt', 'pepper', 'recovery_salt',
        'recovery_pepper', 'recovery_code'
    )
    if not stored[1] or stored[2] ~= stored[1] then
        return { is_recovery = false, salt = stored[3], pepper = stored[4] }
    end
    local from, deadline, hash = string.match(stored[7] or '', '^(%d+)|(%d+)|(.*)$')
    return {
        is_recovery = true,
        salt = stored[5],
        pepper = stored[6],
        from = tonumber(from),
        deadline = tonumber(deadline),
        hash = hash,
    }
end

-- Stores a recovery code in the account's hash, and returns its deadline in milliseconds.
local function store_recovery(account, version, code)
    local now = now_ms()
    local deadline = now + tonumber(code.ttl)
    local entry = string.format('%.0f|%.0f|', now, deadline) .. code.hash
    redis.call(
        'HSET', account, 'reset', version, 'recovery_salt', code.salt,
        'recovery_pepper', code.pepper, 'recovery_code', entry
    )
    return deadline
end

local function end_reset(account)
    redis.call('HDEL', account, 'reset', 'recovery_salt', 'recovery_pepper', 'recovery_code')
end
