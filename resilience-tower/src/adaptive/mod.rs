//! As many calls at a time as the other side can bear: see [`resilience_core::adaptive`] for what it does and promises.
//!
//! For a limit per host see [`per_key`](crate::per_key).
//!
//! The same layer serves a client, around its calls to one dependency, and a server, around its own handlers.
//!
//! # What counts
//!
//! The latency of good answers, and the overload verdicts of the classifier
//! ([`ErrorsAreFailures`](resilience_core::ErrorsAreFailures) unless another is given; that one knows none). Refusals of our own
//! layers further in count as nothing, but timeouts as overload. A panic further in counts as nothing and gives the room back.
//!
//! A call that is dropped counts as overload if the time that the call context gave it was over: one of our timeouts further out has
//! cut it. A caller that goes away, or is cut by a foreign timeout, counts with the time it has waited if that is longer than
//! the average.
//!
//! # Readiness
//!
//! `poll_ready` is that of the inner service; room is taken in `call`, so a service that is readied and not called holds none, and a
//! call for which there is none is refused at once.
//!
//! # Where it goes
//!
//! On a client inside of retry, so that each attempt asks, and around the attempt timeout; on a server outermost of what takes time.
//! A call counts until its answer is there, not until a body that streams has ended.

pub mod future;
mod layer;
mod service;
mod share;
mod shared;

pub use self::{
    layer::AdaptiveLayer,
    service::Adaptive,
    share::{ByKey, Prioritize, Share, Unshared},
};
