use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use resilience_core::{Event, Observer, RateLimiter};

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge, Histogram},
    time,
};

/// Counts what one rate limit refuses and delays, and shows its tokens: see
/// [`Telemetry::rate_limit`](crate::Telemetry::rate_limit).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct RateLimitMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    labels: Labels,
    limiter: Option<(RateLimiter, Gauges)>,
    refused: Counter,
    /// Over a limit that is not enforced.
    let_through: Counter,
    delayed: Counter,
    /// Made with its first sample: a histogram is many lines of a scrape.
    wait: OnceLock<Histogram>,
}

struct Gauges {
    tokens: Gauge,
    limit: Gauge,
}

impl RateLimitMetrics {
    pub(crate) fn new(labels: Labels, limiter: Option<RateLimiter>) -> Self {
        let limiter = limiter.map(|limiter| {
            let (tokens, limit) = (
                labels.gauge(&catalogue::RATE_LIMIT_TOKENS, &[]),
                labels.gauge(&catalogue::RATE_LIMIT_LIMIT, &[]),
            );
            (limiter, Gauges { tokens, limit })
        });
        let rejected = |enforced| labels.counter(&catalogue::RATE_LIMIT_REJECTED, &[("enforced", enforced)]);
        let shared = Shared {
            refused: rejected("true"),
            let_through: rejected("false"),
            delayed: labels.counter(&catalogue::RATE_LIMIT_DELAYED, &[]),
            wait: OnceLock::new(),
            limiter,
            labels,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shown for RateLimitMetrics {
    const KINDS: &'static [&'static str] = &["rate limit"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.shared.limiter, &other.shared.limiter) {
            (Some((one, _)), Some((other, _))) => one.is_same(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Sets the gauges to what the limiter holds now.
    fn publish(&self) {
        if let Some((limiter, gauges)) = &self.shared.limiter {
            gauges.tokens.set(f64::from(limiter.tokens(time::now())));
            gauges.limit.set(f64::from(limiter.quota().max_burst()));
        }
    }
}

impl Observer for RateLimitMetrics {
    fn observe(&self, event: &Event) {
        let shared = &*self.shared;
        match *event {
            Event::RateLimited { enforced: true, .. } => shared.refused.increment(1),
            Event::RateLimited { enforced: false, .. } => shared.let_through.increment(1),
            Event::RateLimitDelayed { wait } => {
                shared.delayed.increment(1);
                let histogram =
                    shared.wait.get_or_init(|| shared.labels.histogram(&catalogue::RATE_LIMIT_WAIT, &[]));
                histogram.record(wait.as_secs_f64());
            }
            _ => {}
        }
    }
}

impl fmt::Debug for RateLimitMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitMetrics").field("policy", &self.shared.labels.policy).finish_non_exhaustive()
    }
}
