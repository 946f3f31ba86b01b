//! Load shedding: a service that is not ready refuses calls, instead of letting its callers queue up for it.
//!
//! A Tower service that can take no more says so by staying pending in `poll_ready`. Whoever calls it waits there, without
//! a limit, in a queue that nobody sees. This layer waits for no longer than its [grace](LoadShedLayer::grace), by default not at
//! all, and then refuses the call with [`Rejected::NotReady`](resilience_core::Rejected::NotReady).
//!
//! # Readiness
//!
//! `poll_ready` polls the inner service and the timer, and is woken by them alone. When the inner service has stayed pending for
//! the grace, `poll_ready` is ready and the call that follows is refused, unless `poll_ready` is asked once more before it and
//! finds the inner service ready: the latest answer counts. A call that was refused ends the wait, and the next one waits anew. A
//! caller that stops waiting leaves its wait to the next one of the same instance, which then waits less. A call without
//! `poll_ready` before it, which Tower forbids, is refused as well.
//!
//! What the inner service has asked for while it was pending it goes on asking for, such as a permit of a semaphore: an instance
//! that was refused, and is kept without being called again, may come to hold a permit. Drop the instance after a refusal, as a
//! caller with a clone for each call does.
//!
//! A grace bounds the wait, not the queue: each caller that waits for its own clone of the service holds a request
//! meanwhile.
//!
//! # Where it stands
//!
//! Directly around what can be busy: a concurrency limit, a rate limit, a `Buffer`. A retry layer outside of it does not repeat what
//! was refused; a circuit breaker outside of it counts it as nothing.

pub mod future;
mod layer;
mod service;

pub use self::{layer::LoadShedLayer, service::LoadShed};
