//! The error of a stack with a policy of one's own, and what it means to the others.

use std::{error::Error, fmt};

use resilience_core::{self as core, Classify, FailureKind, Refusal, Rejected, Verdict, retry::GaveUp};

use crate::policy::InMaintenance;

/// What the dependency fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage;

/// All that a call can come to, beside an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Refused by the policy of this program.
    Maintenance(InMaintenance),
    /// Refused by one of the library.
    Refused(Rejected),
    Failed(Outage),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maintenance(refusal) => refusal.fmt(f),
            Self::Refused(rejected) => rejected.fmt(f),
            Self::Failed(Outage) => f.write_str("the dependency has failed"),
        }
    }
}

impl Error for CallError {}

impl From<InMaintenance> for CallError {
    fn from(refusal: InMaintenance) -> Self {
        Self::Maintenance(refusal)
    }
}

/// With this and [`Refusal`] every layer of the library can use it.
impl From<Rejected> for CallError {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

impl Refusal for CallError {
    fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Refused(rejected) => Some(rejected),
            Self::Maintenance(_) | Self::Failed(_) => None,
        }
    }

    /// It has no room for this.
    fn set_gave_up(&mut self, _: GaveUp) {}
}

/// From what is inside of the slot for the attempt.
impl From<core::Error<Outage>> for CallError {
    fn from(error: core::Error<Outage>) -> Self {
        match error {
            core::Error::Rejected { rejected, .. } => Self::Refused(rejected),
            core::Error::Inner { error, .. } => Self::Failed(error),
        }
    }
}

/// A refusal of the window says nothing about the dependency: no breaker counts it, and no retry tries again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassifyCall;

impl<T> Classify<T, CallError> for ClassifyCall {
    fn classify(&self, result: Result<&T, &CallError>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(CallError::Maintenance(_)) => Verdict::Ignored,
            Err(CallError::Refused(rejected)) => rejected.verdict(),
            Err(CallError::Failed(Outage)) => Verdict::Failure(FailureKind::Transient),
        }
    }
}
