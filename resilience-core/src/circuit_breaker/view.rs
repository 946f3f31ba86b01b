//! What can be seen of a breaker's machine without changing it: pure.

use std::time::Duration;

use super::{
    Config, Mode, Snapshot, State,
    state::{Gate, Machine, Phase},
};
use crate::keyed::Worth;

impl Machine {
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn gate(&self) -> Gate {
        match (self.mode, &self.phase) {
            (Mode::ForcedOpen, _) => Gate::ForcedOpen,
            (Mode::ForcedClosed, _) => Gate::ForcedClosed,
            (Mode::Disabled, _) => Gate::Disabled,
            (Mode::Automatic, Phase::Closed) => Gate::Closed,
            (Mode::Automatic, Phase::Open { .. }) => Gate::Open,
            (Mode::Automatic, Phase::HalfOpen(_)) => Gate::HalfOpen,
        }
    }

    /// The end of the wait of an open breaker.
    pub(super) const fn opens_until(&self) -> u64 {
        match self.phase {
            Phase::Open { until } => until,
            Phase::Closed | Phase::HalfOpen(_) => 0,
        }
    }

    /// Whether a half-open breaker has all its probes out.
    pub(super) fn is_full(&self) -> bool {
        matches!(&self.phase, Phase::HalfOpen(probing) if !probing.has_room(self.config.probes))
    }

    /// The last moment at which no probe counts as hung.
    pub(super) fn patience(&self) -> u64 {
        match &self.phase {
            Phase::HalfOpen(probing) => probing.first_patience(),
            Phase::Closed | Phase::Open { .. } => u64::MAX,
        }
    }

    /// What a caller is told to wait while all probes are out: as long as the breaker opens for if one fails. When they
    /// will answer nobody knows.
    pub(super) fn probe_wait(&self) -> Duration {
        self.base_wait(self.openings.saturating_add(1))
    }

    /// Until when good calls need not be recorded one by one, but may be [absorbed](Self::absorb) later.
    ///
    /// Not while the next one may trip: it may be the call that a bad rate lacks, or one that was absorbed was.
    pub(super) fn defers_until(&self) -> u64 {
        match self.gate() {
            Gate::Closed if self.conditions.wait_for_min_calls(&self.config) => 0,
            Gate::Closed if self.conditions.exceeded(&self.config).is_some() => 0,
            Gate::Closed | Gate::ForcedClosed => self.conditions.bucket_ends(),
            Gate::Open | Gate::HalfOpen | Gate::ForcedOpen | Gate::Disabled => 0,
        }
    }

    /// What would be lost with this breaker.
    pub(super) fn worth(&self, now: u64) -> Worth {
        match (self.mode, &self.phase) {
            (Mode::Automatic, Phase::Closed) if self.conditions.are_clean(now) => Worth::Nothing,
            (Mode::Automatic, Phase::Closed) => Worth::History,
            (Mode::Automatic, Phase::HalfOpen(_)) => Worth::Protection,
            (Mode::Automatic, Phase::Open { until }) if now >= *until => Worth::Protection,
            _ => Worth::InForce,
        }
    }

    pub(super) fn snapshot(&self, now: u64) -> Snapshot {
        let (counts, run) = match self.phase {
            Phase::Closed => (self.conditions.shown_at(now), self.conditions.run()),
            Phase::Open { .. } | Phase::HalfOpen(_) => (self.tripped_on, self.tripped_after),
        };
        let state = self.state_at(now);
        Snapshot {
            state,
            mode: self.mode,
            calls: counts.calls,
            failures: counts.failures,
            slow_calls: counts.slow,
            failure_rate: counts.failure_rate(),
            slow_rate: counts.slow_rate(),
            consecutive_failures: run,
            openings: self.openings,
            opened_by: self.opened_by,
            retry_after: match self.phase {
                Phase::Open { until } if until > now => Some(Duration::from_nanos(until - now)),
                _ => None,
            },
        }
    }

    /// What the next call would meet.
    fn state_at(&self, now: u64) -> State {
        match &self.phase {
            Phase::Open { until } if now >= *until => State::HalfOpen,
            Phase::HalfOpen(probing) if probing.is_hung(now) => State::Open,
            _ => self.state(),
        }
    }

    pub(super) const fn state(&self) -> State {
        match self.gate() {
            Gate::Closed | Gate::ForcedClosed | Gate::Disabled => State::Closed,
            Gate::HalfOpen => State::HalfOpen,
            Gate::Open | Gate::ForcedOpen => State::Open,
        }
    }

    /// `open_for * 2^(openings - 1)`, at most `max_open_for`.
    pub(super) fn base_wait(&self, openings: u32) -> Duration {
        let doubled = 1_u32.checked_shl(openings.saturating_sub(1)).unwrap_or(u32::MAX);
        self.config.open_for.saturating_mul(doubled).min(self.config.max_open_for)
    }
}
