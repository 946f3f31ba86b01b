//! What the policy decides: no runtime, no Tower, no clock. `now` is an argument.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use resilience_core::registry::{Policy, PolicySnapshot};

/// A window in which a dependency is being worked on, and no calls are made.
///
/// A clone is the same window.
#[derive(Clone, Debug)]
pub(crate) struct Maintenance {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    /// The end of the window in milliseconds after the origin. Relaxed: a value by itself.
    end: AtomicU64,
}

/// The policy's own refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InMaintenance {
    pub(crate) retry_after: Duration,
}

impl fmt::Display for InMaintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the dependency is being worked on, try again in {:?}", self.retry_after)
    }
}

impl Error for InMaintenance {}

impl Maintenance {
    /// None yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { shared: Arc::new(Shared { origin: now, end: AtomicU64::new(0) }) }
    }

    /// From now on, for so long.
    pub(crate) fn begin(&self, length: Duration, now: Instant) {
        let end = now.saturating_duration_since(self.shared.origin).saturating_add(length).as_millis();
        self.shared.end.store(u64::try_from(end).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether a call may be made.
    pub(crate) fn check(&self, now: Instant) -> Result<(), InMaintenance> {
        let end = Duration::from_millis(self.shared.end.load(Ordering::Relaxed));
        match end.saturating_sub(now.saturating_duration_since(self.shared.origin)) {
            Duration::ZERO => Ok(()),
            retry_after => Err(InMaintenance { retry_after }),
        }
    }
}

/// It can be listed, seen and steered by name, as any policy of the library.
impl Policy for Maintenance {
    fn kind() -> &'static str {
        "maintenance"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        match self.check(now) {
            Ok(()) => PolicySnapshot::new("working", false),
            Err(refusal) => {
                PolicySnapshot::new("maintained", true).with("retry_after_seconds", refusal.retry_after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_refused_from_the_beginning_to_the_end_of_the_window() {
        let ms = Duration::from_millis;
        let t0 = crate::now();
        let maintenance = Maintenance::new(t0);
        assert_eq!(maintenance.check(t0), Ok(()));
        maintenance.begin(ms(100), t0 + ms(50));
        assert_eq!(maintenance.check(t0 + ms(50)), Err(InMaintenance { retry_after: ms(100) }));
        assert_eq!(maintenance.check(t0 + ms(149)), Err(InMaintenance { retry_after: ms(1) }));
        assert_eq!(maintenance.check(t0 + ms(150)), Ok(()));
        // A clock that stands still, or goes back, ends no window early.
        assert_eq!(maintenance.check(t0), Err(InMaintenance { retry_after: ms(150) }));
    }
}
