//! What a file says of a client's stack.

use std::time::Duration;

use resilience_core::{
    adaptive, bulkhead, circuit_breaker, rate_limit,
    retry::{self, budget},
    settings::{
        form::{any, plain},
        off::{Off, Part},
        patch::{Change, settings},
    },
    throttle,
};

use super::{
    ClientSettings,
    settings::{ATTEMPT_TIMEOUT, Adaptive, TOTAL_TIMEOUT},
};
use crate::stack::Invalid;

settings! {
    /// What a file says of a client's stack: see [`stack`](crate::stack#settings-from-a-file).
    ///
    /// The latency target of the adaptive limit follows the attempt timeout, unless the file names an algorithm.
    pub struct ClientPatch for ClientSettings as "client", needs [] {
        /// The time for a whole operation, retries and pauses included.
        total_timeout: Option<Duration> = Off(TOTAL_TIMEOUT),
        /// The time for one attempt.
        attempt_timeout: Option<Duration> = Off(ATTEMPT_TIMEOUT),
        /// How many operations may run at a time.
        bulkhead: Part<bulkhead::Patch> = plain(),
        /// How many operations may be sent in a time.
        rate_limit: Part<rate_limit::Patch> = plain(),
        /// How long an operation may wait for the rate limit.
        rate_limit_wait: Duration = any("rate_limit_wait"),
        /// When to try again.
        retry: Part<retry::Patch> = plain(),
        /// What pays for retries, for each destination.
        retry_budget: Part<budget::Patch> = plain(),
        /// Offers a destination no more than it takes.
        throttle: Part<throttle::Patch> = plain(),
        /// Stops calling a destination that is broken.
        circuit_breaker: Part<circuit_breaker::Patch> = plain(),
        /// Finds how many calls a destination bears at a time.
        adaptive: Part<adaptive::Patch> = plain(),
    }
    _patch => Ok(ClientSettings::new());
    settings => settings.fit().map(|()| settings);
}

impl Change<Adaptive> for Part<adaptive::Patch> {
    fn apply(self, base: Adaptive) -> Result<Adaptive, Invalid> {
        let Self(Some(patch)) = self else { return Ok(Adaptive::Off) };
        match base {
            Adaptive::Set(config) => patch.apply_to(config).map(Adaptive::Set),
            Adaptive::ByTimeout(config) if patch.names_algorithm() => {
                patch.apply_to(config).map(Adaptive::Set)
            }
            Adaptive::ByTimeout(config) => patch.apply_to(config).map(Adaptive::ByTimeout),
            Adaptive::Off => Self(Some(patch)).alone(),
        }
    }

    fn alone(self) -> Result<Adaptive, Invalid> {
        self.apply(Adaptive::default())
    }

    fn to(adaptive: &Adaptive) -> Result<Self, Invalid> {
        Ok(Self(match adaptive {
            Adaptive::Off => None,
            Adaptive::ByTimeout(bounds) => Some(adaptive::Patch::bounds_of(bounds)),
            Adaptive::Set(config) => Some(Change::to(config)?),
        }))
    }
}
