//! The probes of one half-open phase: pure.

/// The probes that are out, and what the others came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Probing {
    in_flight: Vec<Probe>,
    next: u64,
    pub(super) succeeded: u32,
    pub(super) slow: u32,
}

/// A call admitted while half-open.
#[derive(Clone, Copy, Debug)]
struct Probe {
    id: u64,
    /// The last moment at which it does not yet count as hung.
    patience: u64,
}

impl Probing {
    /// Whether another probe may go: those in flight and those that succeeded are bounded together.
    pub(super) fn has_room(&self, probes: u32) -> bool {
        self.in_flight.len() as u64 + u64::from(self.succeeded) < u64::from(probes)
    }

    /// Takes a slot and numbers it.
    pub(super) fn admit(&mut self, patience: u64) -> u64 {
        let id = self.next;
        self.next += 1;
        self.in_flight.push(Probe { id, patience });
        id
    }

    /// Gives the slot back.
    pub(super) fn release(&mut self, id: u64) {
        self.in_flight.retain(|probe| probe.id != id);
    }

    /// Counts a probe that has not failed: a good answer, or one that was too slow to be waited for.
    pub(super) fn count(&mut self, answered: bool, slow: bool) {
        self.succeeded += u32::from(answered);
        self.slow += u32::from(slow);
    }

    /// Whether some probe takes longer than it may.
    pub(super) fn is_hung(&self, now: u64) -> bool {
        now > self.first_patience()
    }

    /// The last moment at which no probe counts as hung.
    pub(super) fn first_patience(&self) -> u64 {
        self.in_flight.iter().map(|probe| probe.patience).min().unwrap_or(u64::MAX)
    }
}
