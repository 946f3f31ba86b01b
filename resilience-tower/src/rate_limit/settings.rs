use std::{fmt, sync::Arc, time::Duration};

use resilience_core::{Event, Observer, Rejected};

/// What a layer does with a call over the limit, and whom it tells.
pub(super) struct Settings<O> {
    /// `None` if nobody waits.
    pub(super) max_wait: Option<Duration>,
    pub(super) is_enforced: bool,
    pub(super) observer: Arc<O>,
}

impl Settings<()> {
    pub(super) fn new() -> Self {
        Self { max_wait: None, is_enforced: true, observer: Arc::new(()) }
    }
}

impl<O> Settings<O> {
    pub(super) fn with_observer<P>(&self, observer: P) -> Settings<P> {
        let &Self { max_wait, is_enforced, .. } = self;
        Settings { max_wait, is_enforced, observer: Arc::new(observer) }
    }
}

impl<O: Observer> Settings<O> {
    /// A call is over the limit.
    #[inline]
    pub(super) fn tell_limited(&self, rejected: Rejected) {
        if self.observer.listens() {
            let (enforced, retry_after) = (self.is_enforced, rejected.retry_after());
            self.observer.observe(&Event::RateLimited { enforced, retry_after });
        }
    }
}

impl<O> Clone for Settings<O> {
    fn clone(&self) -> Self {
        let &Self { max_wait, is_enforced, .. } = self;
        Self { max_wait, is_enforced, observer: Arc::clone(&self.observer) }
    }
}

impl<O> fmt::Debug for Settings<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("max_wait", &self.max_wait)
            .field("is_enforced", &self.is_enforced)
            .finish_non_exhaustive()
    }
}
