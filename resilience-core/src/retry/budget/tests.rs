//! Every kind against the arithmetic that its source publishes, and the traps that a budget must not fall into.

#![cfg(not(loom))]

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use super::{Config, InFlight, RetryBudget, SuccessPaid, Tab, Throttle};
use crate::{
    FailureKind::{self, Fault, PeerOverloaded, Permanent, Throttled, Timeout, Transient},
    keyed::{Entry, Worth},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);
const KINDS: [FailureKind; 6] = [Transient, Fault, Throttled, PeerOverloaded, Timeout, Permanent];

/// A budget and its clock.
struct Lab {
    budget: RetryBudget,
    now: Instant,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(budget: impl Into<RetryBudget>) -> Self {
        Self { budget: budget.into(), now: Instant::now() }
    }

    fn open(&self) -> Tab {
        self.budget.open(|| self.now)
    }

    fn retry(&self, tab: &mut Tab, kind: FailureKind) -> bool {
        self.budget.withdraw(tab, kind, || self.now)
    }

    /// Whether an operation of its own would get a retry.
    fn retries(&self, kind: FailureKind) -> bool {
        let mut tab = self.open();
        self.retry(&mut tab, kind)
    }

    /// How many retries there are without any request; of many.
    fn grants(&self, kind: FailureKind) -> usize {
        let mut tab = self.budget.open(|| self.now);
        (0..10_000).take_while(|_| self.retry(&mut tab, kind)).count()
    }

    fn succeed(&self, times: usize) {
        for _ in 0..times {
            let mut tab = self.open();
            self.budget.deposit(&mut tab);
            self.budget.close(&mut tab);
        }
    }

    fn fail(&self, times: usize) {
        for _ in 0..times {
            self.budget.fail(Transient);
        }
    }

    fn request(&self, times: usize) {
        for _ in 0..times {
            let _tab = self.open();
        }
    }

    fn tokens(&self) -> f64 {
        self.budget.tokens(self.now)
    }

    fn worth(&self) -> Worth {
        self.budget.worth(self.now)
    }
}

/// Of a kind that asks for no time.
fn never() -> Instant {
    panic!("asked for the time")
}

#[test]
fn a_tab_is_small_and_a_clone_is_the_same_budget() {
    assert!(size_of::<Tab>() <= 8);
    let lab = Lab::new(RetryBudget::default());
    let clone = lab.budget.clone();
    assert!(lab.retries(Transient));
    assert_eq!(clone.tokens(lab.now), 297.0);
    assert!(clone.is_same(&lab.budget) && !clone.is_same(&RetryBudget::new()));
    assert_eq!(format!("{clone:?}"), r#"RetryBudget { kind: "success_paid", tokens: 297.0, .. }"#);
}

#[test]
fn only_a_ratio_asks_for_the_time() {
    for budget in [
        RetryBudget::new(),
        RetryBudget::quota(),
        RetryBudget::throttle(10, 0.1),
        RetryBudget::in_flight(20, 3),
    ] {
        let mut tab = budget.open(never);
        assert!(budget.withdraw(&mut tab, Transient, never), "{budget:?}");
        budget.close(&mut tab);
    }
}

#[test]
fn only_operations_in_flight_need_to_be_closed() {
    for (budget, open) in [
        (RetryBudget::new(), false),
        (RetryBudget::quota(), false),
        (RetryBudget::throttle(10, 0.1), false),
        (RetryBudget::ratio(0.1).into(), false),
        (RetryBudget::in_flight(20, 3), true),
    ] {
        let lab = Lab::new(budget);
        let mut tab = lab.open();
        let _ = lab.retry(&mut tab, Transient);
        assert_eq!(tab.is_open(), open, "{:?}", lab.budget);
        lab.budget.close(&mut tab);
        assert!(!tab.is_open());
    }
}

// Success-paid.

#[test]
fn a_success_paid_budget_costs_by_kind() {
    for (kind, grants) in KINDS.into_iter().zip([100, 100, 100, 100, 30, 100]) {
        let lab = Lab::new(RetryBudget::new());
        assert_eq!(lab.grants(kind), grants, "{kind:?}");
    }
    for priced in KINDS {
        let lab = Lab::new(RetryBudget::success_paid().capacity(14).cost(priced, 7));
        assert_eq!(lab.grants(priced), 2, "{priced:?}");
    }
}

#[test]
fn successes_fill_it_up_to_its_capacity_and_nothing_else_does() {
    let lab = Lab::new(RetryBudget::success_paid().capacity(30));
    assert_eq!((lab.tokens(), lab.budget.max_tokens()), (30.0, 30.0));
    lab.succeed(5);
    assert_eq!(lab.tokens(), 30.0);
    assert_eq!(lab.grants(Timeout), 3);
    lab.request(100);
    lab.fail(100);
    assert_eq!(lab.tokens(), 0.0);
    lab.succeed(29);
    assert_eq!(lab.tokens(), 29.0);
    lab.succeed(29);
    assert_eq!(lab.tokens(), 30.0);
}

#[test]
fn what_costs_more_than_the_capacity_is_never_granted() {
    let lab = Lab::new(RetryBudget::success_paid().capacity(9));
    assert!(!lab.retries(Timeout) && lab.retries(Transient));
}

#[test]
fn trap_11_a_success_does_not_pay_for_a_whole_retry() {
    let empty = |budget: RetryBudget| {
        let lab = Lab::new(budget);
        lab.fail(2000);
        let _ = (lab.grants(Timeout), lab.grants(Throttled));
        lab
    };
    for kind in KINDS {
        for budget in [RetryBudget::new(), RetryBudget::quota(), RetryBudget::throttle(10, 0.1)] {
            let lab = empty(budget);
            lab.succeed(1);
            assert!(!lab.retries(kind), "{kind:?} of {:?}", lab.budget);
        }
    }
    let lab = empty(RetryBudget::new());
    lab.succeed(2);
    assert!(!lab.retries(Transient));
    lab.succeed(1);
    assert!(lab.retries(Transient) && !lab.retries(Transient));
    lab.succeed(9);
    assert!(!lab.retries(Timeout));
    lab.succeed(1);
    assert!(lab.retries(Timeout));
}

// AWS: capacity 500, 14 for a retry, 5 after a throttle, 1 for a first-try success.

#[test]
fn a_quota_grants_35_retries_or_100_after_throttles() {
    for (kind, grants, left) in [
        (Transient, 35, 10.0),
        (PeerOverloaded, 35, 10.0),
        (Timeout, 35, 10.0),
        (Throttled, 100, 0.0),
        (Fault, 35, 10.0),
        (Permanent, 35, 10.0),
    ] {
        let lab = Lab::new(RetryBudget::quota());
        assert_eq!(lab.budget.max_tokens(), 500.0);
        assert_eq!(lab.grants(kind), grants, "{kind:?}");
        assert_eq!(lab.tokens(), left, "{kind:?}");
    }
}

#[test]
fn a_quota_gives_back_what_the_last_retry_cost() {
    let lab = Lab::new(RetryBudget::quota());
    let mut tab = lab.open();
    assert!(lab.retry(&mut tab, Transient));
    assert!(lab.retry(&mut tab, Transient));
    assert!(lab.retry(&mut tab, Throttled));
    assert_eq!(lab.tokens(), 500.0 - 14.0 - 14.0 - 5.0);
    lab.budget.deposit(&mut tab);
    assert_eq!(lab.tokens(), 500.0 - 14.0 - 14.0);
    lab.succeed(3);
    assert_eq!(lab.tokens(), 500.0 - 14.0 - 14.0 + 3.0, "and 1 for a success at once");
}

#[test]
fn a_quota_never_gives_back_above_its_capacity() {
    let lab = Lab::new(RetryBudget::quota());
    let mut tab = lab.open();
    assert!(lab.retry(&mut tab, Transient));
    lab.succeed(10);
    lab.budget.deposit(&mut tab);
    assert_eq!(lab.tokens(), 500.0);
}

#[test]
fn a_retry_that_was_refused_is_not_given_back() {
    let lab = Lab::new(RetryBudget::quota());
    assert_eq!(lab.grants(Transient), 35);
    let mut tab = lab.open();
    assert!(!lab.retry(&mut tab, Transient));
    lab.budget.deposit(&mut tab);
    assert_eq!(lab.tokens(), 11.0);
}

// gRFC A6: 10 tokens, 0.1 for a success, retries above 5.

#[test]
fn a_throttle_stops_at_half_counted_after_the_failure() {
    let lab = Lab::new(RetryBudget::throttle(10, 0.1));
    for (failure, left, retried) in
        [(1, 9.0, true), (2, 8.0, true), (3, 7.0, true), (4, 6.0, true), (5, 5.0, false), (6, 4.0, false)]
    {
        let mut tab = lab.open();
        lab.budget.fail(Transient);
        assert_eq!(lab.retry(&mut tab, Transient), retried, "after failure {failure}");
        assert_eq!(lab.tokens(), left, "after failure {failure}");
    }
    lab.succeed(10);
    assert_eq!(lab.tokens(), 5.0);
    assert!(!lab.retries(Transient), "not at the threshold");
    lab.succeed(1);
    assert_eq!(lab.tokens(), 5.1);
    assert!(lab.retries(Transient), "but above it");
}

#[test]
fn a_throttle_stays_between_zero_and_its_maximum() {
    let lab = Lab::new(RetryBudget::throttle(10, 0.007));
    lab.succeed(5);
    assert_eq!(lab.tokens(), 10.0);
    lab.fail(15);
    assert_eq!(lab.tokens(), 0.0);
    lab.succeed(3);
    assert_eq!(lab.tokens(), 0.021);
}

// Finagle: `RetryBudgetTest`, frozen time, 10 000 requests.

#[test]
fn a_ratio_meets_what_finagle_tests() {
    let check = |ttl: u32, min_per_second: u32, ratio: f64| {
        let lab = Lab::new(RetryBudget::ratio(ratio).ttl(ttl * SECOND).reserve_per_second(min_per_second));
        let reserve = f64::from(min_per_second * ttl);
        assert_eq!(lab.tokens(), reserve);
        let mut retried = 0;
        for _ in 0..10_000 {
            let mut tab = lab.open();
            if lab.retry(&mut tab, Transient) {
                retried += 1;
            } else {
                assert!(lab.tokens() < 1.0);
            }
        }
        assert_eq!(f64::from(retried), (10_000.0 * ratio).round() + reserve, "ratio {ratio}");
    };
    for ratio in [0.1, 0.5, 0.25, 0.75, 0.99, 0.999, 0.01, 0.001] {
        check(60, 0, ratio);
    }
    check(1, 10, 0.0);
    check(2, 5, 0.0);
    check(1, 10, 0.1);
    check(2, 5, 0.5);
}

#[test]
fn a_ratio_of_nothing_is_empty() {
    let lab = Lab::new(RetryBudget::ratio(0.0).reserve_per_second(0));
    lab.request(1000);
    assert_eq!((lab.tokens(), lab.budget.max_tokens()), (0.0, 0.0));
    assert!(!lab.retries(Transient));
}

#[test]
fn trap_14_every_ratio_is_kept_to_the_thousandth() {
    for (ratio, grants) in
        [(0.1, 2000), (0.333, 6660), (0.6, 12_000), (0.75, 15_000), (0.99, 19_800), (1.0, 20_000)]
    {
        let lab = Lab::new(RetryBudget::ratio(ratio).reserve_per_second(0));
        let granted = (0..20_000).filter(|_| lab.retries(Transient)).count();
        assert_eq!(granted, grants, "ratio {ratio}");
    }
    for thousandths in 0..=1000_u32 {
        let lab = Lab::new(RetryBudget::ratio(f64::from(thousandths) / 1000.0).reserve_per_second(0));
        let granted = (0..1000).filter(|_| lab.retries(Transient)).count();
        assert_eq!(granted, thousandths as usize);
    }
}

#[test]
fn ratios_pay_after_the_requests_that_they_say() {
    // 0.333: the fourth request is the first to make a whole retry.
    let lab = Lab::new(RetryBudget::ratio(0.333).reserve_per_second(0));
    let grants: Vec<bool> = (0..7).map(|_| lab.retries(Transient)).collect();
    assert_eq!(grants, [false, false, false, true, false, false, true]);
}

#[test]
fn a_request_pays_for_at_least_half_its_ttl_and_at_most_all_of_it() {
    let at = |requested: Duration, asked: Duration| {
        let mut lab = Lab::new(RetryBudget::ratio(1.0).reserve_per_second(0));
        let start = lab.now;
        let _ = lab.tokens();
        let _ = lab.budget.withdraw(&mut Tab::new(false), Transient, || start);
        lab.now = start + requested;
        lab.request(1);
        lab.now = start + asked;
        lab.tokens()
    };
    // Of the first moment of a slice, and of the last.
    assert_eq!(at(5 * SECOND, 15 * SECOND - TICK), 1.0);
    assert_eq!(at(5 * SECOND, 15 * SECOND), 0.0);
    assert_eq!(at(10 * SECOND - TICK, 15 * SECOND - TICK), 1.0);
    assert_eq!(at(10 * SECOND - TICK, 15 * SECOND), 0.0);
    assert_eq!(at(5 * SECOND, 1000 * SECOND), 0.0);
}

#[test]
fn the_reserve_comes_back_as_retries_are_forgotten() {
    let mut lab = Lab::new(RetryBudget::ratio(0.0));
    assert_eq!(lab.grants(Transient), 100);
    lab.now += 10 * SECOND - TICK;
    assert_eq!(lab.grants(Transient), 0);
    lab.now += TICK;
    assert_eq!(lab.grants(Transient), 100);
}

#[test]
fn a_clock_that_goes_back_moves_no_slice() {
    let mut lab = Lab::new(RetryBudget::ratio(1.0).reserve_per_second(0));
    lab.request(3);
    let start = lab.now;
    lab.now = start + 6 * SECOND;
    lab.request(2);
    lab.now = start - SECOND;
    assert_eq!(lab.tokens(), 5.0);
    lab.request(1);
    lab.now = start + 10 * SECOND;
    assert_eq!(lab.tokens(), 3.0, "the late request counts in the slice that the others have reached");
}

#[test]
fn a_flood_of_requests_is_counted_up_to_the_maximum() {
    let mut lab = Lab::new(RetryBudget::ratio(0.333).reserve_per_second(0));
    lab.request(30_000);
    assert_eq!(lab.tokens(), 8388.607);
    lab.now += 5 * SECOND;
    lab.request(30_000);
    assert_eq!(lab.tokens(), lab.budget.max_tokens());
    assert_eq!(lab.grants(Transient), 10_000, "of 16 777");
}

// Envoy: 20 % of the active requests, or 3.

#[test]
fn retries_in_flight_are_a_share_of_operations_or_the_minimum() {
    for (active, limit) in [(2, 2), (10, 3), (19, 3), (20, 4), (100, 20)] {
        let lab = Lab::new(RetryBudget::in_flight(20, 3));
        let mut tabs: Vec<Tab> = (0..active).map(|_| lab.open()).collect();
        let granted = tabs.iter_mut().filter_map(|tab| lab.retry(tab, Transient).then_some(())).count();
        assert_eq!(granted, limit, "{active} active");
        assert_eq!(lab.budget.max_tokens(), limit.max(3) as f64);
        for tab in &mut tabs {
            lab.budget.close(tab);
        }
        assert_eq!(lab.tokens(), 3.0);
        assert_eq!(lab.worth(), Worth::Nothing, "nothing is counted any more");
    }
}

#[test]
fn a_retry_that_fails_makes_room_for_the_next_one_of_its_operation() {
    let lab = Lab::new(RetryBudget::in_flight(20, 1));
    let [mut one, mut other] = [lab.open(), lab.open()];
    assert!(lab.retry(&mut one, Transient));
    assert!(!lab.retry(&mut other, Transient));
    assert!(lab.retry(&mut one, Transient), "its own place");
    lab.budget.close(&mut one);
    assert!(lab.retry(&mut other, Transient));
    lab.budget.close(&mut other);
    assert_eq!(lab.worth(), Worth::Nothing);
}

#[test]
fn closing_twice_or_after_a_success_counts_once() {
    let lab = Lab::new(RetryBudget::in_flight(50, 0));
    let mut tabs: Vec<Tab> = (0..4).map(|_| lab.open()).collect();
    assert!(lab.retry(&mut tabs[0], Transient));
    assert_eq!(lab.tokens(), 1.0);
    lab.budget.deposit(&mut tabs[0]);
    lab.budget.close(&mut tabs[0]);
    lab.budget.close(&mut tabs[0]);
    assert_eq!((lab.tokens(), lab.budget.max_tokens()), (1.0, 1.0), "three are active, none retries");
    assert!(!lab.retry(&mut tabs[0], Transient), "it is closed");
    assert_eq!(lab.tokens(), 1.0);
}

// What would be lost.

#[test]
fn a_budget_of_tokens_is_worth_what_it_has_seen() {
    let lab = Lab::new(RetryBudget::success_paid().capacity(20));
    assert_eq!(lab.worth(), Worth::Nothing);
    assert!(lab.retries(Timeout));
    assert_eq!(lab.worth(), Worth::History);
    assert!(lab.retries(Transient));
    assert_eq!(lab.worth(), Worth::Protection, "7 tokens are not enough after a timeout");
    lab.succeed(13);
    assert_eq!(lab.worth(), Worth::Nothing);
    let lab = Lab::new(RetryBudget::throttle(4, 0.1));
    lab.fail(1);
    assert_eq!(lab.worth(), Worth::History);
    lab.fail(1);
    assert_eq!(lab.worth(), Worth::Protection);
}

#[test]
fn a_budget_that_never_pays_protects_nothing() {
    let lab = Lab::new(
        KINDS
            .into_iter()
            .fold(RetryBudget::success_paid().capacity(4), |settings, kind| settings.cost(kind, 5)),
    );
    assert_eq!((lab.retries(Transient), lab.worth()), (false, Worth::Nothing));
    let mut lab = Lab::new(RetryBudget::ratio(1.0).reserve_per_second(0));
    lab.request(1);
    lab.now += 5 * SECOND;
    let _ = lab.budget.withdraw(&mut Tab::new(false), Transient, || lab.now);
    assert_eq!((lab.tokens(), lab.worth()), (0.0, Worth::History));
}

#[test]
fn a_ratio_is_worth_something_until_it_has_forgotten() {
    let mut lab = Lab::new(RetryBudget::ratio(0.5).ttl(SECOND).reserve_per_second(1));
    assert_eq!(lab.worth(), Worth::Nothing);
    lab.request(1);
    assert_eq!(lab.worth(), Worth::History);
    assert_eq!(lab.grants(Transient), 1 + 1, "the reserve, and two requests with the one that asks");
    assert_eq!(lab.worth(), Worth::Protection);
    lab.now += SECOND / 2;
    assert_eq!(lab.worth(), Worth::Protection, "the slice before counts as well");
    lab.now += SECOND / 2;
    assert_eq!(lab.worth(), Worth::Nothing);
    lab.request(1);
    lab.now += SECOND / 2;
    assert_eq!(lab.worth(), Worth::History);
}

#[test]
fn retries_in_flight_protect_where_they_leave_no_room() {
    let lab = Lab::new(RetryBudget::in_flight(20, 1));
    let mut tab = lab.open();
    assert_eq!(lab.worth(), Worth::History);
    assert!(lab.retry(&mut tab, Transient));
    assert_eq!(lab.worth(), Worth::Protection);
    lab.budget.close(&mut tab);
    assert_eq!(lab.worth(), Worth::Nothing);
    let lab = Lab::new(RetryBudget::in_flight(20, 0));
    let _tab = lab.open();
    assert_eq!(lab.worth(), Worth::History, "a new one would refuse as well");
}

// Threads.

/// How many of `threads` times `each` attempts get a retry, all at once.
fn race(budget: &RetryBudget, threads: usize, each: usize, now: Instant) -> usize {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let ask = || {
            start.wait();
            let mut tab = Tab::new(false);
            (0..each).filter(|_| budget.withdraw(&mut tab, Transient, || now)).count()
        };
        let asking: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn trap_14_threads_never_overdraw() {
    let ratio = RetryBudget::ratio(0.333).reserve_per_second(100).ttl(60 * SECOND);
    // Threads do not always meet where it matters, so more than once.
    for _ in 0..10 {
        for (budget, grants) in [
            (RetryBudget::success_paid().capacity(1_000_000).cost(Transient, 25).into(), 40_000),
            (RetryBudget::quota(), 35),
            (ratio.clone().into(), 6000),
        ] {
            let lab = Lab::new(budget);
            assert_eq!(race(&lab.budget, 8, 10_000, lab.now), grants, "{:?}", lab.budget);
            assert!(lab.tokens() < 14.0);
        }
    }
}

#[test]
fn trap_14_threads_lose_no_deposit() {
    const DEPOSITS: usize = 40_000;
    let lab = Lab::new(RetryBudget::success_paid().capacity(600_000).cost(Timeout, 600_000));
    assert!(lab.retries(Timeout), "all at once");
    let granted = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| lab.succeed(DEPOSITS / 2));
        }
        race(&lab.budget, 8, 10_000, lab.now)
    });
    assert_eq!(granted as f64 * 3.0 + lab.tokens(), DEPOSITS as f64);

    let lab = Lab::new(RetryBudget::ratio(0.5).reserve_per_second(0));
    let granted = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| lab.request(DEPOSITS / 2));
        }
        race(&lab.budget, 8, 10_000, lab.now)
    });
    assert_eq!(granted as f64 + lab.tokens(), DEPOSITS as f64 / 2.0);
}

#[test]
fn trap_14_threads_never_exceed_the_retries_in_flight() {
    let lab = Lab::new(RetryBudget::in_flight(1, 3));
    let in_flight = std::sync::atomic::AtomicUsize::new(0);
    let operation = || {
        let mut tab = lab.open();
        if lab.retry(&mut tab, Transient) {
            use std::sync::atomic::Ordering::SeqCst;
            assert!(in_flight.fetch_add(1, SeqCst) < 3);
            thread::yield_now();
            in_flight.fetch_sub(1, SeqCst);
        }
        lab.budget.close(&mut tab);
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5000).for_each(|_| operation()));
        }
    });
    assert_eq!(lab.worth(), Worth::Nothing, "all counts are back");
}

// Settings.

#[test]
fn settings_out_of_range_are_refused_and_named() {
    type Make = fn() -> RetryBudget;
    let refused: [(Make, &str); 17] = [
        (|| RetryBudget::success_paid().capacity(0).into(), "capacity is 0, it must be from 1 to 1000000"),
        (|| RetryBudget::success_paid().capacity(1_000_001).into(), "capacity is 1000001, it must be"),
        (|| SuccessPaid::new().cost(Timeout, 0).into(), "cost of timeout is 0, it must be from 1 to 1000000"),
        (|| SuccessPaid::new().cost(Fault, 1_000_001).into(), "cost of fault is 1000001, it must be"),
        (|| RetryBudget::ratio(-0.001).into(), "ratio is -0.001, it must be from 0 to 1 with at most"),
        (|| RetryBudget::ratio(1.001).into(), "ratio is 1.001, it must be from 0 to 1"),
        (|| RetryBudget::ratio(0.3333).into(), "ratio is 0.3333, it must be from 0 to 1 with at most three"),
        (|| RetryBudget::ratio(f64::NAN).into(), "ratio is NaN"),
        (
            || RetryBudget::ratio(0.1).reserve_per_second(101).into(),
            "reserve_per_second is 101, it must be from 0 to 100",
        ),
        (|| RetryBudget::ratio(0.1).ttl(999 * MS).into(), "ttl is 999ms, it must be from 1s to 60s"),
        (|| RetryBudget::ratio(0.1).ttl(60_001 * MS).into(), "ttl is 60.001s, it must be from 1s to 60s"),
        (|| RetryBudget::throttle(0, 0.1), "max is 0, it must be from 1 to 1000"),
        (|| RetryBudget::throttle(1001, 0.1), "max is 1001, it must be from 1 to 1000"),
        (|| RetryBudget::throttle(10, 0.0), "ratio is 0.0, it must be from 0.001 to 1000 with at most three"),
        (|| RetryBudget::throttle(10, 0.0005), "ratio is 0.0005, it must be from 0.001 to 1000"),
        (|| RetryBudget::in_flight(0, 3), "percent is 0, it must be from 1 to 100"),
        (|| RetryBudget::in_flight(101, 3), "percent is 101, it must be from 1 to 100"),
    ];
    for (make, text) in refused {
        let panic = std::panic::catch_unwind(make).unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert!(said.starts_with(text), "{said:?} for {text:?}");
    }
}

#[test]
fn a_config_makes_the_budget_that_it_names() {
    let same: [(Config, RetryBudget); 5] = [
        (Config::default(), RetryBudget::new()),
        (RetryBudget::ratio(0.5).into(), RetryBudget::ratio(0.5).into()),
        (Config::Quota, RetryBudget::quota()),
        (Throttle::new(7, 0.1).into(), RetryBudget::throttle(7, 0.1)),
        (InFlight::new(20, 4).into(), RetryBudget::in_flight(20, 4)),
    ];
    for (config, budget) in same {
        let made = RetryBudget::from(config);
        assert_eq!(format!("{:?}", made.shared), format!("{:?}", budget.shared));
    }
}

#[test]
fn settings_at_the_ends_of_their_ranges_are_taken() {
    for budget in [
        RetryBudget::success_paid().capacity(1).cost(Timeout, 1).into(),
        RetryBudget::success_paid().capacity(1_000_000).cost(Timeout, 1_000_000).into(),
        RetryBudget::ratio(1.0).reserve_per_second(100).ttl(60 * SECOND).into(),
        RetryBudget::throttle(1, 1000.0),
        RetryBudget::throttle(1000, 0.001),
        RetryBudget::in_flight(1, u32::MAX),
        RetryBudget::in_flight(100, 1),
    ] {
        let lab = Lab::new(budget);
        assert!(lab.retries(Timeout), "{:?}", lab.budget);
    }
}
