//! When a layer further out cuts a call, as far as the call context says.

use std::time::{Duration, Instant};

use crate::time;

/// When a layer further out cuts the call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Never,
    At(Instant),
    /// So long after the call is first found pending, or at the deadline.
    AfterPending(Duration, Option<Instant>),
}

impl Cut {
    #[inline]
    pub(crate) fn of(context: Option<&resilience_core::Context>) -> Self {
        let Some(context) = context else {
            return Self::Never;
        };
        let deadline = context.deadline().map(|deadline| deadline.at());
        match (context.attempt_limit(), deadline) {
            (Some(limit), deadline) => Self::AfterPending(limit, deadline),
            (None, Some(at)) => Self::At(at),
            (None, None) => Self::Never,
        }
    }

    /// The call was found pending: a limit that counts from then begins.
    #[inline]
    pub(crate) fn pending(&mut self) {
        if let Self::AfterPending(limit, deadline) = *self {
            let own = time::now().checked_add(limit);
            *self = own.into_iter().chain(deadline).min().map_or(Self::Never, Self::At);
        }
    }
}
