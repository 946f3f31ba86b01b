//! What a retry costs, by the kind of failure that it follows.

use crate::{FailureKind, range::Range};

/// What a retry after a failure of this kind may cost.
pub(super) const fn cost_of(kind: FailureKind) -> Range<u32> {
    let name = match kind {
        FailureKind::Transient => "cost of transient",
        FailureKind::Fault => "cost of fault",
        FailureKind::Throttled => "cost of throttled",
        FailureKind::PeerOverloaded => "cost of peer_overloaded",
        FailureKind::Timeout => "cost of timeout",
        FailureKind::Permanent => "cost of permanent",
    };
    Range::new(name, 1, 1_000_000)
}

/// A cost for every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Costs {
    pub(super) transient: u32,
    pub(super) fault: u32,
    pub(super) throttled: u32,
    pub(super) peer_overloaded: u32,
    pub(super) timeout: u32,
    pub(super) permanent: u32,
}

impl Costs {
    pub(super) const fn all(cost: u32) -> Self {
        Self {
            transient: cost,
            fault: cost,
            throttled: cost,
            peer_overloaded: cost,
            timeout: cost,
            permanent: cost,
        }
    }

    pub(super) const fn of(&self, kind: FailureKind) -> u32 {
        match kind {
            FailureKind::Transient => self.transient,
            FailureKind::Fault => self.fault,
            FailureKind::Throttled => self.throttled,
            FailureKind::PeerOverloaded => self.peer_overloaded,
            FailureKind::Timeout => self.timeout,
            FailureKind::Permanent => self.permanent,
        }
    }

    pub(super) const fn set(&mut self, kind: FailureKind, cost: u32) {
        let place = match kind {
            FailureKind::Transient => &mut self.transient,
            FailureKind::Fault => &mut self.fault,
            FailureKind::Throttled => &mut self.throttled,
            FailureKind::PeerOverloaded => &mut self.peer_overloaded,
            FailureKind::Timeout => &mut self.timeout,
            FailureKind::Permanent => &mut self.permanent,
        };
        *place = cost;
    }
}
