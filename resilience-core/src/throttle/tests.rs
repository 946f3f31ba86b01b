//! The throttle on a clock that the tests advance.

#![cfg(not(loom))]

use std::{
    panic::catch_unwind,
    time::{Duration, Instant},
};

use super::{Config, Permit, Snapshot, Throttle};
use crate::{
    FailureKind::{self, PeerOverloaded, Permanent},
    Rejected, Verdict,
    keyed::{Entry, Worth},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const FAILED: Verdict = Verdict::Failure(PeerOverloaded);

struct Lab {
    throttle: Throttle,
    now: Instant,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(config: Config) -> Self {
        let now = Instant::now();
        Self { throttle: Throttle::with_seed(config, now, 7), now }
    }

    fn snapshot(&self) -> Snapshot {
        self.throttle.snapshot(self.now)
    }

    fn acquire(&self) -> Result<Permit, Rejected> {
        self.throttle.try_acquire(|| self.now)
    }

    /// Reports so many calls, whether they would be admitted or not.
    fn report(&self, calls: u32, verdict: Verdict) {
        for _ in 0..calls {
            // The ticket of a fresh throttle: no test here resets it before it reports.
            let mut ticket = super::Ticket { generation: 0 };
            self.throttle.finish(&mut ticket, verdict, || self.now);
        }
    }

    fn counts(&self) -> (u64, u64) {
        let Snapshot { requests, accepts, .. } = self.snapshot();
        (requests, accepts)
    }
}

/// Large enough for everything that a test reports.
fn roomy() -> Config {
    Config::new().max_requests(1000)
}

#[test]
fn the_formula_is_the_books() {
    for (k, failed, accepted, probability) in [
        (2.0, 10, 10, 0.0),
        (2.0, 11, 10, 1.0 / 22.0),
        (2.0, 30, 10, 20.0 / 41.0),
        (2.0, 10, 0, 10.0 / 11.0),
        (1.5, 10, 20, 0.0),
        (1.5, 11, 20, 1.0 / 32.0),
        (1.001, 1, 1000, 0.0),
        (1.001, 2, 998, 1.002 / 1001.0),
        (100.0, 99, 1, 0.0),
        (100.0, 100, 1, 1.0 / 102.0),
    ] {
        let lab = Lab::new(roomy().multiplier(k).max_requests(10_000));
        lab.report(accepted, Verdict::Success);
        lab.report(failed, FAILED);
        let seen = lab.snapshot().probability;
        assert!((seen - probability).abs() < 1e-12, "K = {k}, {failed} failed, {accepted} accepted: {seen}");
    }
}

#[test]
fn no_refusal_before_the_minimum() {
    let lab = Lab::new(roomy().min_requests(10).probe_one_in(1_000_000));
    lab.report(9, FAILED);
    assert_eq!(lab.snapshot().probability, 0.0);
    for _ in 0..1000 {
        assert!(lab.acquire().is_ok());
    }
    lab.report(1, FAILED);
    assert_eq!(lab.snapshot().probability, 10.0 / 11.0);
    assert!((0..100).any(|_| lab.acquire().is_err()));
}

#[test]
fn a_full_window_always_holds_the_minimum() {
    let lab = Lab::new(Config::new().max_requests(10).min_requests(1000));
    lab.report(8, FAILED);
    assert_eq!(lab.snapshot().probability, 0.0);
    lab.report(1, FAILED);
    assert_eq!(lab.snapshot().probability, 0.9, "9 of 10");
}

#[test]
fn verdicts_and_ends_count_as_they_should() {
    let lab = Lab::new(roomy());
    let (now, end) = (|| lab.now, |verdict| lab.acquire().unwrap().finish(verdict, || lab.now));
    end(Verdict::Success);
    assert_eq!(lab.counts(), (1, 1));
    end(Verdict::Failure(Permanent));
    assert_eq!(lab.counts(), (2, 2), "it was answered");
    end(Verdict::Ignored);
    drop(lab.acquire());
    lab.acquire().unwrap().abandon(false, now);
    assert_eq!(lab.counts(), (2, 2), "nothing is known");
    lab.acquire().unwrap().abandon(true, now);
    assert_eq!(lab.counts(), (3, 2), "it was cut");
    for (n, kind) in FailureKind::ALL.into_iter().filter(|kind| *kind != Permanent).enumerate() {
        end(Verdict::Failure(kind));
        assert_eq!(lab.counts(), (4 + n as u64, 2), "{kind:?}");
    }
}

#[test]
fn a_call_under_way_is_held_against_nobody() {
    let lab = Lab::new(Config::new());
    let burst: Vec<_> = (0..1000).map(|_| lab.acquire().expect("nobody has failed")).collect();
    assert_eq!(lab.counts(), (0, 0));
    for permit in burst {
        permit.finish(Verdict::Success, || lab.now);
    }
    assert_eq!(lab.snapshot().probability, 0.0);
}

#[test]
fn a_refusal_counts_as_a_request_and_says_how_probable_it_was() {
    let lab = Lab::new(roomy());
    lab.report(19, FAILED);
    let mut refusals = 0;
    for _ in 0..50 {
        let before = lab.snapshot();
        if let Err(refused) = lab.acquire() {
            refusals += 1;
            let Rejected::Throttled { per_mille } = refused else { panic!("{refused:?}") };
            assert_eq!(f64::from(per_mille), (before.probability * 1000.0).floor());
            assert_eq!(lab.counts(), (before.requests + 1, 0));
        }
    }
    assert!(refusals > 40, "{refusals}");

    // One in a thousand and a half, which is less than one in a thousand.
    let lab = Lab::new(Config::new().max_requests(10_000).probe_one_in(1_000_000));
    lab.report(750, Verdict::Success);
    lab.report(751, FAILED);
    let refused = (0..100_000).find_map(|_| lab.acquire().err());
    assert_eq!(refused, Some(Rejected::Throttled { per_mille: 1 }));
}

#[test]
fn refusals_are_as_frequent_as_they_are_probable() {
    // A third of a thousand calls is accepted, so a third of the next ones is refused.
    let mut refused = 0;
    for seed in 0..3000 {
        let lab = Lab::new(roomy());
        let throttle = Throttle::with_seed(roomy(), lab.now, seed);
        let lab = Lab { throttle, now: lab.now };
        lab.report(333, Verdict::Success);
        lab.report(666, FAILED);
        refused += u32::from(lab.acquire().is_err());
    }
    // Ten standard deviations are 258.
    assert!((742..1258).contains(&refused), "{refused}");
}

#[test]
fn one_in_so_many_passes_however_high_the_probability_is() {
    let lab = Lab::new(Config::new().max_requests(1_000_000).probe_one_in(5));
    lab.report(100_000, FAILED);
    let passed: Vec<bool> = (0..1000).map(|_| lab.acquire().is_ok()).collect();
    assert_eq!(passed.iter().filter(|&&passed| passed).count(), 200);
    assert!(passed.chunks(5).all(|calls| calls == [false, false, false, false, true]));
}

#[test]
fn with_one_in_one_nothing_is_refused() {
    let lab = Lab::new(Config::new().probe_one_in(1));
    lab.report(40, FAILED);
    assert!((0..1000).all(|_| lab.acquire().is_ok()));
}

#[test]
fn calls_leave_the_window_in_time() {
    let mut lab = Lab::new(roomy().window(10 * SECOND));
    lab.now += 500 * MS;
    lab.report(10, FAILED);
    lab.now += SECOND;
    lab.report(5, Verdict::Success);
    lab.now += 8499 * MS;
    assert_eq!(lab.counts(), (15, 5), "9.999 s: the first tick is the tenth");
    lab.now += MS;
    assert_eq!(lab.counts(), (5, 5));
    assert!((0..100).all(|_| lab.acquire().is_ok()), "for those who call as well");
    lab.now += SECOND;
    assert_eq!(lab.counts(), (0, 0));
}

#[test]
fn calls_leave_the_window_by_number_a_tenth_at_a_time() {
    let lab = Lab::new(Config::new().max_requests(100));
    lab.report(25, FAILED);
    lab.report(75, Verdict::Success);
    assert_eq!(lab.counts(), (100, 75));
    for expected in [(91, 76), (92, 77)] {
        lab.report(1, Verdict::Success);
        assert_eq!(lab.counts(), expected, "the ten oldest have gone");
    }
    lab.report(9, Verdict::Success);
    assert_eq!(lab.counts(), (91, 86));
    lab.report(1000, Verdict::Success);
    assert_eq!(lab.counts(), (91, 91));
}

/// A thousand healthy calls do not need a thousand failures to be forgotten.
#[test]
fn a_long_healthy_history_does_not_delay_the_reaction() {
    let lab = Lab::new(Config::new().max_requests(40));
    lab.report(100_000, Verdict::Success);
    let failures = (1..)
        .find(|_| {
            lab.report(1, FAILED);
            lab.snapshot().probability > 0.0
        })
        .unwrap();
    assert!((18..=21).contains(&failures), "{failures}");
}

#[test]
fn a_late_answer_of_a_window_that_was_reset_changes_nothing() {
    let lab = Lab::new(roomy());
    let [good, bad, cut] = [(); 3].map(|()| lab.acquire().unwrap());
    lab.report(500, FAILED);
    lab.throttle.reset();
    assert_eq!(lab.counts(), (0, 0));
    good.finish(Verdict::Success, || lab.now);
    bad.finish(FAILED, || lab.now);
    cut.abandon(true, || lab.now);
    assert_eq!(lab.counts(), (0, 0));
    lab.acquire().unwrap().finish(Verdict::Success, || lab.now);
    assert_eq!(lab.counts(), (1, 1), "those admitted since count");
}

#[test]
fn a_ticket_is_worth_one_report() {
    let lab = Lab::new(roomy());
    let mut ticket = lab.throttle.admit(|| lab.now).unwrap();
    for _ in 0..3 {
        lab.throttle.finish(&mut ticket, Verdict::Success, || lab.now);
        lab.throttle.abandon(&mut ticket, true, || lab.now);
    }
    assert!(ticket.is_spent());
    assert_eq!(lab.counts(), (1, 1));
}

#[test]
fn settings_change_and_the_window_stays() {
    let mut lab = Lab::new(roomy().window(10 * SECOND));
    lab.report(100, FAILED);
    lab.now += 5 * SECOND;
    lab.report(20, Verdict::Success);
    lab.report(10, FAILED);
    let longer = roomy().window(60 * SECOND).multiplier(3.0);
    lab.throttle.reconfigure(longer, lab.now);
    assert_eq!((lab.counts(), lab.throttle.config()), ((130, 20), longer));
    assert_eq!(lab.snapshot().probability, 70.0 / 131.0);
    lab.throttle.reconfigure(longer.max_requests(50), lab.now);
    assert_eq!(lab.counts(), (50, 20), "the latest, the failures of a slice last");
    lab.now += 20 * SECOND;
    assert_eq!(lab.counts(), (50, 20));
    lab.throttle.reconfigure(longer.window(SECOND), lab.now);
    assert_eq!(lab.counts(), (0, 0));
}

#[test]
fn settings_that_refuse_at_once_do() {
    let lab = Lab::new(roomy().multiplier(100.0).min_requests(1000).probe_one_in(1_000_000));
    lab.report(30, FAILED);
    lab.report(30, Verdict::Success);
    assert!((0..100).all(|_| lab.acquire().is_ok()));
    lab.throttle.reconfigure(roomy().multiplier(1.001), lab.now);
    assert!((0..100).any(|_| lab.acquire().is_err()));
}

#[test]
fn time_that_stands_still_or_goes_back_is_the_latest_seen() {
    let mut lab = Lab::new(roomy().window(10 * SECOND));
    lab.now += 100 * SECOND;
    lab.report(10, FAILED);
    lab.now -= 50 * SECOND;
    lab.report(10, FAILED);
    assert_eq!(lab.counts(), (20, 0));
    lab.now -= 50 * SECOND;
    assert!((0..100).any(|_| lab.acquire().is_err()));
    lab.now = lab.now.checked_sub(SECOND).unwrap_or(lab.now);
    lab.report(1, FAILED);
    lab.now += Duration::from_secs(100 * 365 * 24 * 3600);
    lab.report(3, Verdict::Success);
    assert_eq!(lab.counts(), (3, 3));
}

#[test]
fn the_time_is_asked_for_only_where_it_matters() {
    let never = || panic!("the clock was read");
    let lab = Lab::new(Config::new());
    let permit = lab.throttle.try_acquire(never).unwrap();
    permit.finish(Verdict::Ignored, never);
    lab.throttle.try_acquire(never).unwrap().abandon(false, never);
    lab.report(30, Verdict::Success);
    lab.report(5, FAILED);
    assert!(lab.throttle.try_acquire(never).is_ok(), "5 of at least 10 have failed");
    lab.report(1, FAILED);
    assert!(catch_unwind(std::panic::AssertUnwindSafe(|| lab.throttle.try_acquire(never))).is_err());
}

#[test]
fn the_same_seed_refuses_the_same_calls() {
    let refusals = |seed| {
        let lab = Lab::new(roomy());
        let throttle = Throttle::with_seed(roomy(), lab.now, seed);
        let lab = Lab { throttle, now: lab.now };
        lab.report(50, Verdict::Success);
        lab.report(150, FAILED);
        (0..100).map(|_| lab.acquire().is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(refusals(1), refusals(1));
    assert_ne!(refusals(1), refusals(2));
}

#[test]
fn it_is_worth_what_it_protects() {
    let mut lab = Lab::new(Config::new());
    assert_eq!(lab.throttle.worth(lab.now), Worth::Nothing);
    lab.report(30, Verdict::Success);
    assert_eq!(lab.throttle.worth(lab.now), Worth::Nothing);
    lab.report(1, FAILED);
    assert_eq!(lab.throttle.worth(lab.now), Worth::History);
    lab.report(30, FAILED);
    assert_eq!(lab.throttle.worth(lab.now), Worth::InForce);
    lab.now += 10 * SECOND;
    assert_eq!(lab.throttle.worth(lab.now), Worth::Nothing);
}

#[test]
fn bad_settings_are_named() {
    fn message(set: fn() -> Config) -> String {
        let payload = catch_unwind(set).unwrap_err();
        let constant = payload.downcast_ref::<&str>().copied().map(str::to_owned);
        constant.or_else(|| payload.downcast_ref().cloned()).unwrap()
    }
    let config = Config::new;
    assert_eq!(config(), Config::default());
    for (message, expected) in [
        (message(|| Config::new().multiplier(1.0)), "multiplier is 1.0, it must be from 1.001 to 100"),
        (message(|| Config::new().multiplier(100.001)), "multiplier is 100.001,"),
        (message(|| Config::new().window(9 * MS)), "window is 9ms, it must be from 10ms to one day"),
        (message(|| Config::new().window(86_401 * SECOND)), "window is 86401s,"),
        (
            message(|| Config::new().max_requests(0)),
            "max_requests is 0, it must be from 10 to 1000000 and a multiple of 10",
        ),
        (message(|| Config::new().max_requests(1_000_010)), "max_requests is 1000010,"),
        (
            message(|| Config::new().max_requests(55)),
            "max_requests is 55, it must be from 10 to 1000000 and a multiple of 10",
        ),
        (message(|| Config::new().min_requests(0)), "min_requests is 0, it must be from 1 to 4294967295"),
        (message(|| Config::new().probe_one_in(0)), "probe_one_in is 0, it must be from 1 to 4294967295"),
    ] {
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn threads_lose_nothing() {
    const CALLS: u64 = 20_000;
    let lab = Lab::new(Config::new().max_requests(1_000_000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..CALLS {
                    let verdict = if n % 100 == 0 { FAILED } else { Verdict::Success };
                    lab.acquire().unwrap().finish(verdict, || lab.now);
                }
            });
        }
    });
    assert_eq!(lab.counts(), (4 * CALLS, 4 * (CALLS - CALLS / 100)));
}
