//! How far an operation got, for whoever asks from outside.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{GaveUp, Reason};

/// How many attempts an operation has made, and why no more: read by the caller, written by the retry layer.
///
/// It goes along in the call context, and works whatever the operation returns and however it ends, also for one that was
/// dropped or succeeded. Of retry layers within each other the one that wrote last is read.
///
/// ```
/// use resilience_core::{Call, Context, retry::Trail};
///
/// let trail = Trail::new();
/// let call = Call::with_context("ping", Context::new().with_trail(trail.clone()));
/// // ... the call goes through a stack with a retry layer ...
/// assert_eq!((trail.attempts(), trail.gave_up()), (0, None));
/// # drop(call);
/// ```
///
/// # Clone
///
/// A clone is the same trail.
#[derive(Clone, Default)]
pub struct Trail(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// The attempts times 256, plus one more than the place of the reason in [`Reason::ALL`], or zero. Relaxed: it is
    /// one word and guards nothing.
    word: AtomicU64,
    note: Option<Box<dyn Any + Send + Sync>>,
    /// Where the same is written, for whoever reads there.
    outer: Option<Trail>,
}

impl Trail {
    /// A trail of no attempts yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new trail with a note on it, for layers that have something to tell each other about one operation: one around all of
    /// it, and one around each attempt.
    ///
    /// What is written on the new trail is written on `outer` too: the one that the caller reads, if there is one already.
    ///
    /// ```
    /// use resilience_core::retry::Trail;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let callers = Trail::new();
    /// let ours = Trail::with_note(Some(callers.clone()), AtomicU32::new(0));
    /// if let Some(bytes_sent) = ours.note::<AtomicU32>() {
    ///     bytes_sent.fetch_add(17, Ordering::Relaxed);
    /// }
    /// ours.set_attempt(1);
    /// assert_eq!(callers.attempts(), 1);
    /// assert!(callers.note::<AtomicU32>().is_none());
    /// ```
    #[must_use]
    pub fn with_note<T: Any + Send + Sync>(outer: Option<Self>, note: T) -> Self {
        Self(Arc::new(Shared { word: AtomicU64::new(0), note: Some(Box::new(note)), outer }))
    }

    /// The note on this trail, if there is one of this type.
    #[must_use]
    pub fn note<T: Any>(&self) -> Option<&T> {
        self.0.note.as_ref()?.downcast_ref()
    }

    /// The number of attempts made or begun; zero if no retry layer has seen the operation.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.0.word.load(Ordering::Relaxed) >> 8).unwrap_or(u32::MAX)
    }

    /// Why a retry layer gave up, if it did.
    #[must_use]
    pub fn gave_up(&self) -> Option<GaveUp> {
        let word = self.0.word.load(Ordering::Relaxed);
        let place = usize::from(word.to_le_bytes()[0]).checked_sub(1)?;
        let attempts = u32::try_from(word >> 8).unwrap_or(u32::MAX);
        Reason::ALL.get(place).map(|&reason| GaveUp { attempts, reason })
    }

    /// Notes that attempt number `attempt` begins. For layers that make attempts.
    pub fn set_attempt(&self, attempt: u32) {
        self.store(u64::from(attempt) << 8);
    }

    /// Notes that there will be no further attempt. For layers that make attempts.
    pub fn set_gave_up(&self, gave_up: GaveUp) {
        let code = gave_up.reason as u64 + 1;
        self.store(u64::from(gave_up.attempts) << 8 | code);
    }

    fn store(&self, word: u64) {
        let mut next = Some(self);
        while let Some(Self(shared)) = next {
            shared.word.store(word, Ordering::Relaxed);
            next = shared.outer.as_ref();
        }
    }
}

/// Two are equal if they are the same trail.
impl PartialEq for Trail {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trail {}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("attempts", &self.attempts())
            .field("gave_up", &self.gave_up())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let trail = Trail::new();
        let reader = trail.clone();
        trail.set_attempt(u32::MAX);
        assert_eq!((reader.attempts(), reader.gave_up()), (u32::MAX, None));
        for reason in Reason::ALL {
            trail.set_gave_up(GaveUp { attempts: 7, reason });
            assert_eq!(reader.gave_up(), Some(GaveUp { attempts: 7, reason }));
        }
    }

    #[test]
    fn what_is_written_on_a_trail_with_a_note_is_written_on_those_around_it_too() {
        let (outer, gave_up) = (Trail::new(), GaveUp { attempts: 2, reason: Reason::Budget });
        let middle = Trail::with_note(Some(outer.clone()), 7_u8);
        let inner = Trail::with_note(Some(middle.clone()), "inner");
        inner.set_attempt(2);
        assert_eq!((outer.attempts(), middle.attempts(), inner.attempts()), (2, 2, 2));
        middle.set_gave_up(gave_up);
        assert_eq!(
            (outer.gave_up(), middle.gave_up(), inner.gave_up()),
            (Some(gave_up), Some(gave_up), None)
        );
        assert_eq!((middle.note(), inner.note(), inner.note::<u8>()), (Some(&7_u8), Some(&"inner"), None));
    }
}
