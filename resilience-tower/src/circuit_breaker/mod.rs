//! A circuit breaker around a service: see [`resilience_core::circuit_breaker`] for what it does and promises.
//!
//! For a breaker per host or tenant see [`per_key`](crate::per_key).
//!
//! # What counts
//!
//! A classifier says what each answer means to the breaker ([`ErrorsAreFailures`](resilience_core::ErrorsAreFailures)
//! unless another is given). Refusals of our own layers further in count as nothing, but timeouts as failures. A panic
//! further in is a failure.
//!
//! A call that is dropped before its answer counts as nothing, because its caller went away, unless the time that
//! the call context gave it was over: then one of our timeouts further out has cut it, and it is a failure. So a
//! hanging dependency opens the breaker, whether our timeout stands inside or outside of it. Two kinds of cut leave no
//! trace in a context and look like a caller that went away: by a foreign timeout (`tokio::time::timeout` around
//! the call), and by any timeout outside if the request [carries no context](resilience_core::context). Put the timeout
//! inside then, or watch [slow calls](resilience_core::circuit_breaker::Config::slow_calls), which count a call dropped
//! after their threshold. An attempt timeout belongs next to the breaker: with a foreign queue between them the call
//! starts later than its limit, and the cut is not seen.
//!
//! # Readiness
//!
//! While the breaker refuses calls, `poll_ready` is ready at once and leaves the inner service alone. The call that
//! follows is refused with what `poll_ready` found, even if the wait has ended in between, because the inner service
//! was not readied for it. A call without `poll_ready` before it, which Tower forbids, is refused as well, with a
//! `retry_after` of zero.
//!
//! If the breaker opens between `poll_ready` and `call`, what the inner service has reserved stays reserved for the next
//! call through this instance. A limit that reserves in `poll_ready` therefore belongs outside of the breaker, or the instance is
//! to be dropped after a refusal.
//!
//! A caller that waits in `poll_ready` is woken by the inner service alone. If that is busy with a probe that hangs, nobody
//! wakes it when the probe's time is over; the next caller finds out. A timeout of ours next to the transport keeps probes
//! from hanging.

pub mod future;
mod layer;
mod service;
mod shared;

pub use self::{layer::CircuitBreakerLayer, service::CircuitBreaker};
