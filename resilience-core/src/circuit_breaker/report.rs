//! What a breaker tells: its state, its transitions, a snapshot.

use std::time::Duration;

/// The state of a circuit breaker, as users and dashboards see it.
///
/// The discriminants are those of the state gauge: they grow with severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Calls pass.
    Closed = 0,
    /// A few calls pass as probes.
    HalfOpen = 1,
    /// Calls are refused.
    Open = 2,
}

impl State {
    /// All states, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// The value of the `from` and `to` labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// How many of several breakers are in which state.
///
/// ```
/// use resilience_core::circuit_breaker::{State, States};
///
/// let mut states = States::default();
/// assert_eq!(states.worst(), State::Closed);
/// for state in [State::Closed, State::Open, State::Closed] {
///     states.add(state);
/// }
/// assert_eq!((states.closed, states.open, states.worst()), (2, 1, State::Open));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// Those that let calls pass.
    pub closed: usize,
    /// Those that let a few pass as probes.
    pub half_open: usize,
    /// Those that refuse.
    pub open: usize,
}

impl States {
    /// Counts one more breaker.
    pub fn add(&mut self, state: State) {
        match state {
            State::Closed => self.closed += 1,
            State::HalfOpen => self.half_open += 1,
            State::Open => self.open += 1,
        }
    }

    /// How many are in this state.
    #[must_use]
    pub const fn of(&self, state: State) -> usize {
        match state {
            State::Closed => self.closed,
            State::HalfOpen => self.half_open,
            State::Open => self.open,
        }
    }

    /// The worst state that one of them is in; closed if there are none.
    #[must_use]
    pub const fn worst(&self) -> State {
        match self {
            Self { open: 1.., .. } => State::Open,
            Self { half_open: 1.., .. } => State::HalfOpen,
            _ => State::Closed,
        }
    }
}

/// Who decides: the breaker, or an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The breaker decides.
    #[default]
    Automatic,
    /// Every call is refused, without a hint when to try again.
    ForcedOpen,
    /// Every call passes and is recorded; nothing trips.
    ForcedClosed,
    /// Every call passes and nothing is recorded.
    Disabled,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Too many calls of a window failed.
    FailureRate,
    /// Too many calls of a window were slow.
    SlowRate,
    /// Too many calls in a row failed.
    ConsecutiveFailures,
    /// A probe failed.
    ProbeFailed,
    /// Too many probes were slow.
    SlowProbes,
    /// A probe took longer than `half_open_timeout`.
    ProbeHung,
    /// The wait was over and a call came.
    WaitOver,
    /// All probes succeeded.
    ProbesSucceeded,
    /// An operator said so.
    Manual,
}

impl Cause {
    /// As logs have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::SlowRate => "slow_rate",
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::ProbeFailed => "probe_failed",
            Self::SlowProbes => "slow_probes",
            Self::ProbeHung => "probe_hung",
            Self::WaitOver => "wait_over",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::Manual => "manual",
        }
    }
}

/// One change of state.
///
/// The counts are those that the breaker tripped on, from the opening until it has closed again; 0 when an operator
/// changed the state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// Calls in the window that tripped the breaker.
    pub calls: u64,
    /// Failures divided by calls, 0 if there were none.
    pub failure_rate: f64,
    /// Slow calls divided by calls, 0 if there were none.
    pub slow_rate: f64,
    /// How long the breaker will refuse, where it opened by itself.
    pub wait: Option<Duration>,
}

/// A breaker at one moment.
///
/// While the breaker is open or half-open, the counts, the rates and the run of failures are those that it tripped on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What the next call would meet: an open breaker whose wait is over is half-open.
    pub state: State,
    /// Who decides.
    pub mode: Mode,
    /// Calls in the window: the time window if there is one, else the count window.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow calls among them.
    pub slow_calls: u64,
    /// Failures divided by calls, 0 if there are none.
    pub failure_rate: f64,
    /// Slow calls divided by calls, 0 if there are none.
    pub slow_rate: f64,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Openings since the breaker was last closed; the wait grows with it.
    pub openings: u32,
    /// Why it last opened by itself, until it is closed again.
    pub opened_by: Option<Cause>,
    /// Time until the next call is admitted as a probe, while the breaker waits for that.
    pub retry_after: Option<Duration>,
}
