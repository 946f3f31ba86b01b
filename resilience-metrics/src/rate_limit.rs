use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};
use resilience_core::{Event, Observer, RateLimiter};

use crate::{names, time};

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
    pipeline: SharedString,
    policy: SharedString,
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
    pub(crate) fn new(pipeline: &SharedString, policy: SharedString, limiter: Option<RateLimiter>) -> Self {
        let named =
            |name: &'static str| gauge!(name, "pipeline" => pipeline.clone(), "policy" => policy.clone());
        let limiter = limiter.map(|limiter| {
            let (tokens, limit) = (named(names::RATE_LIMIT_TOKENS), named(names::RATE_LIMIT_LIMIT));
            (limiter, Gauges { tokens, limit })
        });
        let rejected = |enforced: &'static str| {
            counter!(
                names::RATE_LIMIT_REJECTED,
                "pipeline" => pipeline.clone(),
                "policy" => policy.clone(),
                "enforced" => enforced,
            )
        };
        let delayed = counter!(
            names::RATE_LIMIT_DELAYED,
            "pipeline" => pipeline.clone(),
            "policy" => policy.clone(),
        );
        let shared = Shared {
            refused: rejected("true"),
            let_through: rejected("false"),
            delayed,
            wait: OnceLock::new(),
            limiter,
            pipeline: pipeline.clone(),
            policy,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn policy(&self) -> &SharedString {
        &self.shared.policy
    }

    /// Whether it shows this limiter, or likewise none.
    pub(crate) fn shows(&self, limiter: Option<&RateLimiter>) -> bool {
        match (&self.shared.limiter, limiter) {
            (Some((ours, _)), Some(theirs)) => ours.is_same(theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// Sets the gauges to what the limiter holds now.
    pub(crate) fn publish(&self) {
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
                let histogram = shared.wait.get_or_init(|| {
                    histogram!(
                        names::RATE_LIMIT_WAIT,
                        "pipeline" => shared.pipeline.clone(),
                        "policy" => shared.policy.clone(),
                    )
                });
                histogram.record(wait.as_secs_f64());
            }
            _ => {}
        }
    }
}

impl fmt::Debug for RateLimitMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitMetrics").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}
