//! A budget shared: one word that all threads change by compare-and-swap, and the rules that say how.

use std::{sync::OnceLock, time::Instant};

use super::{Tab, in_flight, slices, tokens};
use crate::{
    FailureKind,
    keyed::Worth,
    striped::Padded,
    sync::{AtomicU64, Ordering},
};

/// The rules, which never change, and the word, on a cache line of its own.
///
/// `Relaxed` is enough throughout: the word guards no other memory, and every change is one compare-and-swap, so each is
/// decided on the value that it replaces. A decision to change nothing, such as that of a deposit into a full
/// bucket, is made on a value that the word has had: it counts as made while it had it. A thread never reads a value
/// older than one that it, or whoever it has heard from, has already seen.
#[derive(Debug)]
pub(super) struct Shared {
    rules: Rules,
    word: Padded<AtomicU64>,
}

#[derive(Debug)]
pub(super) enum Rules {
    Tokens(tokens::Rules),
    Ratio {
        rules: slices::Rules,
        /// The first time that was seen.
        origin: OnceLock<Instant>,
    },
    InFlight(in_flight::Rules),
}

impl Shared {
    pub(super) fn new(rules: Rules) -> Self {
        let fresh = match &rules {
            Rules::Tokens(rules) => rules.fresh(),
            Rules::Ratio { .. } => slices::Rules::fresh(),
            Rules::InFlight(_) => 0,
        };
        Self { rules, word: Padded(AtomicU64::new(fresh)) }
    }

    #[inline]
    pub(super) fn open(&self, now: impl FnOnce() -> Instant) -> Tab {
        if matches!(self.rules, Rules::Tokens(_)) { Tab::new(false) } else { self.open_counted(now) }
    }

    /// Where every operation is counted.
    #[inline(never)]
    fn open_counted(&self, now: impl FnOnce() -> Instant) -> Tab {
        match &self.rules {
            Rules::Tokens(_) => Tab::new(false),
            Rules::Ratio { rules, origin } => {
                if rules.deposit > 0 {
                    let number = slice_at(rules, origin, now());
                    self.update(|word| rules.deposit(word, number));
                }
                Tab::new(false)
            }
            Rules::InFlight(_) => Tab::new(self.update(in_flight::open)),
        }
    }

    pub(super) fn fail(&self) {
        if let Rules::Tokens(rules) = &self.rules {
            self.update(|word| rules.fail(word));
        }
    }

    pub(super) fn withdraw(&self, tab: &mut Tab, kind: FailureKind, now: impl FnOnce() -> Instant) -> bool {
        match &self.rules {
            Rules::Tokens(rules) => {
                let granted = self.update(|word| rules.withdraw(word, kind));
                if granted {
                    tab.set_charge(rules.charge(kind));
                }
                granted
            }
            Rules::Ratio { rules, origin } => {
                let number = slice_at(rules, origin, now());
                self.update(|word| rules.withdraw(word, number))
            }
            Rules::InFlight(_) if !tab.is_open() => false,
            Rules::InFlight(rules) => {
                let was_retrying = tab.is_retrying();
                self.update(|word| {
                    let (next, granted) = rules.withdraw(word, was_retrying);
                    tab.set_retrying(granted);
                    Some(next)
                });
                tab.is_retrying()
            }
        }
    }

    #[inline]
    pub(super) fn deposit(&self, tab: &mut Tab) {
        if let Rules::Tokens(rules) = &self.rules {
            let amount = rules.reward(tab.take_charge());
            self.update(|word| rules.deposit(word, amount));
        }
    }

    pub(super) fn close(&self, tab: &mut Tab) {
        let tab = tab.take();
        if tab.is_open() {
            self.update(|word| in_flight::close(word, tab.is_retrying()));
        }
    }

    pub(super) fn tokens(&self, now: Instant) -> f64 {
        let word = self.load();
        match &self.rules {
            Rules::Tokens(rules) => rules.tokens(word),
            Rules::Ratio { rules, origin } => rules.tokens(word, slice_seen(rules, origin, now)),
            Rules::InFlight(rules) => rules.tokens(word),
        }
    }

    pub(super) fn max_tokens(&self) -> f64 {
        match &self.rules {
            Rules::Tokens(rules) => rules.tokens(rules.fresh()),
            Rules::Ratio { rules, .. } => rules.max_tokens(),
            Rules::InFlight(rules) => rules.limit(self.load()) as f64,
        }
    }

    /// As of the last use.
    pub(super) fn last_tokens(&self) -> f64 {
        let word = self.load();
        match &self.rules {
            Rules::Tokens(rules) => rules.tokens(word),
            Rules::Ratio { rules, .. } => rules.last_tokens(word),
            Rules::InFlight(rules) => rules.tokens(word),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.rules {
            Rules::Tokens(rules) => rules.kind.name(),
            Rules::Ratio { .. } => "ratio",
            Rules::InFlight(_) => "in_flight",
        }
    }

    pub(super) fn worth(&self, now: Instant) -> Worth {
        let word = self.load();
        let (is_fresh, protects) = match &self.rules {
            Rules::Tokens(rules) => {
                (word == rules.fresh(), rules.can_pay(rules.fresh()) && !rules.can_pay(word))
            }
            Rules::Ratio { rules, origin } => {
                let number = slice_seen(rules, origin, now);
                let can_pay = |word| rules.withdraw(word, number).is_some();
                (rules.is_fresh(word, number), can_pay(slices::Rules::fresh()) && !can_pay(word))
            }
            Rules::InFlight(rules) => (word == 0, rules.min > 0 && rules.tokens(word) <= 0.0),
        };
        match (is_fresh, protects) {
            (true, _) => Worth::Nothing,
            (false, true) => Worth::Protection,
            (false, false) => Worth::History,
        }
    }

    fn load(&self) -> u64 {
        self.word.0.load(Ordering::Relaxed)
    }

    /// Changes the word to what `step` makes of it; `false` if `step` makes nothing of it.
    #[inline]
    fn update(&self, mut step: impl FnMut(u64) -> Option<u64>) -> bool {
        let word = &self.word.0;
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let Some(next) = step(seen) else { return false };
            match word.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => seen = changed,
            }
        }
    }
}

/// The number of the slice that runs at `now`, which is the origin if it is the first time seen.
fn slice_at(rules: &slices::Rules, origin: &OnceLock<Instant>, now: Instant) -> u16 {
    rules.number(now.saturating_duration_since(*origin.get_or_init(|| now)))
}

/// The same for who only looks.
fn slice_seen(rules: &slices::Rules, origin: &OnceLock<Instant>, now: Instant) -> u16 {
    rules.number(now.saturating_duration_since(*origin.get().unwrap_or(&now)))
}
