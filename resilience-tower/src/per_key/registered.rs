//! The policies of a key as one policy of a registry, so that a table of them can be registered.

use std::time::Instant;

use resilience_core::registry::{Policy, PolicySnapshot};

use super::Policies;

/// `limiting` if one of them limits, or `admitting`; a figure of the name of each is 1 if it is that one.
impl Policy for Policies {
    fn kind() -> &'static str {
        "per_key"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let limiting = self.is_limiting(now);
        let empty = PolicySnapshot::new(if limiting { "limiting" } else { "admitting" }, limiting);
        let figures = self.limits(now).into_iter().filter_map(|(kind, limits)| Some((kind, limits?)));
        figures.fold(empty, |snapshot, (kind, limits)| snapshot.with(kind, u32::from(limits)))
    }

    fn is_limiting(&self, now: Instant) -> bool {
        self.limits(now).into_iter().any(|(_, limits)| limits == Some(true))
    }
}

impl Policies {
    /// By kind, whether the policy limits, if there is one.
    fn limits(&self, now: Instant) -> [(&'static str, Option<bool>); 4] {
        fn of<P: Policy>(policy: Option<&P>, now: Instant) -> (&'static str, Option<bool>) {
            (P::kind(), policy.map(|policy| policy.is_limiting(now)))
        }
        [
            of(self.throttle(), now),
            of(self.circuit_breaker(), now),
            of(self.adaptive(), now),
            of(self.retry_budget(), now),
        ]
    }
}
