//! The names of the metrics and what they say, in one place.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(crate) const OPERATIONS: &str = "resilience_operations_total";
pub(crate) const OPERATION_DURATION: &str = "resilience_operation_duration_seconds";
pub(crate) const ATTEMPTS: &str = "resilience_attempts_total";
pub(crate) const ATTEMPT_DURATION: &str = "resilience_attempt_duration_seconds";
pub(crate) const RETRIES: &str = "resilience_retries_total";
pub(crate) const RETRY_DENIED: &str = "resilience_retry_denied_total";
pub(crate) const RETRY_RECOVERED: &str = "resilience_retry_recovered_total";
pub(crate) const RETRY_TOKENS: &str = "resilience_retry_budget_tokens";
pub(crate) const RETRY_MAX_TOKENS: &str = "resilience_retry_budget_max_tokens";
pub(crate) const TIMEOUTS: &str = "resilience_timeouts_total";
pub(crate) const BREAKER_STATE: &str = "resilience_circuit_breaker_state";
pub(crate) const BREAKER_OVERRIDE: &str = "resilience_circuit_breaker_manual_override";
pub(crate) const BREAKER_FAILURES: &str = "resilience_circuit_breaker_failure_ratio";
pub(crate) const BREAKER_SLOW: &str = "resilience_circuit_breaker_slow_ratio";
pub(crate) const BREAKER_CALLS: &str = "resilience_circuit_breaker_window_calls";
pub(crate) const BREAKER_TRANSITIONS: &str = "resilience_circuit_breaker_transitions_total";
pub(crate) const BREAKER_REJECTED: &str = "resilience_circuit_breaker_rejected_total";
pub(crate) const BREAKER_INSTANCES: &str = "resilience_circuit_breaker_instances";
pub(crate) const ADAPTIVE_LIMIT: &str = "resilience_adaptive_limit";
pub(crate) const ADAPTIVE_IN_FLIGHT: &str = "resilience_adaptive_in_flight";
pub(crate) const ADAPTIVE_REJECTED: &str = "resilience_adaptive_rejected_total";
pub(crate) const BULKHEAD_IN_FLIGHT: &str = "resilience_bulkhead_in_flight";
pub(crate) const BULKHEAD_LIMIT: &str = "resilience_bulkhead_limit";
pub(crate) const BULKHEAD_QUEUE_DEPTH: &str = "resilience_bulkhead_queue_depth";
pub(crate) const BULKHEAD_QUEUE_LIMIT: &str = "resilience_bulkhead_queue_limit";
pub(crate) const BULKHEAD_REJECTED: &str = "resilience_bulkhead_rejected_total";
pub(crate) const BULKHEAD_WAIT: &str = "resilience_bulkhead_wait_seconds";
pub(crate) const THROTTLE_REJECTED: &str = "resilience_throttle_rejected_total";
pub(crate) const THROTTLE_RATIO: &str = "resilience_throttle_refusal_ratio";
pub(crate) const DRAIN_REJECTED: &str = "resilience_drain_rejected_total";
pub(crate) const DRAIN_ACTIVE: &str = "resilience_drain_active";
pub(crate) const DRAIN_IN_FLIGHT: &str = "resilience_drain_in_flight";
pub(crate) const LOAD_SHED_REJECTED: &str = "resilience_load_shed_rejected_total";
pub(crate) const FALLBACKS: &str = "resilience_fallbacks_total";
pub(crate) const RATE_LIMIT_REJECTED: &str = "resilience_rate_limit_rejected_total";
pub(crate) const RATE_LIMIT_DELAYED: &str = "resilience_rate_limit_delayed_total";
pub(crate) const RATE_LIMIT_WAIT: &str = "resilience_rate_limit_wait_seconds";
pub(crate) const RATE_LIMIT_TOKENS: &str = "resilience_rate_limit_available_tokens";
pub(crate) const RATE_LIMIT_LIMIT: &str = "resilience_rate_limit_limit";
pub(crate) const KEYED_ENTRIES: &str = "resilience_keyed_entries";
pub(crate) const KEYED_EVICTIONS: &str = "resilience_keyed_evictions_total";

/// Tells the recorder what each metric means.
pub(crate) fn describe() {
    describe_counter!(OPERATIONS, "Logical operations completed, by outcome.");
    describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "End-to-end duration of logical operations, refused ones included."
    );
    describe_counter!(ATTEMPTS, "Attempts made against the wrapped service, by kind and outcome.");
    describe_histogram!(
        ATTEMPT_DURATION,
        Unit::Seconds,
        "Duration of individual attempts against the wrapped service."
    );
    describe_counter!(RETRIES, "Retries scheduled, by the kind of failure before.");
    describe_counter!(RETRY_DENIED, "Retryable failures that were not retried, by reason.");
    describe_counter!(RETRY_RECOVERED, "Operations that succeeded after at least one retry.");
    describe_gauge!(RETRY_TOKENS, "Tokens available in the retry budget.");
    describe_gauge!(RETRY_MAX_TOKENS, "Capacity of the retry budget.");
    describe_counter!(TIMEOUTS, "Timeouts fired.");
    describe_gauge!(
        BREAKER_STATE,
        "Circuit breaker state: 0=closed, 1=half-open, 2=open; per key, the worst one."
    );
    describe_gauge!(BREAKER_OVERRIDE, "1 while forced open, forced closed or disabled.");
    describe_gauge!(BREAKER_FAILURES, "Failure ratio in the current window (0 when empty).");
    describe_gauge!(BREAKER_SLOW, "Slow-call ratio in the current window (0 when empty).");
    describe_gauge!(BREAKER_CALLS, "Calls in the current window.");
    describe_counter!(BREAKER_TRANSITIONS, "State transitions.");
    describe_counter!(BREAKER_REJECTED, "Calls rejected by the breaker.");
    describe_gauge!(BREAKER_INSTANCES, "Circuit breakers of single keys, by state.");
    describe_gauge!(ADAPTIVE_LIMIT, "Calls that may be in flight.");
    describe_gauge!(ADAPTIVE_IN_FLIGHT, "Calls in flight.");
    describe_counter!(ADAPTIVE_REJECTED, "Calls rejected by the adaptive limit, by priority.");
    describe_gauge!(BULKHEAD_IN_FLIGHT, "Permits that are out.");
    describe_gauge!(BULKHEAD_LIMIT, "Permits there are.");
    describe_gauge!(BULKHEAD_QUEUE_DEPTH, "Calls that wait for a permit.");
    describe_gauge!(BULKHEAD_QUEUE_LIMIT, "Calls that may wait for a permit.");
    describe_counter!(BULKHEAD_REJECTED, "Calls rejected by the bulkhead, by reason.");
    describe_histogram!(BULKHEAD_WAIT, Unit::Seconds, "Wait for a permit, of calls that waited and got one.");
    describe_counter!(THROTTLE_REJECTED, "Calls refused locally by the throttle.");
    describe_gauge!(THROTTLE_RATIO, "Probability with which the throttle refuses the next call, 0 to 1.");
    describe_counter!(DRAIN_REJECTED, "Calls refused because the server drains.");
    describe_gauge!(DRAIN_ACTIVE, "1 while the server drains and admits no calls.");
    describe_gauge!(DRAIN_IN_FLIGHT, "Calls that a drain has to wait for.");
    describe_counter!(LOAD_SHED_REJECTED, "Calls refused because the service was not ready.");
    describe_counter!(
        FALLBACKS,
        "Failed operations that a fallback was asked to answer for, by how that went."
    );
    describe_counter!(RATE_LIMIT_REJECTED, "Calls over the limit; enforced=false were let through.");
    describe_counter!(RATE_LIMIT_DELAYED, "Calls delayed before being let through.");
    describe_histogram!(RATE_LIMIT_WAIT, Unit::Seconds, "Delay imposed, for delayed calls.");
    describe_gauge!(RATE_LIMIT_TOKENS, "Tokens available now.");
    describe_gauge!(RATE_LIMIT_LIMIT, "Tokens of a full bucket: the burst.");
    describe_gauge!(KEYED_ENTRIES, "Keys that a table of policies holds.");
    describe_counter!(KEYED_EVICTIONS, "Keys given up by a table of policies, by reason.");
}
