use std::{cell::Cell, rc::Rc};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// An entry that says itself what it is worth.
#[derive(Clone, Debug)]
struct Policy(Rc<Cell<Worth>>, u32);

impl Entry for Policy {
    fn worth(&self, _: Instant) -> Worth {
        self.0.get()
    }
}

/// A table of four with entries that are forgotten after a minute.
struct Lab {
    table: Keyed<u32, Policy>,
    now: Instant,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new() -> Self {
        let capacity = NonZeroUsize::new(4).expect("not zero");
        Self { table: Keyed::new(capacity, 60 * SECOND), now: Instant::now() }
    }

    fn put(&mut self, key: u32, worth: Worth) -> Policy {
        self.now += SECOND;
        self.table.get_or_insert_with(key, self.now, || Policy(Rc::new(Cell::new(worth)), key))
    }

    fn keys(&self) -> Vec<u32> {
        let mut keys: Vec<u32> = self.table.entries().into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys
    }
}

#[test]
fn one_key_one_entry() {
    let mut lab = Lab::new();
    lab.put(1, Worth::History).0.set(Worth::Protection);
    assert_eq!(lab.put(1, Worth::History).0.get(), Worth::Protection);
    assert_eq!(lab.table.get(&1, lab.now).map(|policy| policy.1), Some(1));
    assert!(lab.table.get(&2, lab.now).is_none());
}

#[test]
fn the_one_worth_least_goes_and_among_equals_the_longest_unused() {
    let mut lab = Lab::new();
    for (key, worth) in
        [(1, Worth::History), (2, Worth::Nothing), (3, Worth::Protection), (4, Worth::History)]
    {
        lab.put(key, worth);
    }
    lab.put(5, Worth::History);
    assert_eq!(lab.keys(), [1, 3, 4, 5], "2 was as good as new");
    lab.put(1, Worth::History);
    lab.put(6, Worth::History);
    assert_eq!(lab.keys(), [1, 3, 5, 6], "4 was the longest unused");
}

#[test]
fn protection_does_not_give_way_and_new_keys_share_one_entry() {
    let mut lab = Lab::new();
    for key in 1..=2 {
        lab.put(key, Worth::Protection);
        lab.put(key + 2, Worth::InForce);
    }
    assert_eq!([lab.put(5, Worth::Nothing).1, lab.put(6, Worth::Nothing).1], [5, 5], "they share");
    assert_eq!(lab.keys(), [1, 2, 3, 4]);
    assert_eq!(lab.table.overflow().map(|policy| policy.1), Some(5));
}

#[test]
fn a_clone_is_the_same_table() {
    let mut lab = Lab::new();
    let clone = lab.table.clone();
    for key in 1..=5 {
        lab.put(key, Worth::InForce);
    }
    assert_eq!((clone.len(), clone.overflow().map(|policy| policy.1)), (4, Some(5)));
    assert_eq!(clone.get(&3, lab.now).map(|policy| policy.1), Some(3));
}

#[test]
fn what_is_idle_goes_but_not_what_is_in_force() {
    let mut lab = Lab::new();
    lab.put(1, Worth::InForce);
    lab.put(2, Worth::Protection);
    lab.now += 58 * SECOND;
    lab.put(3, Worth::History);
    assert_eq!(lab.keys(), [1, 2, 3], "2 was used 59 seconds ago");
    for key in 4..=6 {
        lab.put(key, Worth::History);
    }
    assert!(lab.keys().contains(&1) && !lab.keys().contains(&2), "{:?}", lab.keys());
    assert!(lab.table.len() <= 4);
}

#[test]
fn a_snapshot_tells_how_many_there_are_and_why_others_went() {
    let mut lab = Lab::new();
    assert_eq!(lab.table.snapshot(), Snapshot::default());
    for key in 1..=4 {
        lab.put(key, Worth::Nothing);
    }
    let [five, six] = [5, 6].map(|key| lab.put(key, Worth::Protection).1);
    let snapshot = lab.table.snapshot();
    assert_eq!((snapshot.entries, snapshot.breakers, five, six), (4, None, 5, 6));
    assert_eq!(snapshot.evictions, Evictions { idle: 0, capacity: 2 });
    lab.now += 60 * SECOND;
    lab.put(7, Worth::History);
    let snapshot = lab.table.snapshot();
    assert_eq!((snapshot.entries, snapshot.evictions), (1, Evictions { idle: 4, capacity: 2 }));
    assert_eq!((lab.table.len(), lab.table.evictions()), (snapshot.entries, snapshot.evictions));
}

#[test]
fn every_entry_is_shown_once_and_the_shared_one_too_with_the_table_free() {
    let capacity = NonZeroUsize::new(128).expect("not zero");
    let table = Keyed::new(capacity, 60 * SECOND);
    let now = Lab::new().now;
    let policy = |key| move || Policy(Rc::new(Cell::new(Worth::InForce)), key);
    for key in 0..1000 {
        table.get_or_insert_with(key, now, policy(key));
    }
    let shared = table.overflow().map(|policy| policy.1).expect("it is full");
    let mut expected: Vec<u32> = table.entries().into_iter().map(|(key, _)| key).chain([shared]).collect();
    let mut shown = Vec::new();
    table.for_each(|policy| {
        let _ = table.get(&policy.1, now);
        shown.push(policy.1);
    });
    assert_eq!(shown.last(), Some(&shared));
    expected.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, expected);
}

#[test]
fn a_breaker_is_worth_what_it_protects() {
    use crate::{FailureKind, Verdict, circuit_breaker::Config};

    let lab = Lab::new();
    let breaker = CircuitBreaker::new(Config::new().consecutive_failures(2), lab.now);
    let fail = || {
        let permit = breaker.try_acquire(|| lab.now).0.unwrap();
        permit.finish(Verdict::Failure(FailureKind::Fault), None, || lab.now)
    };
    assert_eq!(breaker.worth(lab.now), Worth::Nothing);
    assert_eq!(fail(), None);
    assert_eq!(breaker.worth(lab.now), Worth::History);
    assert_eq!(breaker.worth(lab.now + 60 * SECOND), Worth::History, "the run of failures has no age");
    assert!(fail().is_some());
    assert_eq!(breaker.worth(lab.now), Worth::InForce);
    assert_eq!(breaker.worth(lab.now + 2 * SECOND), Worth::Protection, "the wait is over");
    breaker.force_open(lab.now);
    assert_eq!(breaker.worth(lab.now + 60 * SECOND), Worth::InForce);
}
