//! What the services of a layer share, and what a call settles with it.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use resilience_core::{
    Event, Observer, RetryPolicy, Rng,
    retry::{Decision, Failed, Retries, RetryBudget, budget::Tab},
    striped::{Lease, StripedArc},
};

use super::Budgets;
use crate::time;

/// What all services of a layer share.
#[derive(Debug)]
pub(super) struct Backing<B, O> {
    pub(super) budgets: B,
    pub(super) observer: O,
    pub(super) seeds: Seeds,
}

/// Where the jitter comes from.
#[derive(Debug)]
pub(super) enum Seeds {
    /// The thread's generator.
    Random,
    /// One number after the other, so that each draw has its own. Relaxed: only their difference matters.
    Sequence(AtomicU64),
}

impl Seeds {
    pub(super) const fn from_seed(seed: u64) -> Self {
        Self::Sequence(AtomicU64::new(seed))
    }
}

impl Clone for Seeds {
    fn clone(&self) -> Self {
        match self {
            Self::Random => Self::Random,
            Self::Sequence(next) => Self::from_seed(next.load(Ordering::Relaxed)),
        }
    }
}

/// The account of one call: its budget, its observer, and what is open. Settled at the latest when it is dropped.
pub(super) struct Account<B: Budgets<Req>, O, Req> {
    /// Nothing if there is no budget in it, no observer, and no seed for the jitter: to take a lease costs more than
    /// all the rest of a good call.
    backing: Option<Lease<Backing<B, O>>>,
    held: B::Held,
    tab: Tab,
}

impl<B: Budgets<Req>, O: Observer, Req> Account<B, O, Req> {
    // Written in its place in the future, not moved there: that costs more than all it does.
    #[inline(always)]
    pub(super) fn open(backing: &StripedArc<Backing<B, O>>, held: B::Held) -> Self {
        let is_needed = backing.budgets.is_here()
            || backing.observer.listens()
            || matches!(backing.seeds, Seeds::Sequence(_));
        let backing = is_needed.then(|| backing.lease());
        let tab =
            budget::<B, O, Req>(&backing, &held).map(|budget| budget.open(time::now)).unwrap_or_default();
        Self { backing, held, tab }
    }

    pub(super) fn tell(&self, event: &Event) {
        if let Some(backing) = &self.backing {
            backing.observer.observe(event);
        }
    }
}

impl<B: Budgets<Req>, O, Req> Account<B, O, Req> {
    /// The operation has succeeded.
    #[inline]
    pub(super) fn deposit(&mut self) {
        if let Some(budget) = budget::<B, O, Req>(&self.backing, &self.held) {
            budget.deposit(&mut self.tab);
            self.close();
        }
    }

    /// An attempt has failed: what now, and the budget's part of it.
    pub(super) fn decide(
        &mut self,
        policy: &RetryPolicy,
        retries: &mut Retries,
        failed: &Failed,
        now: &impl Fn() -> Instant,
    ) -> Decision {
        let Self { backing, held, tab } = self;
        let (budget, mut was_asked) = (budget::<B, O, Req>(backing, held), false);
        let unit = || unit(backing.as_deref());
        let decision = policy.decide(retries, failed, now, unit, |kind| {
            was_asked = true;
            budget.is_none_or(|budget| {
                budget.fail(kind);
                budget.withdraw(tab, kind, now)
            })
        });
        if let Decision::Stop { kind, .. } = decision {
            if let (Some(budget), Some(kind), false) = (budget, kind, was_asked) {
                budget.fail(kind);
            }
            self.close();
        }
        decision
    }

    /// The operation is over.
    #[inline]
    pub(super) fn close(&mut self) {
        if self.tab.is_open() {
            self.close_counted();
        }
    }

    /// Where every operation is counted.
    #[inline(never)]
    fn close_counted(&mut self) {
        if let Some(budget) = budget::<B, O, Req>(&self.backing, &self.held) {
            budget.close(&mut self.tab);
        }
    }
}

/// A number from 0 to 1, of a generator of its own for each draw: no two requests share one.
fn unit<B, O>(backing: Option<&Backing<B, O>>) -> f64 {
    let mut rng = match backing {
        Some(Backing { seeds: Seeds::Sequence(next), .. }) => {
            Rng::from_seed(next.fetch_add(1, Ordering::Relaxed))
        }
        _ => Rng::random(),
    };
    rng.unit()
}

/// The budget that pays for this call, if any does.
#[inline]
fn budget<'a, B: Budgets<Req>, O, Req>(
    backing: &'a Option<Lease<Backing<B, O>>>,
    held: &'a B::Held,
) -> Option<&'a RetryBudget> {
    B::budget(backing.as_ref().map(|backing| &backing.budgets), held)
}

/// Releases what an operation that was dropped still occupies.
impl<B: Budgets<Req>, O, Req> Drop for Account<B, O, Req> {
    #[inline]
    fn drop(&mut self) {
        self.close();
    }
}

impl<B: Budgets<Req>, O, Req> fmt::Debug for Account<B, O, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("tab", &self.tab).finish_non_exhaustive()
    }
}
