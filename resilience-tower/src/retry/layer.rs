use resilience_core::{ErrorsAreFailures, RetryPolicy, retry::RetryBudget, striped::StripedArc};
use tower_layer::Layer;

use super::{
    KeyedBudgets, Retry,
    account::{Backing, Seeds},
};

/// Sends a failed request again where that helps.
///
/// ```
/// use resilience_core::{Error, RetryPolicy, retry::Reason};
/// use resilience_tower::{CallLayer, RetryLayer, TransportLayer};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// static CALLS: AtomicU32 = AtomicU32::new(0);
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(RetryLayer::new(RetryPolicy::new()))
///     .layer(TransportLayer::new())
///     .service(service_fn(|name: &'static str| async move {
///         let is_first = CALLS.fetch_add(1, Ordering::Relaxed) == 0;
///         if is_first || name == "nobody" { Err("down") } else { Ok(name) }
///     }));
///
/// assert_eq!(service.ready().await.unwrap().call("world").await, Ok("world"));
///
/// let error = service.ready().await.unwrap().call("nobody").await.unwrap_err();
/// assert_eq!(error.gave_up().map(|gave_up| (gave_up.attempts, gave_up.reason)), Some((3, Reason::MaxAttempts)));
/// assert_eq!(error.into_inner(), Some("down"));
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same budget: every service that the layer and its clones make shares it.
#[derive(Debug)]
pub struct RetryLayer<C = ErrorsAreFailures, B = Option<RetryBudget>, O = ()> {
    policy: RetryPolicy,
    classify: C,
    backing: StripedArc<Backing<B, O>>,
}

impl RetryLayer {
    /// Retries by `policy`, with a [default budget](RetryBudget::new) of its own. Every error counts as a
    /// [transient](resilience_core::FailureKind::Transient) failure until [`classify`](Self::classify) says otherwise.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        let backing = Backing { budgets: Some(RetryBudget::new()), observer: (), seeds: Seeds::Random };
        Self { policy, classify: ErrorsAreFailures, backing: StripedArc::new(backing) }
    }
}

impl<C, B, O> RetryLayer<C, B, O> {
    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Judges attempts by `classify`, on the same budget.
    ///
    /// Each call takes a clone of it along, so it should be cheap to clone.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RetryLayer<D, B, O> {
        RetryLayer { policy: self.policy, classify, backing: self.backing }
    }

    fn with_backing<A, P>(self, backing: Backing<A, P>) -> RetryLayer<C, A, P> {
        RetryLayer { policy: self.policy, classify: self.classify, backing: StripedArc::new(backing) }
    }
}

impl<C, O> RetryLayer<C, Option<RetryBudget>, O> {
    /// The budget, if there is one: to look at it, or to share it.
    #[must_use]
    pub fn budget(&self) -> Option<&RetryBudget> {
        self.backing.budgets.as_ref()
    }
}

impl<C, K, Q, O> RetryLayer<C, KeyedBudgets<K, Q>, O> {
    /// The budgets by key.
    #[must_use]
    pub fn keyed_budgets(&self) -> &KeyedBudgets<K, Q> {
        &self.backing.budgets
    }
}

impl<C, B, O: Clone> RetryLayer<C, B, O> {
    /// Pays for retries from `budget`, which may be shared with others.
    #[must_use]
    pub fn with_budget(self, budget: impl Into<RetryBudget>) -> RetryLayer<C, Option<RetryBudget>, O> {
        let Backing { observer, seeds, .. } = &*self.backing;
        let backing =
            Backing { budgets: Some(budget.into()), observer: observer.clone(), seeds: seeds.clone() };
        self.with_backing(backing)
    }

    /// Pays for retries from a budget for each key.
    #[must_use]
    pub fn with_keyed_budgets<K, Q>(
        self,
        budgets: KeyedBudgets<K, Q>,
    ) -> RetryLayer<C, KeyedBudgets<K, Q>, O> {
        self.with_budgets(budgets)
    }

    /// Pays for retries from wherever `budgets` finds the budget of a request.
    pub(crate) fn with_budgets<A>(self, budgets: A) -> RetryLayer<C, A, O> {
        let Backing { observer, seeds, .. } = &*self.backing;
        let backing = Backing { budgets, observer: observer.clone(), seeds: seeds.clone() };
        self.with_backing(backing)
    }

    /// Retries without a budget.
    ///
    /// Then an outage multiplies the load on what is failing by the number of attempts. Right where something else bounds the
    /// retries: a handful of calls a minute, or a budget further out.
    #[must_use]
    pub fn without_budget(self) -> RetryLayer<C, Option<RetryBudget>, O> {
        let Backing { observer, seeds, .. } = &*self.backing;
        let backing = Backing { budgets: None, observer: observer.clone(), seeds: seeds.clone() };
        self.with_backing(backing)
    }
}

impl<C, B: Clone, O> RetryLayer<C, B, O> {
    /// Tells `observer` of retries, of giving up and of recoveries, on the same budget.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> RetryLayer<C, B, P> {
        let Backing { budgets, seeds, .. } = &*self.backing;
        let backing = Backing { budgets: budgets.clone(), observer, seeds: seeds.clone() };
        self.with_backing(backing)
    }
}

impl<C, B: Clone, O: Clone> RetryLayer<C, B, O> {
    /// Draws the jitter from a seed, for tests and simulations: the same seed and the same order of failures, the same
    /// pauses. Without it each pause is drawn from the thread's generator.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        let Backing { budgets, observer, .. } = &*self.backing;
        let backing =
            Backing { budgets: budgets.clone(), observer: observer.clone(), seeds: Seeds::from_seed(seed) };
        self.with_backing(backing)
    }
}

impl<C: Clone, B, O> Clone for RetryLayer<C, B, O> {
    fn clone(&self) -> Self {
        Self { policy: self.policy, classify: self.classify.clone(), backing: self.backing.clone() }
    }
}

impl<S, C: Clone, B, O> Layer<S> for RetryLayer<C, B, O> {
    type Service = Retry<S, C, B, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, self.policy, self.classify.clone(), self.backing.clone())
    }
}
