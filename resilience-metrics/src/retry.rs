use std::{fmt, sync::Arc};

use resilience_core::{
    Event, FailureKind, Observer, RetryBudget,
    retry::{GaveUp, Reason},
};

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge, Histogram},
    time,
};

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
    labels: Labels,
    budget: Option<(RetryBudget, Gauges)>,
    /// By kind of failure.
    retries: [Counter; FailureKind::ALL.len()],
    /// By reason; an answer that is not worth a retry was not denied one.
    denied: [Option<Counter>; Reason::ALL.len()],
    recovered: Counter,
    verbose: Option<Verbose>,
}

struct Verbose {
    /// Of an operation, without its first attempt.
    retries: Histogram,
    backoff: Histogram,
}

struct Gauges {
    tokens: Gauge,
    max_tokens: Gauge,
}

impl RetryMetrics {
    pub(crate) fn new(labels: Labels, budget: Option<RetryBudget>) -> Self {
        let by_reason = |name, reason| labels.counter(name, &[("reason", reason)]);
        let budget = budget.map(|budget| {
            let (tokens, max_tokens) = (
                labels.gauge(&catalogue::RETRY_TOKENS, &[]),
                labels.gauge(&catalogue::RETRY_MAX_TOKENS, &[]),
            );
            (budget, Gauges { tokens, max_tokens })
        });
        let shared = Shared {
            retries: FailureKind::ALL.map(|kind| by_reason(&catalogue::RETRIES, kind.as_str())),
            denied: Reason::ALL.map(|reason| {
                (reason != Reason::NotRetryable).then(|| by_reason(&catalogue::RETRY_DENIED, reason.as_str()))
            }),
            recovered: labels.counter(&catalogue::RETRY_RECOVERED, &[]),
            verbose: labels.options().verbose.then(|| Verbose {
                retries: labels.histogram(&catalogue::RETRY_ATTEMPTS, &[]),
                backoff: labels.histogram(&catalogue::RETRY_BACKOFF, &[]),
            }),
            budget,
            labels,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shown for RetryMetrics {
    const KINDS: &'static [&'static str] = &["retry budget"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.shared.budget, &other.shared.budget) {
            (Some((one, _)), Some((other, _))) => one.is_same(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Sets the gauges to what the budget holds now.
    fn publish(&self) {
        if let Some((budget, gauges)) = &self.shared.budget {
            gauges.tokens.set(budget.tokens(time::now()));
            gauges.max_tokens.set(budget.max_tokens());
        }
    }
}

impl Observer for Verbose {
    fn observe(&self, event: &Event) {
        match *event {
            Event::RetryScheduled { after, .. } => self.backoff.record(after.as_secs_f64()),
            Event::RetryRecovered { attempts }
            | Event::RetryGaveUp(GaveUp { attempts: attempts @ 2.., .. }) => {
                self.retries.record(attempts - 1);
            }
            _ => {}
        }
    }
}

impl Observer for RetryMetrics {
    fn observe(&self, event: &Event) {
        if let Some(verbose) = &self.shared.verbose {
            verbose.observe(event);
        }
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
        f.debug_struct("RetryMetrics").field("policy", &self.shared.labels.policy).finish_non_exhaustive()
    }
}
