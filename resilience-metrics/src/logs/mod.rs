//! What policies decide, as lines of a log.

mod pace;

use std::{fmt, sync::Arc, time::Duration};

use metrics::SharedString;
use parking_lot::Mutex;
use resilience_core::{
    Event, Observer,
    circuit_breaker::{State, Transition},
    fallback::Ending,
    idempotency,
    retry::{GaveUp, Reason},
};
use tracing::{debug, info, trace, warn};

use self::pace::Pace;
use crate::{Telemetry, time};

/// Of every span and event of this crate.
pub(crate) const TARGET: &str = "resilience";

/// Writes what the policies of a pipeline decide to the log, through the `tracing` facade: see [`Telemetry::logs`].
///
/// | event | level | fields |
/// |---|---|---|
/// | attempts or retry budget exhausted | `WARN`, once a second | `attempts`, `reason`, `suppressed` |
/// | fallback failed | `WARN`, once a second | `reason`, `suppressed` |
/// | idempotency store failed | `WARN`, once a second | `result`, `suppressed` |
/// | circuit breaker opened | `WARN` | `from`, `to`, `cause`, `failure_ratio`, `slow_ratio`, `window_calls`, `wait_ms` |
/// | circuit breaker half-open, closed | `INFO` | `from`, `to`, `cause` |
/// | retry scheduled | `DEBUG` | `reason`, `attempt`, `delay_ms` |
/// | operation recovered | `DEBUG` | `attempts` |
/// | gave up for another reason | `DEBUG` | `attempts`, `reason` |
/// | timeout | `DEBUG` | `scope`, `limit_ms` |
/// | call refused | `DEBUG`, `TRACE` by a rate limit | `by` |
///
/// Each has the field `pipeline` and the target `resilience`. There is nothing at `ERROR`: an event of that level marks the span
/// around it as failed, and an operation may yet recover.
///
/// **Once a second** means that of this kind, in this pipeline, at most one line is written in a second; the next one says how many
/// there would have been in between (`suppressed`). Metrics count them all.
///
/// # Clone
///
/// A clone is the same log: the two write a line a second together.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

struct Shared {
    pipeline: SharedString,
    attempts_exhausted: Mutex<Pace>,
    budget_exhausted: Mutex<Pace>,
    fallback_failed: Mutex<Pace>,
    store_failed: Mutex<Pace>,
}

impl Telemetry {
    /// An observer that logs what the policies of this pipeline decide, beside one that counts it:
    /// `stack::client("payments").with_observer((telemetry.client(..), telemetry.logs()))`.
    #[must_use]
    pub fn logs(&self) -> Logs {
        let shared = Shared {
            pipeline: self.pipeline().clone(),
            attempts_exhausted: Mutex::default(),
            budget_exhausted: Mutex::default(),
            fallback_failed: Mutex::default(),
            store_failed: Mutex::default(),
        };
        Logs { shared: Arc::new(shared) }
    }
}

impl Observer for Logs {
    fn observe(&self, event: &Event) {
        let pipeline = &*self.shared.pipeline;
        match *event {
            Event::RetryScheduled { attempt, kind, after } => {
                let (reason, delay_ms) = (kind.as_str(), ms(after));
                debug!(target: TARGET, pipeline, reason, attempt, delay_ms, "retry scheduled");
            }
            Event::RetryRecovered { attempts } => {
                debug!(target: TARGET, pipeline, attempts, "operation recovered");
            }
            Event::RetryGaveUp(gave_up) => self.shared.gave_up(gave_up),
            Event::CircuitBreakerTransition(transition) => self.shared.transition(&transition),
            Event::Fallback { ending, .. } if ending.is_failure() => self.shared.fallback_failed(ending),
            Event::Idempotency(
                ending @ (idempotency::Ending::Unprotected | idempotency::Ending::StoreError),
            ) => {
                self.shared.store_failed(ending);
            }
            Event::AttemptTimedOut { limit, .. } => self.shared.timed_out("attempt", limit),
            Event::DeadlineExceeded { limit, .. } => self.shared.timed_out("operation", limit),
            Event::RateLimited { enforced: true, .. } => {
                trace!(target: TARGET, pipeline, by = "rate_limit", "call refused");
            }
            _ => {
                if let Some(by) = refused_by(event) {
                    debug!(target: TARGET, pipeline, by, "call refused");
                }
            }
        }
    }
}

impl Shared {
    fn gave_up(&self, GaveUp { attempts, reason }: GaveUp) {
        let (pipeline, text) = (&*self.pipeline, reason.as_str());
        let (pace, message) = match reason {
            Reason::MaxAttempts => (&self.attempts_exhausted, "attempts exhausted"),
            Reason::Budget => (&self.budget_exhausted, "retry budget exhausted"),
            _ => {
                debug!(target: TARGET, pipeline, attempts, reason = text, "gave up");
                return;
            }
        };
        if let Some(suppressed) = paced(pace) {
            warn!(target: TARGET, pipeline, attempts, reason = text, suppressed, "{message}");
        }
    }

    fn transition(&self, transition: &Transition) {
        let pipeline = &*self.pipeline;
        let (from, to) = (transition.from.as_str(), transition.to.as_str());
        let cause = transition.cause.as_str();
        if transition.to != State::Open {
            info!(target: TARGET, pipeline, from, to, cause, "circuit breaker {to}");
            return;
        }
        warn!(
            target: TARGET,
            pipeline,
            from,
            to,
            cause,
            failure_ratio = transition.failure_rate,
            slow_ratio = transition.slow_rate,
            window_calls = transition.calls,
            wait_ms = transition.wait.map(ms),
            "circuit breaker opened",
        );
    }

    fn fallback_failed(&self, ending: Ending) {
        if let Some(suppressed) = paced(&self.fallback_failed) {
            let reason = match ending {
                Ending::Panicked => "panic",
                Ending::Full => "full",
                _ => "failure",
            };
            warn!(target: TARGET, pipeline = &*self.pipeline, reason, suppressed, "fallback failed");
        }
    }

    fn store_failed(&self, ending: idempotency::Ending) {
        if let Some(suppressed) = paced(&self.store_failed) {
            let (pipeline, result) = (&*self.pipeline, ending.as_str());
            warn!(target: TARGET, pipeline, result, suppressed, "idempotency store failed");
        }
    }

    fn timed_out(&self, scope: &str, limit: Duration) {
        let pipeline = &*self.pipeline;
        debug!(target: TARGET, pipeline, scope, limit_ms = ms(limit), "timeout");
    }
}

/// Whether a warning may be written now, and how many were left out since the last.
fn paced(pace: &Mutex<Pace>) -> Option<u64> {
    let now = time::now();
    pace.lock().step(now)
}

/// Which policy has refused a call, if the event is that.
fn refused_by(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::CircuitBreakerRejected { .. } => "circuit_breaker",
        Event::BulkheadRejected(_) => "bulkhead",
        Event::Throttled { .. } => "throttle",
        Event::LoadShed { .. } => "load_shed",
        Event::AdaptiveRejected { .. } => "adaptive",
        Event::DrainRejected { .. } => "drain",
        _ => return None,
    })
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("pipeline", &self.shared.pipeline).finish_non_exhaustive()
    }
}
