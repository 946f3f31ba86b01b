//! Limits on time: for one attempt, or for a whole operation.
//!
//! | | [`TimeoutLayer::attempt`] | [`TimeoutLayer::total`] |
//! |---|---|---|
//! | stands | inside retry, next to the transport | outermost |
//! | counts from | when the attempt is first found pending | when `call` is called |
//! | ends with | `Rejected::AttemptTimeout`, worth a retry | `Rejected::DeadlineExceeded`, never retried |
//! | a deadline in the context | binds too | binds too, and is brought nearer |
//! | a ready answer costs | nothing: no timer, no clock | one clock reading |
//!
//! An attempt gets the smaller of its own limit and what is left of the deadline, and the error says which of the two
//! fired. A ready answer wins a tie with the timer. The inner future is dropped before the error is returned, so what
//! it held is free when the caller learns of it.

pub mod future;
mod layer;
mod service;

pub use self::{layer::TimeoutLayer, service::Timeout};
