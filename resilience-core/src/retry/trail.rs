//! How far an operation got, for whoever asks from outside.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
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
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The attempts times 256, plus one more than the place of the reason in [`Reason::ALL`], or zero. Relaxed: it is
    /// one word and guards nothing.
    word: Arc<AtomicU64>,
}

impl Trail {
    /// A trail of no attempts yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of attempts made or begun; zero if no retry layer has seen the operation.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.word.load(Ordering::Relaxed) >> 8).unwrap_or(u32::MAX)
    }

    /// Why a retry layer gave up, if it did.
    #[must_use]
    pub fn gave_up(&self) -> Option<GaveUp> {
        let word = self.word.load(Ordering::Relaxed);
        let place = usize::from(word.to_le_bytes()[0]).checked_sub(1)?;
        let attempts = u32::try_from(word >> 8).unwrap_or(u32::MAX);
        Reason::ALL.get(place).map(|&reason| GaveUp { attempts, reason })
    }

    /// Notes that attempt number `attempt` begins. For layers that make attempts.
    pub fn set_attempt(&self, attempt: u32) {
        self.word.store(u64::from(attempt) << 8, Ordering::Relaxed);
    }

    /// Notes that there will be no further attempt. For layers that make attempts.
    pub fn set_gave_up(&self, gave_up: GaveUp) {
        let code = gave_up.reason as u64 + 1;
        self.word.store(u64::from(gave_up.attempts) << 8 | code, Ordering::Relaxed);
    }
}

/// Two are equal if they are the same trail.
impl PartialEq for Trail {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.word, &other.word)
    }
}

impl Eq for Trail {}

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
}
