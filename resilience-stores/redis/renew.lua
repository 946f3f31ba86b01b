-- Extends a lease. Arguments: fingerprint, owner, lease, retention, and what the owner holds: attempt, fence.
local key = KEYS[1]
local fingerprint, owner, lease, retain = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local attempt, fence = tonumber(ARGV[5]), tonumber(ARGV[6])

local record, failed = read(key)
if failed then
    return failed
end
local lease_until = milliseconds(now_us()) + lease

if not record then
    record = {
        state = PENDING, attempt = attempt, fence = fence, lease_until = lease_until, lease = lease, owner = owner,
        fingerprint = fingerprint
    }
    if not create(key, record, "", retain) then
        return {"corrupt"}
    end
    return {"healed"}
end
if record.state ~= PENDING or record.owner ~= owner then
    return {"lost"}
end
record.lease = lease
record.lease_until = lease_until
write(key, record, "")
return {"ok"}
