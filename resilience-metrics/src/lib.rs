//! Metrics of [`resilience_core`] policies, through the [`metrics`] facade.
//!
//! [`Telemetry`] is made once per pipeline, looks every handle up once, and gives out what the layers need:
//!
//! ```
//! use resilience_core::{CircuitBreaker, ErrorsAreFailures, RetryBudget, circuit_breaker::Config};
//! use resilience_metrics::Telemetry;
//! use std::time::Instant;
//!
//! // After the recorder has been installed: a handle made before stays without effect.
//! let telemetry = Telemetry::new("payments");
//!
//! let breaker = CircuitBreaker::new(Config::new(), Instant::now());
//! let breaker_observer = telemetry.circuit_breaker("circuit_breaker", &breaker);
//! let retry_observer = telemetry.retry("retry", Some(&RetryBudget::new()));
//! let timeout_observer = telemetry.timeout("timeout");
//! let outermost_layer = telemetry.operation_layer(ErrorsAreFailures);
//! let layer_around_each_attempt = telemetry.attempt_layer(ErrorsAreFailures);
//!
//! // When metrics are scraped: gauges that change with time alone are brought up to date.
//! telemetry.publish();
//! # let _ = (breaker_observer, retry_observer, timeout_observer, outermost_layer, layer_around_each_attempt);
//! ```
//!
//! # Policies by key
//!
//! One series for each key would be a flood, and the keys come from requests. So the metrics of policies by key are sums: each
//! refusal of any of them counts, and a table shows how many keys it holds. A function looks at it, so the table may be inside of a
//! layer:
//!
//! ```
//! use resilience_core::{CircuitBreaker, keyed::Keyed};
//! use resilience_metrics::Telemetry;
//! use std::{num::NonZeroUsize, sync::Arc, time::Duration};
//!
//! let telemetry = Telemetry::new("payments");
//! let capacity = NonZeroUsize::new(10_000).expect("not zero");
//! let table = Arc::new(Keyed::<String, CircuitBreaker>::new(capacity, Duration::from_secs(600)));
//! let shown = Arc::clone(&table);
//! telemetry.keyed("destinations", move || shown.snapshot());
//! ```
//!
//! [`Telemetry::per_key`] is for `resilience_tower::PerKeyLayer`, whose snapshot also says in which states its breakers are:
//! `let observer = telemetry.per_key("destinations", move || shown.snapshot())`, where `shown` is a clone of the layer, and then
//! `layer.with_observer(observer)`. Its state gauge is the worst state that the breaker of any key is in, and
//! `resilience_circuit_breaker_instances` says how many are in which: one host that is down is no outage. To know either is to look
//! at every key, so they change with [`Telemetry::publish`] alone, not with a transition. Without breakers there are none.
//!
//! A limiter by key takes both [`Telemetry::rate_limit`], without a limiter, and [`Telemetry::keyed`].
//!
//! # Metrics
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `resilience_operations_total` | counter | `pipeline`, `outcome` |
//! | `resilience_operation_duration_seconds` | histogram | `pipeline`, `outcome` |
//! | `resilience_attempts_total` | counter | `pipeline`, `kind`, `outcome` |
//! | `resilience_attempt_duration_seconds` | histogram | `pipeline`, `kind`, `outcome` |
//! | `resilience_retries_total` | counter | `pipeline`, `policy`, `reason` |
//! | `resilience_retry_denied_total` | counter | `pipeline`, `policy`, `reason` |
//! | `resilience_retry_recovered_total` | counter | `pipeline`, `policy` |
//! | `resilience_retry_budget_tokens` | gauge | `pipeline`, `policy` |
//! | `resilience_retry_budget_max_tokens` | gauge | `pipeline`, `policy` |
//! | `resilience_timeouts_total` | counter | `pipeline`, `policy`, `scope` |
//! | `resilience_circuit_breaker_state` | gauge: 0 closed, 1 half-open, 2 open; the worst where there are many | `pipeline`, `policy` |
//! | `resilience_circuit_breaker_instances` | gauge, of breakers by key only | `pipeline`, `policy`, `state` |
//! | `resilience_circuit_breaker_manual_override` | gauge | `pipeline`, `policy` |
//! | `resilience_circuit_breaker_failure_ratio` | gauge | `pipeline`, `policy` |
//! | `resilience_circuit_breaker_slow_ratio` | gauge | `pipeline`, `policy` |
//! | `resilience_circuit_breaker_window_calls` | gauge | `pipeline`, `policy` |
//! | `resilience_circuit_breaker_transitions_total` | counter | `pipeline`, `policy`, `from`, `to` |
//! | `resilience_circuit_breaker_rejected_total` | counter | `pipeline`, `policy` |
//! | `resilience_adaptive_limit` | gauge | `pipeline`, `policy` |
//! | `resilience_adaptive_in_flight` | gauge | `pipeline`, `policy` |
//! | `resilience_adaptive_rejected_total` | counter | `pipeline`, `policy`, `priority` |
//! | `resilience_bulkhead_in_flight` | gauge | `pipeline`, `policy` |
//! | `resilience_bulkhead_limit` | gauge | `pipeline`, `policy` |
//! | `resilience_bulkhead_queue_depth` | gauge | `pipeline`, `policy` |
//! | `resilience_bulkhead_queue_limit` | gauge | `pipeline`, `policy` |
//! | `resilience_bulkhead_rejected_total` | counter | `pipeline`, `policy`, `reason` |
//! | `resilience_bulkhead_wait_seconds` | histogram, of calls that waited | `pipeline`, `policy` |
//! | `resilience_throttle_rejected_total` | counter | `pipeline`, `policy` |
//! | `resilience_throttle_refusal_ratio` | gauge | `pipeline`, `policy` |
//! | `resilience_drain_rejected_total` | counter | `pipeline`, `policy` |
//! | `resilience_drain_active` | gauge | `pipeline`, `policy` |
//! | `resilience_drain_in_flight` | gauge | `pipeline`, `policy` |
//! | `resilience_load_shed_rejected_total` | counter | `pipeline`, `policy` |
//! | `resilience_fallbacks_total` | counter | `pipeline`, `policy`, `result` |
//! | `resilience_rate_limit_rejected_total` | counter | `pipeline`, `policy`, `enforced` |
//! | `resilience_rate_limit_delayed_total` | counter | `pipeline`, `policy` |
//! | `resilience_rate_limit_wait_seconds` | histogram, of delayed calls only | `pipeline`, `policy` |
//! | `resilience_rate_limit_available_tokens` | gauge | `pipeline`, `policy` |
//! | `resilience_rate_limit_limit` | gauge | `pipeline`, `policy` |
//! | `resilience_keyed_entries` | gauge | `pipeline`, `policy` |
//! | `resilience_keyed_evictions_total` | counter | `pipeline`, `policy`, `reason` |
//!
//! A retry that a throttle further in refuses counts in `resilience_retries_total`, because it was scheduled, and in
//! `resilience_retry_denied_total` with the reason `throttle`, because it was not sent. A first attempt that it refuses is in
//! `resilience_throttle_rejected_total` alone: there was no failure to retry.
//!
//! Refused operations take microseconds: a query for latency has to select `outcome="success"`.
//!
//! No label is ever taken from a request. The names given to `Telemetry` are public.

mod adaptive;
mod attempt;
mod bulkhead;
mod circuit_breaker;
mod drain;
mod fallback;
mod keyed;
mod labels;
mod load_shed;
mod names;
mod operation;
mod per_key;
mod rate_limit;
pub mod red;
mod registry;
mod retry;
mod stack;
mod telemetry;
mod throttle;
mod time;
mod timeout;

pub use self::{
    adaptive::AdaptiveMetrics,
    attempt::{Attempt, AttemptLayer},
    bulkhead::BulkheadMetrics,
    circuit_breaker::CircuitBreakerMetrics,
    drain::DrainMetrics,
    fallback::FallbackMetrics,
    load_shed::LoadShedMetrics,
    operation::{Operation, OperationLayer},
    per_key::PerKeyMetrics,
    rate_limit::RateLimitMetrics,
    retry::RetryMetrics,
    stack::StackMetrics,
    telemetry::Telemetry,
    throttle::ThrottleMetrics,
    timeout::TimeoutMetrics,
};
