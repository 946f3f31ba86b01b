-- Deletes records that have been kept for their time, the oldest first. $1 how many at most (bigint).
WITH expired AS (
    SELECT key FROM resilience_idempotency
    WHERE expires_at <= now()
    ORDER BY expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
),
reaped AS (
    DELETE FROM resilience_idempotency AS record USING expired WHERE record.key = expired.key RETURNING record.attempt
)
SELECT 'ok' AS answer, NULL::integer AS attempt, count(*) AS number, NULL::bytea AS response FROM reaped
