use std::{
    mem,
    sync::atomic::{AtomicU32, Ordering},
};

use parking_lot::Mutex;
use resilience_core::{CarryContext, retry::Trail};
use tracing::Span;

/// What the span of an operation and those of its attempts have to tell each other. It goes along with the call context, as a
/// note on its trail.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Relaxed: a number that guards nothing.
    made: AtomicU32,
    /// The last attempt, if it failed. Kept, so that the next one can still point to it.
    failed: Mutex<Option<Span>>,
}

impl Attempts {
    /// Puts a note on the trail of `request`; `None` if it carries no context.
    pub(super) fn follow<Req: CarryContext>(request: &mut Req) -> Option<Trail> {
        let context = request.context_mut()?;
        let trail = Trail::with_note(context.trail().cloned(), Self::default());
        *context = mem::take(context).with_trail(trail.clone());
        Some(trail)
    }

    /// Another attempt begins. Returns the one before.
    pub(super) fn begin(&self) -> Option<Span> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.take_failed()
    }

    /// The number of attempts begun.
    pub(super) fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    pub(super) fn take_failed(&self) -> Option<Span> {
        self.failed.lock().take()
    }

    pub(super) fn set_failed(&self, span: Span) {
        // What was there is dropped, and closed by its subscriber, outside of the lock.
        let before = self.failed.lock().replace(span);
        drop(before);
    }
}
