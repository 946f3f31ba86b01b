//! Retry: whether a failed attempt is worth another, when, and who pays for it.
//!
//! [`RetryPolicy`] decides after each failed attempt, in this order:
//!
//! 1. Is it a failure that goes away? A refusal of our own policies is not, unless asked; a deadline that is over never.
//! 2. Are attempts left?
//! 3. May the request be sent twice ([`Safety`]), or was it never sent?
//! 4. Is the request still there?
//! 5. Does the other side want another attempt, and soon enough ([`Hint`](crate::Hint))? One that is overloaded and does not
//!    say for how long gets one more attempt, not two.
//! 6. Does the deadline leave room for the pause?
//! 7. Does the [budget](RetryBudget) grant it? Only now it is charged, and only then the pause begins.
//!
//! Whoever gives up returns the last answer or error as it is, with a note of [how far it got](GaveUp).

pub mod budget;
mod decision;
mod gave_up;
#[cfg(feature = "serde")]
mod patch;
mod policy;
mod trail;

#[cfg(test)]
mod tests;

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::{
    budget::RetryBudget,
    decision::{Decision, Failed, Retries, Safety},
    gave_up::{GaveUp, Reason},
    policy::RetryPolicy,
    trail::Trail,
};
