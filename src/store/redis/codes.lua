-- Returns the set of codes that is tried now, from the account's hash: the recovery code, or else the
-- backup codes. `reset` holds the version of the account that the recovery code was stored with. Each
-- change of the authenticators raises the version, in the release before this one too, and so ends
-- the reset. The code itself is from|until|hash, times in milliseconds, and goes when it is used; its
-- salt stays.
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

-- Stores a recovery code beside the account, and returns its deadline.
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
