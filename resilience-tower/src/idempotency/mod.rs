//! Idempotency keys: an operation runs once, however often it is asked for, and all who ask get the same answer.
//!
//! [`IdempotencyLayer`] does that for the requests of a server, over [HTTP](http) or [gRPC](grpc); [`Guard`] alone for jobs and messages of
//! a queue. What they promise, and what no store can, is told in [`resilience_core::idempotency`]. The other side, keys on the requests of a
//! client, is [`client`].
//!
//! # Two settings to decide on
//!
//! * An operation of which nobody knows how far it got (its process died, its answer was lost, it panicked, it timed out) runs again with
//!   the same key, and sees by its [attempt](IdempotencyContext::attempt) that it is not the first.
//!   [`at_most_once`](Settings::at_most_once) refuses to run it again.
//! * A response that says that the server failed is kept like any other, and replayed.
//!   [`reexecute_on_server_error`](http::Http::reexecute_on_server_error) runs the operation again.
//!
//! For payments, choose the first and not the second; or have the operation finish its record in its own transaction, which closes the
//! last gap: the process that dies after the effect and before its result is stored.
//!
//! # How an operation runs
//!
//! [In a task of its own](Execution::Detached), so that a caller that goes away does not cut it in the middle. Its claim is renewed each third
//! of the [lease](Settings::lease). Timeouts and bulkheads belong further in. A handler that blocks its thread for longer than the
//! lease loses its claim, like one that has died.
//!
//! # What is not shown
//!
//! No key, scope, header or body is in a log, a label, an error or a `Debug` of this module. A key is all that one needs to
//! read a response: callers should make it of 128 random bits, and whoever is no longer allowed to see the response has to be
//! refused further out.

#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod client;
mod context;
mod engine;
mod future;
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
pub mod grpc;
mod guard;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
mod layer;
mod memory;
#[cfg(feature = "http")]
mod naming;
mod outcome;
mod protocol;
mod seal;
mod service;
mod settings;

pub use self::{
    context::IdempotencyContext,
    future::ResponseFuture,
    guard::{Done, Guard, RunError},
    layer::IdempotencyLayer,
    memory::memory_store,
    outcome::{Disposition, MayHaveRun, Ran, Refused, Worked},
    protocol::{Asked, ReadRequest, Rejection, Sorted, WriteAnswer},
    seal::Seal,
    service::Idempotent,
    settings::{Execution, OnStoreError, Settings},
};
