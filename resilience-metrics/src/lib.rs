//! Metrics of [`resilience_core`] policies through the [`metrics`] facade; their spans and lines of a log through [`tracing`].
//!
//! [`Telemetry`] is made once per pipeline, looks every handle up once, and gives out what the layers need:
//!
//! ```
//! use resilience_core::{CircuitBreaker, ErrorsAreFailures, RetryBudget, circuit_breaker::Config};
//! use resilience_metrics::Telemetry;
//! use std::time::Instant;
//!
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
//! # Recorders
//!
//! Metrics go to the recorder that is installed. It may come later than the telemetry: what was counted before is told when it is found,
//! by the next operation that ends, at the latest; durations before are lost, because without a recorder nobody looks at the clock.
//! [`Telemetry::with_recorder`] gives a telemetry recorders of its own.
//!
//! Counters and histograms are written as things happen, through handles that are looked up once. Gauges are set to what is true at each
//! transition of a breaker, by [`Telemetry::publish`], by a [publisher](Telemetry::spawn_publisher), and otherwise once a second by
//! an operation that ends. The feature `prometheus` has a service that publishes and renders what a scraper asks for, and the buckets of
//! all histograms.
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
//! at every key, so they change with [`Telemetry::publish`] alone, not with a transition. Without breakers there are none. That look is
//! taken once a second by an operation that ends: whoever has a great many keys tells the telemetry
//! [not to](Telemetry::publish_on_calls).
//!
//! A limiter by key takes both [`Telemetry::rate_limit`], without a limiter, and [`Telemetry::keyed`].
//!
//! # Idempotency keys
//!
//! [`Telemetry::idempotency`] is the observer of a `resilience_tower::idempotency::Guard`: it counts each request under what became of
//! it. With the feature `idempotency`, `Telemetry::idempotency_store` shows how full a `MemoryStore` is; other stores are watched where
//! they run.
//!
//! # Metrics
//!
//! [`catalogue`] has all of them, with their labels.
//!
//! A retry that a throttle further in refuses counts in `resilience_retries_total`, because it was scheduled, and in
//! `resilience_retry_denied_total` with the reason `throttle`, because it was not sent. A first attempt that it refuses is in
//! `resilience_throttle_rejected_total` alone: there was no failure to retry.
//!
//! Refused operations take microseconds: a query for latency has to select `outcome="success"`.
//!
//! No label is ever taken from a request. The names given to `Telemetry` are public.
//!
//! # Dashboard and alerts
//!
//! They are files of this package, to be copied: `dashboards/resilience.json` for Grafana 11 or newer,
//! `alerts/resilience-rules.yml` for Prometheus 2.42 or newer, with its tests for `promtool` beside it, and `RUNBOOK.md`, which says of
//! each alert what it means, what to do, and when it is wrong.
//!
//! # Spans and logs
//!
//! [`Telemetry::spans`] has the settings of two layers that put a [span] around each operation and around each of its attempts,
//! [`Telemetry::logs`] is an observer that writes what policies decide. A client's stack takes everything in three lines:
//!
//! ```text
//! stack::client("payments")
//!     .classify(ClassifyReqwest)
//!     .with_observer((telemetry.client(move || handle.snapshot(), None, None), telemetry.logs()))
//!     .slots(telemetry.spans(ClassifyReqwest).layers_with_metrics())
//! ```
//!
//! [`Spans::on_attempt`] is where the trace context of each attempt gets into its request. This crate depends on no version of
//! `opentelemetry`: what is said through `tracing` is what `tracing-opentelemetry` takes.
//!
//! # To look at
//!
//! The module `live`, with the feature of that name, is a page that shows the pipelines of this process.

mod adaptive;
mod attempt;
mod bulkhead;
pub mod catalogue;
mod circuit_breaker;
mod drain;
mod evicted;
mod fallback;
mod idempotency;
mod in_flight;
mod keyed;
mod labels;
mod last_transition;
#[cfg(feature = "live")]
pub mod live;
mod load_shed;
mod logs;
mod operation;
mod per_key;
#[cfg(feature = "prometheus")]
pub mod prometheus;
mod pulse;
mod rate_limit;
pub mod red;
mod registry;
mod retry;
mod sink;
pub mod span;
mod stack;
mod telemetry;
mod throttle;
mod time;
mod timeout;

pub use self::{
    adaptive::AdaptiveMetrics,
    attempt::{Attempt, AttemptLayer},
    bulkhead::BulkheadMetrics,
    catalogue::CATALOGUE,
    circuit_breaker::CircuitBreakerMetrics,
    drain::DrainMetrics,
    fallback::FallbackMetrics,
    idempotency::IdempotencyMetrics,
    load_shed::LoadShedMetrics,
    logs::Logs,
    operation::{NameOperation, Operation, OperationLayer, Unnamed},
    per_key::PerKeyMetrics,
    rate_limit::RateLimitMetrics,
    retry::RetryMetrics,
    span::{SpanLevel, Spans},
    stack::StackMetrics,
    telemetry::{Publisher, Telemetry},
    throttle::ThrottleMetrics,
    timeout::TimeoutMetrics,
};
