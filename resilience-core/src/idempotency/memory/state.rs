//! One record, and what each operation makes of it: pure, with the time as an argument.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    idempotency::{Begin, Claim, Fingerprint, Finish, Held, OnLostOwner, Owner, Release, Released, Renew},
    nanos::nanos,
};

/// A moment, in nanoseconds since the store was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// No record expires later, so that there is a word for "never".
    pub(super) const LAST: Self = Self(u64::MAX - 1);

    /// `after` later, but at least a millisecond, which is what other stores count in. Saturates after 584 years.
    pub(super) fn plus(self, after: Duration) -> Self {
        let later = self.0.saturating_add(nanos(after.max(Duration::from_millis(1))));
        Self(later.min(Self::LAST.0))
    }

    fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

/// A record that is there. When it has [expired](Self::expires) it is for others to take it for absent.
///
/// ```text
/// pending{owner, held, lease_until} ──finish──▶ done{owner, response}, for good
///   │  ▲ renew, begin of the same owner
///   ├─ release(delete) ──▶ absent
///   └─ lease_until ≤ now ──begin──▶ pending{another owner, attempt + 1, a greater fence}, or "abandoned"
/// ```
#[derive(Debug)]
pub(super) struct Record {
    fingerprint: Fingerprint,
    owner: Owner,
    pub(super) expires: Moment,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Pending { held: Held, lease_until: Moment },
    Done(Bytes),
}

impl Record {
    /// One that `claim` has just got, or gets back.
    pub(super) fn pending(claim: &Claim, held: Held, now: Moment) -> Self {
        let phase = Phase::Pending { held, lease_until: now.plus(claim.lease) };
        Self { fingerprint: claim.fingerprint, owner: claim.owner, expires: now.plus(claim.retain), phase }
    }

    /// One that had been lost, and is found done.
    pub(super) fn done(claim: &Claim, response: Bytes, now: Moment) -> Self {
        Self {
            fingerprint: claim.fingerprint,
            owner: claim.owner,
            expires: now.plus(claim.retain),
            phase: Phase::Done(response),
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. })
    }

    /// The length of what is stored.
    pub(super) fn len(&self) -> usize {
        match &self.phase {
            Phase::Pending { .. } => 0,
            Phase::Done(response) => response.len(),
        }
    }

    /// Whoever takes it over gets a fence from `next_fence`, greater than that of this record.
    pub(super) fn begin(&mut self, claim: &Claim, now: Moment, next_fence: impl FnOnce() -> u64) -> Begin {
        if self.fingerprint != claim.fingerprint {
            return Begin::Mismatch;
        }
        let (held, lease_until) = match &mut self.phase {
            Phase::Done(response) => return Begin::Done(response.clone()),
            Phase::Pending { held, lease_until } => (held, lease_until),
        };
        if self.owner != claim.owner {
            if now < *lease_until {
                return Begin::Busy { retry_in: now.until(*lease_until), attempt: held.attempt };
            }
            if claim.on_lost_owner == OnLostOwner::Refuse {
                return Begin::Abandoned { attempt: held.attempt };
            }
            *held = Held::new(held.attempt.saturating_add(1), next_fence());
            self.owner = claim.owner;
        }
        *lease_until = now.plus(claim.lease);
        Begin::Acquired(*held)
    }

    pub(super) fn renew(&mut self, claim: &Claim, now: Moment) -> Renew {
        match &mut self.phase {
            Phase::Pending { lease_until, .. } if self.owner == claim.owner => {
                *lease_until = now.plus(claim.lease);
                Renew::Ok
            }
            _ => Renew::Lost,
        }
    }

    /// The answer to a `finish` that changes nothing; `None` if it [stores](Self::store) the response.
    pub(super) fn finished(&self, claim: &Claim) -> Option<Finish> {
        match (&self.phase, self.owner == claim.owner) {
            (Phase::Pending { .. }, true) => None,
            (Phase::Done(_), true) => Some(Finish::Ok),
            (Phase::Pending { .. }, false) => Some(Finish::Lost { winner: None }),
            (Phase::Done(response), false) => {
                let same = self.fingerprint == claim.fingerprint;
                Some(Finish::Lost { winner: same.then(|| response.clone()) })
            }
        }
    }

    pub(super) fn store(&mut self, response: Bytes) {
        self.phase = Phase::Done(response);
    }

    /// The answer, and whether the record goes.
    pub(super) fn release(&mut self, owner: Owner, how: Release, now: Moment) -> (Released, bool) {
        match &mut self.phase {
            Phase::Pending { lease_until, .. } if self.owner == owner => {
                *lease_until = now.min(*lease_until);
                (Released::Ok, how == Release::Delete)
            }
            _ => (Released::Lost, false),
        }
    }
}
