//! Who runs, as threads share it: a word for each stripe, and who waits for the end behind a lock.
//!
//! A call is counted in one word, of which it remembers the number, with one compare-and-swap each way. Whoever drains sets a bit
//! in every word: from then on a word admits nobody, and its number only falls. So all calls have ended when every word has
//! been seen at zero, though not at one moment.
//!
//! Nobody sleeps through the end: who waits notes its waker under the lock, where it also looks at the words, and the call that
//! takes a word to zero takes the lock after that, and then wakes. Either the look comes second, and sees the zero, or the lock
//! does, and finds the waker.

use std::{
    mem,
    task::{Poll, Waker},
    time::Duration,
};

use super::{End, Snapshot};
use crate::{
    striped::{Padded, STRIPES, stripe},
    sync::{AtomicU64, Mutex, Ordering},
};

const DRAINING: u64 = 1 << 63;

/// `N` is another number in models only.
#[derive(Debug)]
pub(super) struct Shared<const N: usize = STRIPES> {
    pub(super) retry_after: Duration,
    /// How many calls run, and the bit. Release when a call ends, acquire when the words are looked at for the end: what calls did
    /// happened before what comes after the drain. Relaxed for the rest, where each change is a compare-and-swap of one word.
    words: [Padded<AtomicU64>; N],
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// Whether the bit is set in all words; they are changed under the lock.
    draining: bool,
    /// How often calls were admitted again.
    resumed: u64,
    /// How many there have been.
    numbers: u64,
    wakers: Vec<(u64, Waker)>,
}

/// One who waits, and for the end of which drain.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    resumed: u64,
}

impl<const N: usize> Shared<N> {
    pub(super) fn new(retry_after: Duration) -> Self {
        let words = std::array::from_fn(|_| Padded(AtomicU64::new(0)));
        Self { retry_after, words, waiters: Mutex::new(Waiters::default()) }
    }

    /// Counts a call on this thread's stripe, and says which that is; nothing while calls are not admitted.
    #[inline]
    pub(super) fn enter(&self) -> Option<usize> {
        let stripe = stripe();
        self.enter_on(stripe).then_some(stripe)
    }

    #[inline]
    pub(super) fn enter_on(&self, stripe: usize) -> bool {
        let word = &self.words[stripe].0;
        let mut seen = word.load(Ordering::Relaxed);
        while seen & DRAINING == 0 {
            match word.compare_exchange_weak(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => seen = changed,
            }
        }
        false
    }

    /// A call that was counted on this stripe has ended.
    #[inline]
    pub(super) fn leave(&self, stripe: usize) {
        let before = self.words[stripe].0.fetch_sub(1, Ordering::Release);
        if before == DRAINING | 1 {
            self.wake();
        }
    }

    /// The last call of a stripe has ended, which may be the last of all: at most once for each stripe.
    #[cold]
    fn wake(&self) {
        let wakers = mem::take(&mut self.waiters.lock().wakers);
        wake(wakers);
    }

    #[inline]
    pub(super) fn is_draining(&self) -> bool {
        self.words[stripe()].0.load(Ordering::Relaxed) & DRAINING != 0
    }

    pub(super) fn running(&self) -> u64 {
        self.words.iter().map(|word| word.0.load(Ordering::Acquire) & !DRAINING).sum()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { draining: self.waiters.lock().draining, running: self.running() }
    }

    /// Admits nobody from now on.
    pub(super) fn begin(&self) -> Place {
        let mut waiters = self.waiters.lock();
        if !mem::replace(&mut waiters.draining, true) {
            for word in &self.words {
                word.0.fetch_or(DRAINING, Ordering::Relaxed);
            }
        }
        waiters.numbers += 1;
        Place { number: waiters.numbers, resumed: waiters.resumed }
    }

    /// Admits calls again. Who waits for the end waits no more.
    pub(super) fn resume(&self) {
        let mut waiters = self.waiters.lock();
        if !mem::replace(&mut waiters.draining, false) {
            return;
        }
        for word in &self.words {
            word.0.fetch_and(!DRAINING, Ordering::Relaxed);
        }
        waiters.resumed += 1;
        let wakers = mem::take(&mut waiters.wakers);
        drop(waiters);
        wake(wakers);
    }

    /// Ready at the end; else the waker is noted.
    pub(super) fn poll_end(&self, place: &Place, waker: &Waker) -> Poll<End> {
        // Wakers are foreign code: cloned and dropped outside of the lock.
        let mut waker = waker.clone();
        let mut waiters = self.waiters.lock();
        if waiters.resumed != place.resumed {
            return Poll::Ready(End::Resumed);
        }
        if self.running() == 0 {
            return Poll::Ready(End::Idle);
        }
        match waiters.wakers.iter_mut().find(|(number, _)| *number == place.number) {
            Some((_, noted)) => mem::swap(noted, &mut waker),
            None => waiters.wakers.push((place.number, waker)),
        }
        Poll::Pending
    }

    /// Nobody waits at this place any more.
    pub(super) fn give_up(&self, place: &Place) {
        let mut waiters = self.waiters.lock();
        let at = waiters.wakers.iter().position(|(number, _)| *number == place.number);
        let noted = at.map(|at| waiters.wakers.swap_remove(at));
        drop(waiters);
        drop(noted);
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn waits(&self) -> usize {
        self.waiters.lock().wakers.len()
    }
}

fn wake(wakers: Vec<(u64, Waker)>) {
    wakers.into_iter().for_each(|(_, waker)| waker.wake());
}
