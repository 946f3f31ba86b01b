//! The right to make one call, and what it came to.

use std::time::Instant;

use super::{AdaptiveLimit, shares::Slots};
use crate::Verdict;

/// What a call was admitted under; goes back to the limit that gave it.
///
/// See [`AdaptiveLimit::admit`]; a [`Permit`] is a ticket that cannot be lost. It is worth one report: after that it is
/// spent, and further ones change nothing.
#[derive(Debug)]
#[must_use = "a ticket that is not given back counts as a call in flight"]
pub struct Ticket {
    /// When the call began, or [`NONE`](Self::NONE) once it is spent.
    pub(super) started: u64,
    pub(super) slots: Slots,
}

impl Ticket {
    const NONE: u64 = u64::MAX;

    /// One that is worth nothing: where there is no policy to ask.
    #[inline]
    pub const fn spent() -> Self {
        Self { started: Self::NONE, slots: Slots::NONE }
    }

    /// Whether it has been reported.
    #[inline]
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.started == Self::NONE
    }

    /// What it is worth, once.
    #[inline]
    pub(super) const fn spend(&mut self) -> Option<Self> {
        if self.is_spent() {
            return None;
        }
        let Self { started, slots } = *self;
        self.started = Self::NONE;
        Some(Self { started, slots })
    }
}

/// The right to make one call.
///
/// It ends in one of three ways: [`finish`](Self::finish) reports an answer, [`abandon`](Self::abandon) says that none
/// will come, and dropping it gives back the room and counts nothing.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{AdaptiveLimit, Rejected, Verdict, adaptive::{Config, Priority}};
///
/// let now = Instant::now();
/// let limit = AdaptiveLimit::new(Config::default(), now);
/// let permit = limit.try_acquire(Priority::Default, || now)?;
/// assert_eq!(limit.snapshot().in_flight, 1);
/// permit.finish(Verdict::Success, || now);
/// assert_eq!(limit.snapshot().in_flight, 0);
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped is given back and counts nothing"]
pub struct Permit {
    limit: AdaptiveLimit,
    ticket: Ticket,
}

impl Permit {
    pub(super) const fn new(limit: AdaptiveLimit, ticket: Ticket) -> Self {
        Self { limit, ticket }
    }

    /// Reports the answer. `now` is asked for the time if the answer says something about the limit.
    pub fn finish(mut self, verdict: Verdict, now: impl FnOnce() -> Instant) {
        self.limit.finish(&mut self.ticket, verdict, now);
    }

    /// Reports that no answer will come: the call was dropped.
    ///
    /// A call that was `cut`, because its time was over, has met overload, if it had as much time as the average of the last window.
    /// A caller that went away counts with the time it has waited, if that is longer than this average: the answer would have
    /// taken longer still. What ended earlier, by a deadline that nobody could have kept or as the loser of a race, counts as nothing.
    pub fn abandon(mut self, cut: bool, now: impl FnOnce() -> Instant) {
        self.limit.abandon(&mut self.ticket, cut, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.spend() {
            self.limit.shared.give_back(&ticket);
        }
    }
}
