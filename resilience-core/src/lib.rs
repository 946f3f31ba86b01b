//! Runtime-free resilience algorithms.
//!
//! This crate holds what a policy *decides*; `resilience-tower` holds how a decision reaches a
//! Tower service. Nothing here starts a task, sleeps, does I/O, reads a clock, logs or counts:
//!
//! * **Time is an argument.** A function that may need the time takes `now`, either an
//!   [`Instant`](std::time::Instant) or, where most calls need none, a closure that is called at most once.
//! * **Decisions are return values.** Admission returns a permit and the transition it caused; a
//!   report returns the transition it caused. Whoever called passes them on to an [`Observer`].
//! * **The common path is atomics only.** A lock is taken for failures and transitions, and for a look into a keyed table.
//!
//! | to | look at |
//! |---|---|
//! | say whether a call went well | [`Verdict`], [`Classify`] |
//! | read why a call was refused | [`Rejected`], [`Refusal`], [`Error`] |
//! | carry a deadline with a request | [`Context`], [`CarryContext`], [`Call`], [`Deadline`] |
//! | stop calling what is broken | [`circuit_breaker`] |
//! | bound what runs at a time | [`Bulkhead`] |
//! | offer it no more than it takes | [`throttle`] |
//! | find how much may run at a time | [`AdaptiveLimit`] |
//! | try again, how soon, and who pays for it | [`RetryPolicy`], [`Backoff`], [`RetryBudget`] |
//! | stop a server without losing a call | [`drain`] |
//! | let only so many calls through | [`RateLimiter`], [`Quota`] |
//! | answer in place of what failed | [`fallback`] |
//! | keep one policy per host or tenant | [`keyed`] |
//! | have one result for an operation, however often it is asked for | [`idempotency`] |
//! | see and steer what runs | [`registry`] |
//! | watch | [`Event`], [`Observer`], [`Outcome`] |
//!
//! With the feature `serde` the settings of every policy can be read from a file: see the module `settings`.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod adaptive;
pub mod backoff;
pub mod bulkhead;
pub mod circuit_breaker;
pub mod context;
mod deadline;
pub mod drain;
mod error;
mod event;
pub mod fallback;
mod hint;
pub mod idempotency;
mod invalid;
pub mod keyed;
mod named;
mod nanos;
mod outcome;
#[doc(hidden)]
pub mod range;
pub mod rate_limit;
pub mod registry;
mod rejected;
pub mod retry;
mod rng;
#[cfg(feature = "serde")]
pub mod settings;
pub mod striped;
mod sync;
mod tallies;
mod thousandths;
pub mod throttle;
mod unwind;
mod verdict;

pub use adaptive::AdaptiveLimit;
pub use backoff::Backoff;
pub use bulkhead::Bulkhead;
pub use circuit_breaker::CircuitBreaker;
pub use context::{Call, CarryContext, Context};
pub use deadline::Deadline;
pub use drain::Drain;
pub use error::Error;
pub use event::{Event, Observer};
pub use hint::Hint;
pub use invalid::Invalid;
pub use named::NamedErrors;
pub use outcome::Outcome;
pub use rate_limit::{Quota, RateLimiter};
pub use registry::Registry;
pub use rejected::{BoxError, Refusal, Rejected};
pub use retry::{RetryBudget, RetryPolicy};
pub use rng::Rng;
pub use throttle::Throttle;
pub use unwind::on_unwind;
pub use verdict::{Classify, ErrorsAreFailures, FailureKind, UnsentIf, Verdict};
