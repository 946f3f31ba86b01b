//! A table of policies by key against what it promises, whatever keys come.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    cell::Cell,
    collections::BTreeMap,
    num::NonZeroUsize,
    rc::Rc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{
    CircuitBreaker, FailureKind, RetryBudget, Verdict,
    circuit_breaker::{Config, State},
    keyed::{Entry, Keyed, Worth},
};
use tests::{seed::seed, time};

const SECOND: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(20);

/// An entry that is worth what the test says.
#[derive(Clone, Debug)]
struct Item {
    id: u32,
    worth: Rc<Cell<Worth>>,
}

impl Entry for Item {
    fn worth(&self, _: Instant) -> Worth {
        self.worth.get()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Get(u8),
    /// Changes what the entry is worth, if there is one.
    Set(u8, Worth),
    Pass(Duration),
}

fn step(keys: u8) -> impl Strategy<Value = Step> {
    let worth = prop_oneof![
        2 => Just(Worth::Nothing),
        2 => Just(Worth::History),
        2 => Just(Worth::Protection),
        2 => Just(Worth::InForce),
    ];
    prop_oneof![
        6 => (0..keys).prop_map(Step::Get),
        3 => (0..keys, worth).prop_map(|(key, worth)| Step::Set(key, worth)),
        1 => (0..25_u64).prop_map(|seconds| Step::Pass(Duration::from_secs(seconds))),
    ]
}

/// The table, and beside it what is known of each entry.
struct Pair {
    table: Keyed<u8, Item>,
    capacity: usize,
    known: BTreeMap<u8, (Item, Instant)>,
    overflow: Option<u32>,
    made: Cell<u32>,
    now: Instant,
}

impl Pair {
    fn new(capacity: usize) -> Self {
        Self {
            table: Keyed::new(NonZeroUsize::new(capacity).unwrap(), IDLE),
            capacity,
            known: BTreeMap::new(),
            overflow: None,
            made: Cell::new(0),
            now: time::now(),
        }
    }

    fn make(&self) -> Item {
        self.made.set(self.made.get() + 1);
        Item { id: self.made.get(), worth: Rc::new(Cell::new(Worth::Nothing)) }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.now += time,
            Step::Set(key, worth) => {
                if let Some((item, _)) = self.known.get(&key) {
                    item.worth.set(worth);
                }
            }
            Step::Get(key) => self.get(key),
        }
    }

    fn get(&mut self, key: u8) {
        let made = self.made.get();
        let item = self.table.get_or_insert_with(key, self.now, || self.make());
        let held: BTreeMap<u8, u32> =
            self.table.entries().into_iter().map(|(k, item)| (k, item.id)).collect();
        assert!(held.len() <= self.capacity);
        assert_eq!(held.len(), self.table.len());

        if let Some((known, used)) = self.known.get_mut(&key) {
            assert_eq!(item.id, known.id, "a key keeps its entry");
            *used = self.now;
            assert!(self.ids().eq(held), "and a look at it moves nobody out");
            return;
        }
        if !held.contains_key(&key) {
            assert!(self.ids().eq(held), "without room nothing changes");
            self.assert_no_room();
            assert_eq!(
                item.id,
                *self.overflow.get_or_insert(made + 1),
                "one entry for all that find no room"
            );
            assert_eq!(self.table.overflow().map(|item| item.id), self.overflow);
            return;
        }
        assert_eq!((item.id, held[&key]), (made + 1, made + 1), "a new key gets a new entry");
        let gone: Vec<u8> = self.known.keys().copied().filter(|key| !held.contains_key(key)).collect();
        self.assert_may_go(&gone);
        gone.iter().for_each(|key| drop(self.known.remove(key)));
        self.known.insert(key, (item, self.now));
        assert!(self.ids().eq(held), "and all others stay as they are");
    }

    fn ids(&self) -> impl Iterator<Item = (u8, u32)> {
        self.known.iter().map(|(&key, (item, _))| (key, item.id))
    }

    /// Whether it may go because nobody has used it.
    fn is_idle(&self, key: u8) -> bool {
        let (worth, used) = self.rank(key);
        self.now - used >= IDLE && worth < Worth::InForce
    }

    /// Less is given up first.
    fn rank(&self, key: u8) -> (Worth, Instant) {
        let (item, used) = &self.known[&key];
        (item.worth.get(), *used)
    }

    fn assert_may_go(&self, gone: &[u8]) {
        if gone.iter().all(|&key| self.is_idle(key)) {
            let must_go = self.known.len() == self.capacity;
            assert!(!must_go || !gone.is_empty());
            return;
        }
        let &[victim] = gone else { panic!("{gone:?} are not all idle") };
        assert_eq!(self.known.len(), self.capacity, "there was room");
        assert!(self.rank(victim).0 < Worth::Protection, "{victim} must be kept");
        // A table that is not small looks at some of its entries only.
        if self.capacity <= 16 {
            let idle = self.known.keys().any(|&key| self.is_idle(key));
            assert!(!idle || self.rank(victim).0 == Worth::Nothing, "an idle one goes before {victim}");
            let first = self.known.keys().map(|&key| self.rank(key)).min();
            // Of those that are as good as new, any may go.
            let is_new = self.rank(victim).0 == Worth::Nothing;
            assert!(is_new || Some(self.rank(victim)) == first, "another goes before {victim}");
        }
    }

    fn assert_no_room(&self) {
        assert_eq!(self.known.len(), self.capacity);
        if self.capacity <= 16 {
            let may_go = |&key: &u8| self.is_idle(key) || self.rank(key).0 < Worth::Protection;
            assert!(!self.known.keys().any(may_go), "somebody could have gone");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trap_25_a_small_table_gives_up_exactly_what_it_should(
        capacity in 1_usize..17,
        steps in prop::collection::vec(step(24), 1..300),
    ) {
        let mut pair = Pair::new(capacity);
        steps.into_iter().for_each(|step| pair.step(step));
    }

    #[test]
    fn trap_25_a_larger_table_never_gives_up_what_must_be_kept(
        capacity in 17_usize..100,
        steps in prop::collection::vec(step(200), 1..1000),
    ) {
        let mut pair = Pair::new(capacity);
        steps.into_iter().for_each(|step| pair.step(step));
    }
}

#[test]
fn a_flood_of_keys_closes_no_open_breaker() {
    let mut rng = SmallRng::seed_from_u64(seed("KEYED_SEED"));
    let start = time::now();
    let hour = Duration::from_secs(3600);
    let table = Keyed::new(NonZeroUsize::new(500).unwrap(), hour);
    let config = Config::new().consecutive_failures(2).open_for(hour, hour);
    let make = || CircuitBreaker::new(config.clone(), start);
    let fail = |breaker: &CircuitBreaker| {
        let (admitted, _) = breaker.try_acquire(|| start);
        admitted.unwrap().finish(Verdict::Failure(FailureKind::Transient), None, || start)
    };

    let forced = table.get_or_insert_with(u64::MAX, start, make);
    forced.force_open(start);
    let open: Vec<(u64, CircuitBreaker)> = (0..5)
        .map(|key| {
            let breaker = table.get_or_insert_with(key, start, make);
            assert!(fail(&breaker).is_none());
            assert!(fail(&breaker).is_some(), "it has opened");
            (key, breaker)
        })
        .collect();
    for n in 0..100_000 {
        let now = start + SECOND + Duration::from_micros(n);
        let breaker = table.get_or_insert_with(rng.random_range(5..u64::MAX), now, make);
        if rng.random_bool(0.1) {
            // With some history, so that not all newcomers are worth nothing.
            let _ = fail(&breaker);
        }
        if n % 1000 == 0 {
            assert!(table.len() <= 500);
        }
    }
    assert!((400..=500).contains(&table.len()), "{}", table.len());
    let now = start + 2 * SECOND;
    for (key, breaker) in open {
        assert!(breaker.is_same(&table.get(&key, now).unwrap()));
        assert_eq!(breaker.snapshot(now).state, State::Open);
    }

    // All of them idle: only what an operator has decided stays.
    let later = now + 2 * hour;
    for key in 0..10_000 {
        let _ = table.get_or_insert_with(u64::MAX / 2 + key, later, make);
    }
    assert!(forced.is_same(&table.get(&u64::MAX, later).unwrap()));
    assert!((0..5).all(|key| table.get(&key, later).is_none()));
    assert!(table.overflow().is_none(), "and everybody found room");
}

#[test]
fn trap_25_a_flood_of_keys_refills_no_spent_budget() {
    use FailureKind::{Throttled, Timeout, Transient};
    let start = time::now();
    let hour = Duration::from_secs(3600);
    let retry = |budget: &RetryBudget, kind, now| {
        let mut tab = budget.open(|| now);
        budget.withdraw(&mut tab, kind, || now)
    };
    // What is left after retries of one kind may still pay for another.
    let makes: [(fn() -> RetryBudget, FailureKind); 4] = [
        (RetryBudget::new, Transient),
        (RetryBudget::quota, Transient),
        (RetryBudget::quota, Throttled),
        (|| RetryBudget::success_paid().capacity(304).into(), Timeout),
    ];
    for (make, kind) in makes {
        let table = Keyed::new(NonZeroUsize::new(500).unwrap(), hour);
        let spent: Vec<(u64, RetryBudget)> = (0..5)
            .map(|key| {
                let budget = table.get_or_insert_with(key, start, make);
                while retry(&budget, kind, start) {}
                (key, budget)
            })
            .collect();
        for n in 0..20_000 {
            let now = start + SECOND + Duration::from_micros(n);
            let budget = table.get_or_insert_with(5 + n, now, make);
            if n % 10 == 0 {
                assert!(retry(&budget, kind, now), "not all newcomers are as good as new");
            }
            assert!(n % 1000 > 0 || table.len() <= 500);
        }
        let now = start + 2 * SECOND;
        for (key, budget) in spent {
            assert!(budget.is_same(&table.get(&key, now).unwrap()));
            assert!(!retry(&budget, kind, now));
        }
    }
}
