-- Extends a lease. $1 key, $2 owner, $3 lease in ms, $4 how long to wait for a lock in ms.
WITH waiting AS (
    SELECT set_config('lock_timeout', $4::text, true)
)
UPDATE resilience_idempotency AS record
SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
FROM waiting
WHERE record.key = $1 AND record.owner = $2 AND record.state = 0 AND record.expires_at > clock_timestamp()
RETURNING 'ok' AS answer, record.attempt, record.fence AS number, NULL::bytea AS response
