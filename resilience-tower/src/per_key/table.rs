//! The keys there are, and the settings for those to come.

use std::{
    borrow::Borrow,
    hash::Hash,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use resilience_core::{
    circuit_breaker::{States, Transition},
    keyed::{Keyed, Snapshot},
};

use super::{Policies, Settings};

pub(crate) struct Table<K> {
    pub(crate) entries: Keyed<K, Policies>,
    pub(crate) idle: Duration,
    settings: Mutex<Current>,
}

/// The settings, and how often they have been replaced.
struct Current {
    settings: Settings,
    epoch: u64,
}

impl<K: Hash + Eq> Table<K> {
    pub(crate) fn new(settings: Settings, capacity: NonZeroUsize, idle: Duration) -> Self {
        let settings = Mutex::new(Current { settings, epoch: 0 });
        Self { entries: Keyed::new(capacity, idle), idle, settings }
    }

    /// The policies of this key, made if there are none yet.
    pub(crate) fn policies<B>(&self, key: &B, now: Instant) -> Policies
    where
        K: Borrow<B> + Clone,
        B: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.entries.get(key, now).unwrap_or_else(|| self.make(key, now))
    }

    #[cold]
    fn make<B>(&self, key: &B, now: Instant) -> Policies
    where
        K: Borrow<B> + Clone,
        B: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let (settings, epoch) = self.current();
        // A user's function may make a part, so no lock is held.
        let made = || Policies::new(&settings, epoch, now);
        let policies = self.entries.get_or_insert_with(key.to_owned(), now, made);
        if self.current().1 == epoch {
            return policies;
        }
        // `reconfigure` may have gone through the table before this one was in it. A breaker as new as this has nothing to tell.
        self.put_in_force(now, |_| ());
        self.entries.get(key, now).unwrap_or(policies)
    }

    /// The table, and the breakers in it by state.
    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        let mut snapshot = self.entries.snapshot();
        let has_breakers = self.settings.lock().settings.circuit_breaker.is_some();
        if has_breakers {
            let mut states = States::default();
            self.entries.for_each(|policies| {
                if let Some(breaker) = policies.circuit_breaker() {
                    states.add(breaker.state(now));
                }
            });
            snapshot.breakers = Some(states);
        }
        snapshot
    }

    /// Puts other settings in force, for the keys there are and those to come.
    pub(crate) fn reconfigure(&self, mut settings: Settings, now: Instant, tell: impl FnMut(Transition))
    where
        K: Clone,
    {
        {
            let mut current = self.settings.lock();
            current.epoch += 1;
            let is_other = settings.retry_budget != current.settings.retry_budget;
            settings.budget_since = if is_other { current.epoch } else { current.settings.budget_since };
            current.settings = settings;
        }
        self.put_in_force(now, tell);
    }

    /// Goes through the table until nothing in it is of other settings, whoever else does the same meanwhile.
    fn put_in_force(&self, now: Instant, mut tell: impl FnMut(Transition))
    where
        K: Clone,
    {
        loop {
            let (settings, epoch) = self.current();
            let mut is_done = true;
            let mut renew = |old: &Policies, replace: &dyn Fn(Policies)| {
                if old.epoch() != epoch {
                    is_done = false;
                    let (new, transition) = old.reconfigured(&settings, epoch, now);
                    replace(new);
                    transition.into_iter().for_each(&mut tell);
                }
            };
            for (key, old) in self.entries.entries() {
                renew(&old, &|new| self.entries.replace(&key, |there| there.is_same(&old), new));
            }
            if let Some(old) = self.entries.overflow() {
                renew(&old, &|new| self.entries.replace_overflow(|there| there.is_same(&old), new));
            }
            if is_done {
                return;
            }
        }
    }

    fn current(&self) -> (Settings, u64) {
        let current = self.settings.lock();
        (current.settings.clone(), current.epoch)
    }
}
