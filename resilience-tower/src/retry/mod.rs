//! Sends a failed request again where that helps: see [`resilience_core::retry`] for how it is decided.
//!
//! # What is sent again
//!
//! Requests say themselves whether they can be copied, and what sending them twice may do ([`Replay`]); the classifier says
//! which answers are failures, and of which kind. A request that cannot be copied, or not any more, is sent once; that is
//! no error. A copy is made before the first attempt, and the last attempt sends the copy itself.
//!
//! # What comes back
//!
//! The last answer or error, as it is. A note of the attempts and the [`Reason`](resilience_core::retry::Reason) comes with it where it has
//! room: in [`Error::gave_up`](resilience_core::Error::gave_up), and in the extensions of an HTTP response, through
//! [`Classify::annotate`](resilience_core::Classify::annotate). The observer is told in any case, and so is a
//! [`Trail`](resilience_core::retry::Trail) in the call context.
//!
//! An answer is dropped before the pause begins, and with it what it holds: a connection, a permit. So if the
//! deadline passes while the inner service is not ready for the next attempt, there is no answer left to return, and the
//! operation ends with `DeadlineExceeded`.
//!
//! # Where it stands
//!
//! Inside of the total timeout, outside of breaker and attempt timeout. Each attempt is readied, on the instance that is then
//! called, so limits further in see every one. The call context tells the layers inside the number of the attempt.

mod account;
pub(crate) mod budgets;
pub mod future;
mod layer;
mod replay;
mod service;

pub use self::{
    budgets::{Budgets, KeyedBudgets},
    layer::RetryLayer,
    replay::Replay,
    service::Retry,
};
#[doc(no_inline)]
pub use resilience_core::retry::Safety;
