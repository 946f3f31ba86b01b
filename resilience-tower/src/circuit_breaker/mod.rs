//! A circuit breaker around a service: see [`resilience_core::circuit_breaker`] for what it does and promises.
//!
//! # What counts
//!
//! A classifier says what each answer means to the breaker ([`ErrorsAreFailures`](resilience_core::ErrorsAreFailures)
//! unless another is given). Refusals of our own layers further in count as nothing, but timeouts as failures. A panic
//! further in is a failure.
//!
//! A call that is dropped before its answer counts as nothing, because its caller went away, unless the time that
//! the call context gave it was over: then one of our timeouts further out has cut it, and it is a failure. So a
//! hanging dependency opens the breaker, wherever the timeout stands. A foreign timeout outside (`tokio::time::timeout`
//! around the call) leaves no trace in the context and cannot be told from a caller that went away; switch on
//! [slow calls](resilience_core::circuit_breaker::Config::slow_calls) then, which counts a call dropped after their
//! threshold.
//!
//! # Readiness
//!
//! While the breaker refuses calls, `poll_ready` is ready at once and leaves the inner service alone. The call that
//! follows is refused with what `poll_ready` found, even if the wait has ended in between, because the inner service
//! was not readied for it.

pub mod future;
mod keyed;
mod layer;
mod service;
mod shared;

pub use self::{
    keyed::{KeyedCircuitBreaker, KeyedCircuitBreakerLayer},
    layer::CircuitBreakerLayer,
    service::CircuitBreaker,
};
