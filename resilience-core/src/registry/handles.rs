//! The handles of this crate as policies of a registry.

use std::{hash::Hash, time::Instant};

use super::{Policy, PolicySnapshot};
use crate::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Drain, RateLimiter, RetryBudget, Throttle,
    circuit_breaker::{Mode, State},
    keyed::{Entry, Keyed, Worth},
};

/// `open`, `half_open`, `closed`, or the override: `forced_open`, `forced_closed`, `disabled`. One that is not closed limits.
impl Policy for CircuitBreaker {
    fn kind() -> &'static str {
        "circuit_breaker"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let seen = self.snapshot(now);
        let state = match seen.mode {
            Mode::Automatic => seen.state.as_str(),
            Mode::ForcedOpen => "forced_open",
            Mode::ForcedClosed => "forced_closed",
            Mode::Disabled => "disabled",
        };
        let snapshot = PolicySnapshot::new(state, seen.state != State::Closed)
            .with("calls", seen.calls)
            .with("failures", seen.failures)
            .with("slow_calls", seen.slow_calls)
            .with("failure_ratio", seen.failure_rate)
            .with("slow_ratio", seen.slow_rate)
            .with("consecutive_failures", seen.consecutive_failures)
            .with("openings", seen.openings);
        match seen.retry_after {
            Some(wait) => snapshot.with("retry_after_seconds", wait),
            None => snapshot,
        }
    }

    fn is_limiting(&self, now: Instant) -> bool {
        self.snapshot(now).state != State::Closed
    }
}

/// `full` or `admitting`.
impl Policy for Bulkhead {
    fn kind() -> &'static str {
        "bulkhead"
    }

    fn snapshot(&self, _: Instant) -> PolicySnapshot {
        let seen = self.snapshot();
        full_or_admitting(seen.in_flight >= seen.limit || seen.waiting > 0)
            .with("limit", seen.limit)
            .with("in_flight", seen.in_flight)
            .with("queue_limit", seen.max_queue)
            .with("queue_depth", seen.waiting)
    }
}

/// `full` or `admitting`. Calls of a low priority are refused before it is full.
impl Policy for AdaptiveLimit {
    fn kind() -> &'static str {
        "adaptive"
    }

    fn snapshot(&self, _: Instant) -> PolicySnapshot {
        let seen = self.snapshot();
        full_or_admitting(seen.in_flight >= seen.limit)
            .with("limit", seen.limit)
            .with("in_flight", seen.in_flight)
    }
}

fn full_or_admitting(is_full: bool) -> PolicySnapshot {
    PolicySnapshot::new(if is_full { "full" } else { "admitting" }, is_full)
}

/// `exhausted`, when not even a call of cost 1 conforms, or `admitting`.
impl Policy for RateLimiter {
    fn kind() -> &'static str {
        "rate_limit"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let (tokens, quota) = (self.tokens(now), self.quota());
        PolicySnapshot::new(if tokens == 0 { "exhausted" } else { "admitting" }, tokens == 0)
            .with("available_tokens", tokens)
            .with("limit", quota.max_burst())
            .with("interval_seconds", quota.interval())
    }

    fn is_limiting(&self, now: Instant) -> bool {
        self.tokens(now) == 0
    }
}

/// `throttling`, when calls may be refused, or `admitting`.
impl Policy for Throttle {
    fn kind() -> &'static str {
        "throttle"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let seen = self.snapshot(now);
        let throttles = seen.probability > 0.0;
        PolicySnapshot::new(if throttles { "throttling" } else { "admitting" }, throttles)
            .with("refusal_ratio", seen.probability)
            .with("requests", seen.requests)
            .with("accepts", seen.accepts)
    }

    fn is_limiting(&self, now: Instant) -> bool {
        self.snapshot(now).probability > 0.0
    }
}

/// `exhausted`, when it cannot pay for a retry where a new one could, or `funded`.
impl Policy for RetryBudget {
    fn kind() -> &'static str {
        "retry"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let exhausted = self.is_limiting(now);
        PolicySnapshot::new(if exhausted { "exhausted" } else { "funded" }, exhausted)
            .with("tokens", self.tokens(now))
            .with("max_tokens", self.max_tokens())
    }

    fn is_limiting(&self, now: Instant) -> bool {
        self.worth(now) >= Worth::Protection
    }
}

/// `draining` or `admitting`.
impl Policy for Drain {
    fn kind() -> &'static str {
        "drain"
    }

    fn snapshot(&self, _: Instant) -> PolicySnapshot {
        let seen = self.snapshot();
        PolicySnapshot::new(if seen.draining { "draining" } else { "admitting" }, seen.draining)
            .with("running", seen.running)
    }
}

/// The kind is that of its entries. `limiting` if one of them is, or `admitting`, with the numbers of keys and of those whose
/// policy limits; `overflow` is 1 when there has been no room for a key.
impl<K, V> Policy for Keyed<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Entry + Policy,
{
    fn kind() -> &'static str {
        V::kind()
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let mut limiting = 0_u64;
        self.for_each(|entry| limiting += u64::from(entry.is_limiting(now)));
        PolicySnapshot::new(if limiting > 0 { "limiting" } else { "admitting" }, limiting > 0)
            .with("keys", self.len() as u64)
            .with("limiting", limiting)
            .with("overflow", u64::from(self.overflow().is_some()))
    }
}
