//! Who waits for an operation that runs in this process.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use resilience_core::idempotency::RecordKey;
use tokio::sync::Notify;

/// A hint and no more: whoever waits looks into the store by itself, too.
#[derive(Default)]
pub(super) struct Waiting {
    /// How many keys are waited for: most operations end with nobody waiting for any, and spare the lock. Relaxed, because
    /// whoever comes too late for a hint does without.
    keys: AtomicUsize,
    by_key: Mutex<HashMap<RecordKey, Group>>,
}

struct Group {
    ended: Arc<Notify>,
    members: usize,
}

impl Waiting {
    /// Waits for the end of `key` until this is dropped.
    pub(super) fn join(&self, key: RecordKey) -> Waiter<'_> {
        let mut by_key = self.by_key.lock();
        let group = by_key.entry(key).or_insert_with(|| Group { ended: Arc::default(), members: 0 });
        group.members += 1;
        let ended = Arc::clone(&group.ended);
        self.keys.store(by_key.len(), Ordering::Relaxed);
        Waiter { waiting: self, key, ended }
    }

    /// Says that `key` has ended, however.
    pub(super) fn wake(&self, key: &RecordKey) {
        if self.keys.load(Ordering::Relaxed) == 0 {
            return;
        }
        let ended = self.by_key.lock().get(key).map(|group| Arc::clone(&group.ended));
        if let Some(ended) = ended {
            ended.notify_waiters();
        }
    }

    fn leave(&self, key: RecordKey) {
        let mut by_key = self.by_key.lock();
        if let Entry::Occupied(mut group) = by_key.entry(key) {
            group.get_mut().members -= 1;
            if group.get().members == 0 {
                group.remove();
            }
        }
        self.keys.store(by_key.len(), Ordering::Relaxed);
    }
}

/// One that waits.
pub(super) struct Waiter<'a> {
    waiting: &'a Waiting,
    key: RecordKey,
    pub(super) ended: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.waiting.leave(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn who_waits_for_a_key_hears_of_it_alone_and_nothing_is_left_behind() {
        let waiting = Waiting::default();
        let keys = [1, 2].map(|n| RecordKey::from_bytes([n; 32]));
        let (one, again, other) = (waiting.join(keys[0]), waiting.join(keys[0]), waiting.join(keys[1]));
        {
            let mut ended =
                [pin!(one.ended.notified()), pin!(again.ended.notified()), pin!(other.ended.notified())];
            let mut cx = Context::from_waker(Waker::noop());
            assert!(ended.iter_mut().all(|ended| ended.as_mut().poll(&mut cx).is_pending()));
            waiting.wake(&keys[0]);
            let have_ended = ended.each_mut().map(|ended| ended.as_mut().poll(&mut cx).is_ready());
            assert_eq!(have_ended, [true, true, false]);
        }

        drop((one, other));
        assert_eq!((waiting.by_key.lock().len(), waiting.keys.load(Ordering::Relaxed)), (1, 1));
        drop(again);
        assert_eq!((waiting.by_key.lock().len(), waiting.keys.load(Ordering::Relaxed)), (0, 0));
    }
}
