//! The handles that have not been polled yet.

/// How many announcements there were when a handle, or the one it is a copy of, was announced.
pub(super) type Rank = u64;

pub(super) struct Fresh {
    count: usize,
    announced: Rank,
    /// How many of them are of the rank that was announced last.
    awaited: usize,
}

impl Fresh {
    /// The first handle to a body.
    pub(super) fn one() -> Self {
        Self { count: 1, announced: 0, awaited: 1 }
    }

    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    pub(super) fn join(&mut self, rank: Rank) {
        self.count += 1;
        self.awaited += usize::from(rank == self.announced);
    }

    pub(super) fn leave(&mut self, rank: Rank) {
        self.count -= 1;
        self.awaited -= usize::from(rank == self.announced);
    }

    /// One of them is about to be sent, and gets this rank.
    pub(super) fn announce(&mut self) -> Rank {
        self.announced += 1;
        self.awaited = 1;
        self.announced
    }

    /// Whether one was announced since the current handle was, and is still there.
    pub(super) fn is_awaited(&self, current: Rank) -> bool {
        self.awaited > 0 && self.announced > current
    }
}
