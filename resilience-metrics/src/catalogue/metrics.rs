//! The list.

use metrics::Unit;

use super::{
    Kind, LabelDef, MetricDef, Shown,
    buckets::{LATENCY_SECONDS, RATIO, RETRIES as RETRY_COUNTS, WAIT_SECONDS},
    labels::*,
};

/// A constant for each metric, and all of them in their order.
macro_rules! catalogue {
    ($($name:ident = $kind:ident $text:literal [$($label:ident)*] $help:literal $(.$more:ident($value:expr))*;)*) => {
        $(pub(crate) const $name: MetricDef =
            MetricDef::$kind($text, &[$($label),*], $help)$(.$more($value))*;)*

        /// All metrics that there are.
        pub const CATALOGUE: &[MetricDef] = &[$($name),*];
    };
}

impl MetricDef {
    const fn new(kind: Kind, name: &'static str, labels: &'static [LabelDef], help: &'static str) -> Self {
        Self { name, kind, unit: None, labels, shown: Shown::Always, help, buckets: &[] }
    }

    const fn counter(name: &'static str, labels: &'static [LabelDef], help: &'static str) -> Self {
        Self::new(Kind::Counter, name, labels, help)
    }

    const fn gauge(name: &'static str, labels: &'static [LabelDef], help: &'static str) -> Self {
        Self::new(Kind::Gauge, name, labels, help)
    }

    const fn histogram(name: &'static str, labels: &'static [LabelDef], help: &'static str) -> Self {
        Self::new(Kind::Histogram, name, labels, help)
    }

    const fn shown(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    const fn unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Samples of seconds.
    const fn seconds(self, buckets: &'static [f64]) -> Self {
        Self { unit: Some(Unit::Seconds), buckets, ..self }
    }

    /// Samples of something else.
    const fn buckets(self, buckets: &'static [f64]) -> Self {
        Self { buckets, ..self }
    }
}

catalogue! {
    OPERATIONS = counter "resilience_operations_total" [PIPELINE OPERATION OUTCOME]
        "Logical operations completed, by outcome.";
    OPERATION_DURATION = histogram "resilience_operation_duration_seconds" [PIPELINE OPERATION OUTCOME]
        "End-to-end duration of logical operations, queueing, retries and pauses included, refused ones too."
        .seconds(LATENCY_SECONDS);
    OPERATIONS_IN_FLIGHT = gauge "resilience_operations_in_flight" [PIPELINE]
        "Logical operations currently in flight.";
    ATTEMPTS = counter "resilience_attempts_total" [PIPELINE ATTEMPT_KIND ATTEMPT_OUTCOME]
        "Attempts made against the wrapped service, by kind and outcome.";
    ATTEMPT_DURATION = histogram "resilience_attempt_duration_seconds" [PIPELINE ATTEMPT_KIND ATTEMPT_OUTCOME]
        "Duration of individual attempts against the wrapped service."
        .seconds(LATENCY_SECONDS);
    RETRIES = counter "resilience_retries_total" [PIPELINE POLICY RETRY_REASON]
        "Retries scheduled, by the kind of failure before.";
    RETRY_DENIED = counter "resilience_retry_denied_total" [PIPELINE POLICY DENIED_REASON]
        "Retryable failures that were not retried, by reason.";
    RETRY_RECOVERED = counter "resilience_retry_recovered_total" [PIPELINE POLICY]
        "Operations that succeeded after at least one retry.";
    RETRY_TOKENS = gauge "resilience_retry_budget_tokens" [PIPELINE POLICY]
        "Tokens available in the retry budget.";
    RETRY_MAX_TOKENS = gauge "resilience_retry_budget_max_tokens" [PIPELINE POLICY]
        "Capacity of the retry budget.";
    RETRY_ATTEMPTS = histogram "resilience_retry_attempts" [PIPELINE POLICY]
        "Retries of operations that were retried and have ended with an answer."
        .buckets(RETRY_COUNTS).shown(Shown::Verbose);
    RETRY_BACKOFF = histogram "resilience_retry_backoff_seconds" [PIPELINE POLICY]
        "Pauses before retries."
        .seconds(LATENCY_SECONDS).shown(Shown::Verbose);
    TIMEOUTS = counter "resilience_timeouts_total" [PIPELINE POLICY SCOPE]
        "Timeouts fired.";
    TIMEOUT_USED = histogram "resilience_timeout_used_ratio" [PIPELINE POLICY SCOPE]
        "Part of the timeout that was used, of calls that did not answer at once, 0 to 1."
        .buckets(RATIO).shown(Shown::Verbose);
    BREAKER_STATE = gauge "resilience_circuit_breaker_state" [PIPELINE POLICY]
        "Circuit breaker state: 0=closed, 1=half-open, 2=open; per key, the worst one.";
    BREAKER_IN_STATE = gauge "resilience_circuit_breaker_in_state" [PIPELINE POLICY STATE]
        "1 for the state that the circuit breaker is in, 0 for the others."
        .shown(Shown::OneHot);
    BREAKER_INSTANCES = gauge "resilience_circuit_breaker_instances" [PIPELINE POLICY STATE]
        "Circuit breakers of single keys, by state.";
    BREAKER_LAST_TRANSITION = gauge "resilience_circuit_breaker_last_transition_timestamp_seconds" [PIPELINE POLICY]
        "Unix time of the last state transition that a call made, 0 before the first; of any key."
        .unit(Unit::Seconds);
    BREAKER_TRANSITIONS = counter "resilience_circuit_breaker_transitions_total" [PIPELINE POLICY FROM TO]
        "State transitions.";
    BREAKER_REJECTED = counter "resilience_circuit_breaker_rejected_total" [PIPELINE POLICY]
        "Calls rejected by the breaker.";
    BREAKER_FAILURES = gauge "resilience_circuit_breaker_failure_ratio" [PIPELINE POLICY]
        "Failure ratio in the current window (0 when empty).";
    BREAKER_SLOW = gauge "resilience_circuit_breaker_slow_ratio" [PIPELINE POLICY]
        "Slow-call ratio in the current window (0 when empty).";
    BREAKER_CALLS = gauge "resilience_circuit_breaker_window_calls" [PIPELINE POLICY]
        "Calls in the current window.";
    BREAKER_OVERRIDE = gauge "resilience_circuit_breaker_manual_override" [PIPELINE POLICY]
        "1 while forced open, forced closed or disabled.";
    BULKHEAD_IN_FLIGHT = gauge "resilience_bulkhead_in_flight" [PIPELINE POLICY]
        "Permits that are out.";
    BULKHEAD_LIMIT = gauge "resilience_bulkhead_limit" [PIPELINE POLICY]
        "Permits there are.";
    BULKHEAD_QUEUE_DEPTH = gauge "resilience_bulkhead_queue_depth" [PIPELINE POLICY]
        "Calls that wait for a permit.";
    BULKHEAD_QUEUE_LIMIT = gauge "resilience_bulkhead_queue_limit" [PIPELINE POLICY]
        "Calls that may wait for a permit.";
    BULKHEAD_REJECTED = counter "resilience_bulkhead_rejected_total" [PIPELINE POLICY BULKHEAD_REASON]
        "Calls rejected by the bulkhead, by reason.";
    BULKHEAD_WAIT = histogram "resilience_bulkhead_wait_seconds" [PIPELINE POLICY]
        "Wait for a permit, of calls that waited and got one."
        .seconds(WAIT_SECONDS);
    RATE_LIMIT_REJECTED = counter "resilience_rate_limit_rejected_total" [PIPELINE POLICY ENFORCED]
        "Calls over the limit; enforced=false were let through.";
    RATE_LIMIT_DELAYED = counter "resilience_rate_limit_delayed_total" [PIPELINE POLICY]
        "Calls delayed before being let through.";
    RATE_LIMIT_WAIT = histogram "resilience_rate_limit_wait_seconds" [PIPELINE POLICY]
        "Delay imposed, for delayed calls."
        .seconds(WAIT_SECONDS);
    RATE_LIMIT_TOKENS = gauge "resilience_rate_limit_available_tokens" [PIPELINE POLICY]
        "Tokens available now.";
    RATE_LIMIT_LIMIT = gauge "resilience_rate_limit_limit" [PIPELINE POLICY]
        "Tokens of a full bucket: the burst.";
    THROTTLE_REJECTED = counter "resilience_throttle_rejected_total" [PIPELINE POLICY]
        "Calls refused locally by the throttle.";
    THROTTLE_RATIO = gauge "resilience_throttle_refusal_ratio" [PIPELINE POLICY]
        "Probability with which the throttle refuses the next call, 0 to 1.";
    ADAPTIVE_LIMIT = gauge "resilience_adaptive_limit" [PIPELINE POLICY]
        "Calls that may be in flight.";
    ADAPTIVE_IN_FLIGHT = gauge "resilience_adaptive_in_flight" [PIPELINE POLICY]
        "Calls in flight.";
    ADAPTIVE_REJECTED = counter "resilience_adaptive_rejected_total" [PIPELINE POLICY PRIORITY]
        "Calls rejected by the adaptive limit, by priority.";
    LOAD_SHED_REJECTED = counter "resilience_load_shed_rejected_total" [PIPELINE POLICY]
        "Calls refused because the service was not ready.";
    DRAIN_REJECTED = counter "resilience_drain_rejected_total" [PIPELINE POLICY]
        "Calls refused because the server drains.";
    DRAIN_ACTIVE = gauge "resilience_drain_active" [PIPELINE POLICY]
        "1 while the server drains and admits no calls.";
    DRAIN_IN_FLIGHT = gauge "resilience_drain_in_flight" [PIPELINE POLICY]
        "Calls that a drain has to wait for.";
    KEYED_ENTRIES = gauge "resilience_keyed_entries" [PIPELINE POLICY]
        "Keys that a table of policies holds.";
    KEYED_EVICTIONS = counter "resilience_keyed_evictions_total" [PIPELINE POLICY EVICTED]
        "Keys given up by a table of policies, by reason.";
    FALLBACKS = counter "resilience_fallbacks_total" [PIPELINE POLICY RESULT]
        "Failed operations that a fallback was asked to answer for, by how that went.";
    IDEMPOTENCY_REQUESTS = counter "resilience_idempotency_requests_total" [PIPELINE POLICY ENDING]
        "Requests that a layer for idempotency keys has seen, by what became of them.";
    IDEMPOTENCY_ENTRIES = gauge "resilience_idempotency_entries" [PIPELINE POLICY]
        "Records that an idempotency store in memory holds.";
    IDEMPOTENCY_EVICTIONS = counter "resilience_idempotency_evictions_total" [PIPELINE POLICY GIVEN_UP]
        "Records given up by an idempotency store in memory, by reason.";
    BUILD_INFO = gauge "resilience_build_info" [VERSION]
        "1; the version of the library is a label.";
    OVERFLOW = counter "resilience_telemetry_overflow_total" []
        "Values of the label `operation` that were not declared and were counted as `_other`."
        .shown(Shown::Operations);
}
