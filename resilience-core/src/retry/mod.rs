//! Retry: whether a failed attempt is worth another, when, and who pays for it.

mod gave_up;
mod trail;

pub use self::{
    gave_up::{GaveUp, Reason},
    trail::Trail,
};
