-- Gives a record up. Arguments: owner, and whether it goes altogether (1 or 0).
local key = KEYS[1]
local owner, delete = ARGV[1], ARGV[2] == "1"

local record, failed = read(key)
if failed then
    return failed
end
if not record then
    return {"gone"}
end
if record.state ~= PENDING or record.owner ~= owner then
    return {"lost"}
end
if delete then
    redis.call("DEL", key)
else
    record.lease_until = 0
    write(key, record, "")
end
return {"ok"}
