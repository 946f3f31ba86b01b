//! The policies of one key.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use resilience_core::{
    AdaptiveLimit, CircuitBreaker, Throttle,
    circuit_breaker::Transition,
    keyed::{Entry, Worth},
    retry::RetryBudget,
    striped::{Lease, StripedArc},
};

use super::{Settings, settings::OperationSettings};

/// The policies of one key: to look at them, to override a breaker by hand.
///
/// # Clone
///
/// A clone is of the same policies.
#[derive(Clone)]
pub struct Policies(StripedArc<Bundle>);

/// What calls of one key share.
pub struct Bundle {
    pub(super) circuit_breaker: Option<CircuitBreaker>,
    pub(super) throttle: Option<Throttle>,
    pub(super) adaptive: Option<AdaptiveLimit>,
    pub(crate) retry_budget: Option<RetryBudget>,
    pub(crate) operation: OperationSettings,
    /// Which settings these are of.
    epoch: u64,
    /// Set once the table holds other policies for the key, or none. Relaxed: who reads it late has used the old ones a little
    /// longer, as somebody might who got them before.
    is_given_up: AtomicBool,
}

impl Policies {
    /// The breaker, if the settings have one.
    #[must_use]
    pub fn circuit_breaker(&self) -> Option<&CircuitBreaker> {
        self.0.circuit_breaker.as_ref()
    }

    /// The throttle, if the settings have one.
    #[must_use]
    pub fn throttle(&self) -> Option<&Throttle> {
        self.0.throttle.as_ref()
    }

    /// The adaptive limit, if the settings have one.
    #[must_use]
    pub fn adaptive(&self) -> Option<&AdaptiveLimit> {
        self.0.adaptive.as_ref()
    }

    /// The retry budget, if the settings have one.
    #[must_use]
    pub fn retry_budget(&self) -> Option<&RetryBudget> {
        self.0.retry_budget.as_ref()
    }

    pub(super) fn new(settings: &Settings, epoch: u64, now: Instant) -> Self {
        Self(StripedArc::new(Bundle {
            circuit_breaker: settings.circuit_breaker.clone().map(|config| match settings.next_seed() {
                Some(seed) => CircuitBreaker::with_seed(config, now, seed),
                None => CircuitBreaker::new(config, now),
            }),
            throttle: settings.throttle.map(|config| match settings.next_seed() {
                Some(seed) => Throttle::with_seed(config, now, seed),
                None => Throttle::new(config, now),
            }),
            adaptive: settings.adaptive.as_ref().map(|make| AdaptiveLimit::new(make(), now)),
            retry_budget: settings.retry_budget.clone().map(RetryBudget::from),
            operation: settings.operation,
            epoch,
            is_given_up: AtomicBool::new(false),
        }))
    }

    /// The same policies where both have them, under new settings, and new ones where the settings have more.
    ///
    /// A budget has no settings to change: it is the old one, or under other settings a new one.
    pub(super) fn reconfigured(
        &self,
        settings: &Settings,
        epoch: u64,
        now: Instant,
    ) -> (Self, Option<Transition>) {
        let Bundle { circuit_breaker, throttle, adaptive, retry_budget, .. } = &*self.0;
        let mut transition = None;
        if let (Some(breaker), Some(config)) = (circuit_breaker, &settings.circuit_breaker) {
            transition = breaker.reconfigure(config.clone(), now);
        }
        if let (Some(throttle), Some(config)) = (throttle, settings.throttle) {
            throttle.reconfigure(config, now);
        }
        if let (Some(limit), Some(make)) = (adaptive, &settings.adaptive) {
            limit.reconfigure(make());
        }
        let Self(new) = Self::new(settings, epoch, now);
        let parts = Bundle {
            circuit_breaker: keep(circuit_breaker, &new.circuit_breaker),
            throttle: keep(throttle, &new.throttle),
            adaptive: keep(adaptive, &new.adaptive),
            retry_budget: if self.epoch() < settings.budget_since {
                new.retry_budget.clone()
            } else {
                keep(retry_budget, &new.retry_budget)
            },
            operation: settings.operation,
            epoch,
            is_given_up: AtomicBool::new(false),
        };
        (Self(StripedArc::new(parts)), transition)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch
    }

    #[inline]
    pub(super) fn lease(&self) -> Lease<Bundle> {
        self.0.lease()
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.0.is_given_up.load(Ordering::Relaxed)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.0, &raw const *other.0)
    }
}

/// The old policy if there shall be one at all.
fn keep<P: Clone>(old: &Option<P>, new: &Option<P>) -> Option<P> {
    new.as_ref().map(|new| old.as_ref().unwrap_or(new).clone())
}

/// Worth what the most valuable of them is.
impl Entry for Policies {
    fn worth(&self, now: Instant) -> Worth {
        let Bundle { circuit_breaker, throttle, adaptive, retry_budget, .. } = &*self.0;
        let worths = [
            circuit_breaker.as_ref().map(|policy| policy.worth(now)),
            throttle.as_ref().map(|policy| policy.worth(now)),
            adaptive.as_ref().map(|policy| policy.worth(now)),
            retry_budget.as_ref().map(|policy| policy.worth(now)),
        ];
        worths.into_iter().flatten().max().unwrap_or(Worth::Nothing)
    }

    fn given_up(&self) {
        self.0.is_given_up.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("circuit_breaker", &self.circuit_breaker)
            .field("throttle", &self.throttle)
            .field("adaptive", &self.adaptive)
            .field("retry_budget", &self.retry_budget)
            .finish()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
