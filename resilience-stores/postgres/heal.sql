-- Makes a record again that is gone. $1 key, $2 fingerprint, $3 owner, $4 attempt, $5 fence, $6 lease and $7 retention in ms,
-- $8 response, or null if it is pending.
INSERT INTO resilience_idempotency AS record
    (key, state, fingerprint, owner, attempt, fence, lease_until, expires_at, response)
VALUES (
    $1, CASE WHEN $8 IS NULL THEN 0 ELSE 1 END, $2, $3, $4, $5,
    clock_timestamp() + $6 * interval '1 millisecond', clock_timestamp() + $7 * interval '1 millisecond', $8
)
-- One that was kept for its time and not yet reaped is gone, too.
ON CONFLICT (key) DO UPDATE SET
    state = EXCLUDED.state,
    fingerprint = EXCLUDED.fingerprint,
    owner = EXCLUDED.owner,
    attempt = EXCLUDED.attempt,
    fence = EXCLUDED.fence,
    lease_until = EXCLUDED.lease_until,
    expires_at = EXCLUDED.expires_at,
    response = EXCLUDED.response
WHERE record.expires_at <= clock_timestamp()
RETURNING 'healed' AS answer, attempt, fence AS number, NULL::bytea AS response
