//! What a call was admitted under, by all policies together.

use std::{
    cell::OnceCell,
    time::{Duration, Instant},
};

use resilience_core::{
    FailureKind, Observer, Rejected, Verdict,
    adaptive::{self, Priority},
    circuit_breaker::{self, State, Transition},
    throttle,
};

use super::{policies::Bundle, service::tell};
use crate::{cut::Cut, time};

/// What a call was admitted under by the policies there are; spent from the beginning where there is none.
pub(super) struct Tickets {
    throttle: throttle::Ticket,
    circuit_breaker: circuit_breaker::Ticket,
    adaptive: adaptive::Ticket,
    pub(super) is_spent: bool,
}

impl Tickets {
    /// Asks the policies, outermost first. One that refuses counts for those further out as what is refused further in.
    #[inline]
    pub(super) fn admit(
        bundle: &Bundle,
        observer: Option<&impl Observer>,
        now: Instant,
    ) -> Result<Self, Rejected> {
        let mut tickets = Self {
            throttle: throttle::Ticket::spent(),
            circuit_breaker: circuit_breaker::Ticket::spent(),
            adaptive: adaptive::Ticket::spent(),
            is_spent: false,
        };
        if let Some(throttle) = &bundle.throttle {
            tickets.throttle = throttle.admit(|| now)?;
        }
        if let Some(breaker) = &bundle.circuit_breaker {
            tickets.circuit_breaker = match breaker.admit_closed(|| now) {
                Some(ticket) => ticket,
                None => {
                    let (admitted, transition) = breaker.admit(|| now);
                    follow(bundle, observer, transition);
                    admitted?
                }
            };
        }
        if let Some(limit) = &bundle.adaptive {
            match limit.admit(Priority::Default, || now) {
                Ok(ticket) => tickets.adaptive = ticket,
                Err(rejected) => {
                    tickets.finish(bundle, observer, rejected.verdict(), None);
                    return Err(rejected);
                }
            }
        }
        Ok(tickets)
    }

    /// An error that is no sign of overload is the breaker's to judge, if there is one; the throttle then counts nothing.
    ///
    /// Fewer calls do not make such errors fewer. A throttle that counts them brings the calls down to its probes as soon as more than
    /// half of them fail, and takes away the retries: of callers whom half of the calls failed, 39 % were served with it, 65 % are
    /// without (`tests/tests/outcomes`, S1c).
    pub(super) fn leave_errors(&mut self, bundle: &Bundle, verdict: Verdict) {
        let is_error = matches!(verdict, Verdict::Failure(FailureKind::Transient | FailureKind::Fault));
        if let (true, Some(throttle), Some(_)) = (is_error, &bundle.throttle, &bundle.circuit_breaker) {
            throttle.finish(&mut self.throttle, Verdict::Ignored, time::now);
        }
    }

    /// Reports an answer to all of them, at one time.
    #[inline]
    pub(super) fn finish(
        &mut self,
        bundle: &Bundle,
        observer: Option<&impl Observer>,
        verdict: Verdict,
        hint: Option<Duration>,
    ) {
        self.is_spent = true;
        let clock = OnceCell::new();
        let now = || *clock.get_or_init(time::now);
        if let Some(limit) = &bundle.adaptive {
            limit.finish(&mut self.adaptive, verdict, now);
        }
        if let Some(breaker) = &bundle.circuit_breaker {
            follow(bundle, observer, breaker.finish(&mut self.circuit_breaker, verdict, hint, now));
        }
        if let Some(throttle) = &bundle.throttle {
            throttle.finish(&mut self.throttle, verdict, now);
        }
    }

    /// A panic further in is a failure of the call. To the limit it says nothing, as any failure that is no overload.
    pub(super) fn panicked(&mut self, bundle: &Bundle, observer: Option<&impl Observer>) {
        self.finish(bundle, observer, Verdict::Failure(FailureKind::Fault), None);
    }

    /// Reports to all of them that no answer will come.
    pub(super) fn abandon(&mut self, bundle: &Bundle, observer: Option<&impl Observer>, cut: Cut) {
        let clock = OnceCell::new();
        let now = || *clock.get_or_init(time::now);
        // Not even pending yet, a limit counted from then cannot be over.
        let is_cut = matches!(cut, Cut::At(at) if now() >= at);
        if let Some(limit) = &bundle.adaptive {
            limit.abandon(&mut self.adaptive, is_cut, now);
        }
        if let Some(breaker) = &bundle.circuit_breaker {
            follow(bundle, observer, breaker.abandon(&mut self.circuit_breaker, is_cut, now));
        }
        if let Some(throttle) = &bundle.throttle {
            throttle.abandon(&mut self.throttle, is_cut, now);
        }
    }
}

/// Tells of a transition; the throttle of a breaker that opens begins anew.
///
/// What it knew is the outage that the breaker answers for from now on. With it, it would refuse most of the probes that the breaker
/// waits for, and then most calls of a dependency that is well again: callers of 20 calls per second were back 6 s after a stall
/// instead of 2 s (`tests/tests/outcomes`, S2).
#[inline]
fn follow(bundle: &Bundle, observer: Option<&impl Observer>, transition: Option<Transition>) {
    if transition.is_some_and(|transition| transition.to == State::Open) {
        if let Some(throttle) = &bundle.throttle {
            throttle.reset();
        }
    }
    tell(observer, transition);
}
