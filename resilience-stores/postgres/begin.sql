-- Claims a record. $1 key, $2 fingerprint, $3 owner, $4 lease and $5 retention in ms, $6 whether a lost owner's record may be
-- taken over, $7 how long to wait for a lock in ms, $8 whether to claim at all or only to look.
--
-- What is seen answers most of those who do not get the record: they write nothing.
WITH seen AS (
    SELECT
        CASE
            WHEN fingerprint <> $2 THEN 'mismatch'
            WHEN state = 1 THEN 'done'
            WHEN owner = $3 THEN 'stale'
            WHEN lease_until > clock_timestamp() THEN 'busy'
            WHEN $6 THEN 'stale'
            ELSE 'abandoned'
        END AS answer,
        attempt,
        ceil(extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint AS remaining,
        response
    FROM resilience_idempotency
    WHERE key = $1 AND expires_at > clock_timestamp()
),
-- For this statement alone, so that it holds behind a pooler too; before the lock is asked for.
waiting AS (
    SELECT set_config('lock_timeout', $7::text, true)
),
claimed AS (
    INSERT INTO resilience_idempotency AS record
        (key, state, fingerprint, owner, attempt, fence, lease_until, expires_at)
    SELECT
        $1, 0, $2, $3, 1, nextval('resilience_idempotency_fence'),
        clock_timestamp() + $4 * interval '1 millisecond', clock_timestamp() + $5 * interval '1 millisecond'
    FROM waiting
    WHERE $8 AND NOT EXISTS (SELECT FROM seen WHERE answer <> 'stale')
    -- Now the row is locked, and may be another than the one that was seen: all is asked again. The fence is drawn under the
    -- lock, so that it is greater than those before; one that was made again may have been ahead of the sequence.
    ON CONFLICT (key) DO UPDATE SET
        state = 0,
        response = NULL,
        fingerprint = EXCLUDED.fingerprint,
        owner = EXCLUDED.owner,
        attempt = CASE
            WHEN record.expires_at <= clock_timestamp() THEN 1
            WHEN record.owner = EXCLUDED.owner THEN record.attempt
            ELSE record.attempt + 1
        END,
        fence = CASE
            WHEN record.expires_at > clock_timestamp() AND record.owner = EXCLUDED.owner THEN record.fence
            ELSE greatest(nextval('resilience_idempotency_fence'), record.fence + 1)
        END,
        lease_until = EXCLUDED.lease_until,
        expires_at = CASE
            WHEN record.expires_at <= clock_timestamp() THEN EXCLUDED.expires_at
            ELSE record.expires_at
        END
    WHERE record.expires_at <= clock_timestamp()
        OR (
            record.state = 0
            AND record.fingerprint = EXCLUDED.fingerprint
            AND (record.owner = EXCLUDED.owner OR ($6 AND record.lease_until <= clock_timestamp()))
        )
    RETURNING attempt, fence
)
SELECT 'acquired' AS answer, attempt, fence AS number, NULL::bytea AS response FROM claimed
UNION ALL
SELECT answer, attempt, remaining, response FROM seen WHERE answer <> 'stale' OR NOT EXISTS (SELECT FROM claimed)
