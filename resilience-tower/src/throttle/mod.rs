//! Adaptive throttling around a service: see [`resilience_core::throttle`] for what it does and promises.
//!
//! For a throttle per host or tenant see [`per_key`](crate::per_key).
//!
//! # What counts
//!
//! A classifier says what each answer means ([`ErrorsAreFailures`](resilience_core::ErrorsAreFailures) unless another is
//! given): successes and permanent failures were accepted by the other side. Refusals of our own layers further in count as
//! nothing, but timeouts as calls that were not accepted, and so does a panic further in.
//!
//! A call that is dropped before its answer counts as nothing, because its caller went away, unless the time that
//! the call context gave it was over: then one of our timeouts further out has cut it, and it was not accepted. As with the
//! [circuit breaker](crate::circuit_breaker), a foreign timeout around the call leaves no trace in a context.
//!
//! # Where it stands
//!
//! Inside of retry, where it sees every attempt: a refusal is not worth a retry, so while the throttle refuses, what is refused is
//! not repeated. Outside of a circuit breaker, if there is one: then what it refuses never takes the place of a probe. The
//! refusals of each count as nothing to the other.
//!
//! # Readiness
//!
//! Whether a call is refused is drawn in `call`; `poll_ready` readies the inner service whatever the probability is. What that has
//! reserved stays reserved for the next call through this instance. A limit that reserves in `poll_ready` therefore belongs
//! outside of the throttle, or the instance is to be dropped after a refusal.

pub mod future;
mod layer;
mod service;
mod shared;

pub use self::{layer::ThrottleLayer, service::Throttle};
