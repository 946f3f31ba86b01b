use std::{fmt, sync::Arc};

use metrics::{Counter, Gauge, SharedString, counter, gauge};
use resilience_core::{
    Event, FailureKind, Observer, RetryBudget,
    retry::{GaveUp, Reason},
};

use crate::{names, time};

/// Counts the retries of one layer, and shows its budget: see [`Telemetry::retry`](crate::Telemetry::retry).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct RetryMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    policy: SharedString,
    budget: Option<(RetryBudget, Gauges)>,
    /// By kind of failure.
    retries: [Counter; FailureKind::ALL.len()],
    /// By reason; an answer that is not worth a retry was not denied one.
    denied: [Option<Counter>; Reason::ALL.len()],
    recovered: Counter,
}

struct Gauges {
    tokens: Gauge,
    max_tokens: Gauge,
}

impl RetryMetrics {
    pub(crate) fn new(pipeline: &SharedString, policy: SharedString, budget: Option<RetryBudget>) -> Self {
        let by_reason = |name: &'static str, reason: &'static str| counter!(name, "pipeline" => pipeline.clone(), "policy" => policy.clone(), "reason" => reason);
        let named =
            |name: &'static str| gauge!(name, "pipeline" => pipeline.clone(), "policy" => policy.clone());
        let budget = budget.map(|budget| {
            let (tokens, max_tokens) = (named(names::RETRY_TOKENS), named(names::RETRY_MAX_TOKENS));
            (budget, Gauges { tokens, max_tokens })
        });
        let recovered = counter!(
            names::RETRY_RECOVERED,
            "pipeline" => pipeline.clone(),
            "policy" => policy.clone(),
        );
        let shared = Shared {
            retries: FailureKind::ALL.map(|kind| by_reason(names::RETRIES, kind.as_str())),
            denied: Reason::ALL.map(|reason| {
                (reason != Reason::NotRetryable).then(|| by_reason(names::RETRY_DENIED, reason.as_str()))
            }),
            recovered,
            budget,
            policy,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn policy(&self) -> &SharedString {
        &self.shared.policy
    }

    /// Whether it shows this budget, or likewise none.
    pub(crate) fn shows(&self, budget: Option<&RetryBudget>) -> bool {
        match (&self.shared.budget, budget) {
            (Some((ours, _)), Some(theirs)) => ours.is_same(theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// Sets the gauges to what the budget holds now.
    pub(crate) fn publish(&self) {
        if let Some((budget, gauges)) = &self.shared.budget {
            gauges.tokens.set(budget.tokens(time::now()));
            gauges.max_tokens.set(budget.max_tokens());
        }
    }
}

impl Observer for RetryMetrics {
    fn observe(&self, event: &Event) {
        match *event {
            Event::RetryScheduled { kind, .. } => self.shared.retries[kind as usize].increment(1),
            Event::RetryGaveUp(GaveUp { reason, .. }) => {
                if let Some(denied) = &self.shared.denied[reason as usize] {
                    denied.increment(1);
                }
            }
            Event::RetryRecovered { .. } => self.shared.recovered.increment(1),
            _ => {}
        }
    }
}

impl fmt::Debug for RetryMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryMetrics").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}
