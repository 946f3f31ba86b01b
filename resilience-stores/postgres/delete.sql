-- Gives a record up: it goes. $1 key, $2 owner, $3 how long to wait for a lock in ms.
WITH waiting AS (
    SELECT set_config('lock_timeout', $3::text, true)
),
given_up AS (
    DELETE FROM resilience_idempotency AS record USING waiting
    WHERE record.key = $1 AND record.owner = $2 AND record.state = 0 AND record.expires_at > clock_timestamp()
    RETURNING record.attempt
)
SELECT
    CASE
        WHEN EXISTS (SELECT FROM given_up) THEN 'ok'
        WHEN EXISTS (SELECT FROM resilience_idempotency WHERE key = $1 AND expires_at > clock_timestamp()) THEN 'lost'
        ELSE 'gone'
    END AS answer,
    NULL::integer AS attempt, NULL::bigint AS number, NULL::bytea AS response
