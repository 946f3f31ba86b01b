//! Boundaries on the exact tick, and the traps that this breaker must not fall into.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use super::{Cause, CircuitBreaker, Config, Mode, Permit, State, Transition, window};
use crate::{FailureKind, Rejected, Verdict, keyed::Worth};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);
const FAILED: Verdict = Verdict::Failure(FailureKind::Transient);

/// A breaker and its clock.
struct Lab {
    breaker: CircuitBreaker,
    now: Instant,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(config: Config) -> Self {
        let now = Instant::now();
        Self { breaker: CircuitBreaker::with_seed(config, now, 7), now }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn ask(&self) -> (Result<Permit, Rejected>, Option<Transition>) {
        self.breaker.try_acquire(|| self.now)
    }

    /// A permit, from a breaker that admits.
    #[track_caller]
    fn permit(&self) -> Permit {
        self.ask().0.unwrap()
    }

    #[track_caller]
    fn refused(&self) -> Option<Duration> {
        self.ask().0.unwrap_err().retry_after()
    }

    fn finish(&self, permit: Permit, verdict: Verdict) -> Option<Transition> {
        permit.finish(verdict, None, || self.now)
    }

    #[track_caller]
    fn call(&self, verdict: Verdict) -> Option<Transition> {
        self.finish(self.permit(), verdict)
    }

    #[track_caller]
    fn calls(&self, n: usize, verdict: Verdict) {
        for _ in 0..n {
            assert_eq!(self.call(verdict), None);
        }
    }

    fn state(&self) -> State {
        self.breaker.snapshot(self.now).state
    }

    /// Opens the breaker with one failure, and says how long it waits.
    #[track_caller]
    fn open(&self) -> Duration {
        self.call(FAILED).expect("one failure opens").wait.expect("an opening has a wait")
    }
}

/// Opens at the first failure; nothing but that failure.
fn touchy() -> Config {
    Config::new().time_window(None).consecutive_failures(1)
}

/// Only the rate of a window of time.
fn by_rate(rate: f64, min_calls: u32) -> Config {
    Config::new().consecutive_failures(None).failure_rate(rate).min_calls(min_calls)
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let expected = Config::new()
        .time_window(10 * SECOND)
        .buckets(10)
        .count_window(None)
        .min_calls(20)
        .failure_rate(0.5)
        .without_slow_calls()
        .consecutive_failures(20)
        .open_for(SECOND, 2 * SECOND)
        .max_hint(30 * SECOND)
        .probes(3)
        .half_open_timeout(30 * SECOND);
    assert_eq!(Config::default(), expected);
}

#[test]
fn a_rate_trips_at_its_threshold_and_not_below() {
    let lab = Lab::new(by_rate(0.3, 10));
    lab.calls(7, Verdict::Success);
    lab.calls(2, FAILED);
    assert_eq!(lab.call(FAILED).map(|t| (t.to, t.cause)), Some((State::Open, Cause::FailureRate)));

    let lab = Lab::new(by_rate(0.3, 10));
    lab.calls(8, Verdict::Success);
    lab.calls(3, FAILED); // 3 of 11
    assert_eq!(lab.state(), State::Closed);
}

#[test]
fn the_success_that_reaches_min_calls_makes_the_rate_count() {
    let lab = Lab::new(by_rate(0.5, 10));
    lab.calls(5, FAILED);
    lab.calls(4, Verdict::Success);
    let transition = lab.call(Verdict::Success).unwrap();
    assert_eq!((transition.to, transition.calls, transition.failure_rate), (State::Open, 10, 0.5));
}

#[test]
fn a_count_window_shorter_than_min_calls_counts_when_it_is_full() {
    let config = Config::new().time_window(None).consecutive_failures(None);
    let lab = Lab::new(config.count_window(5).min_calls(20));
    lab.calls(4, FAILED);
    assert_eq!(lab.call(FAILED).map(|t| t.cause), Some(Cause::FailureRate));
}

#[test]
fn a_run_of_failures_trips_and_a_success_breaks_it() {
    let lab = Lab::new(touchy().consecutive_failures(3));
    lab.calls(2, FAILED);
    lab.call(Verdict::Success);
    lab.calls(2, FAILED);
    assert_eq!(lab.call(FAILED).map(|t| t.cause), Some(Cause::ConsecutiveFailures));
}

#[test]
fn being_throttled_counts_in_a_rate_and_never_in_a_run() {
    let throttled = Verdict::Failure(FailureKind::Throttled);
    let lab = Lab::new(touchy().consecutive_failures(2));
    lab.calls(100, throttled);
    lab.calls(1, FAILED);
    lab.calls(100, throttled);
    assert_eq!(lab.call(FAILED).map(|t| t.cause), Some(Cause::ConsecutiveFailures));

    let lab = Lab::new(by_rate(0.5, 4));
    lab.calls(3, throttled);
    assert_eq!(lab.call(throttled).map(|t| t.cause), Some(Cause::FailureRate));

    let mut lab = Lab::new(touchy());
    let wait = lab.open();
    lab.pass(wait);
    assert_eq!(lab.call(throttled).map(|t| t.cause), Some(Cause::ProbeFailed));
}

#[test]
fn a_permanent_failure_is_an_answer() {
    let lab = Lab::new(touchy());
    lab.calls(100, Verdict::Failure(FailureKind::Permanent));
    assert_eq!(lab.state(), State::Closed);
}

#[test]
fn an_ignored_result_counts_nowhere() {
    let lab = Lab::new(by_rate(0.5, 1));
    lab.calls(100, Verdict::Ignored);
    assert_eq!(lab.breaker.snapshot(lab.now).calls, 0);
}

#[test]
fn slow_is_longer_than_the_threshold() {
    let config = Config::new().consecutive_failures(None).failure_rate(None).min_calls(1);
    let mut lab = Lab::new(config.slow_calls(100 * MS, 1.0));
    let permit = lab.permit();
    lab.pass(100 * MS);
    assert_eq!(lab.finish(permit, Verdict::Success), None);

    let mut lab = Lab::new(lab.breaker.config());
    let permit = lab.permit();
    lab.pass(100 * MS + TICK);
    assert_eq!(lab.finish(permit, Verdict::Success).map(|t| t.cause), Some(Cause::SlowRate));
}

#[test]
fn it_admits_a_probe_when_the_wait_has_passed_to_the_tick() {
    let mut lab = Lab::new(touchy());
    let wait = lab.open();
    assert_eq!(lab.refused(), Some(wait));
    lab.pass(wait - TICK);
    assert_eq!(lab.refused(), Some(TICK));
    assert_eq!(lab.state(), State::Open);
    lab.pass(TICK);
    assert_eq!(lab.state(), State::HalfOpen, "the next call would be a probe");
    let (probe, transition) = lab.ask();
    assert!(probe.is_ok());
    let transition = transition.unwrap();
    assert_eq!(
        (transition.from, transition.to, transition.cause),
        (State::Open, State::HalfOpen, Cause::WaitOver)
    );
}

#[test]
fn the_wait_doubles_up_to_its_limit_with_a_tenth_of_jitter_and_starts_anew_when_closed() {
    let mut lab = Lab::new(touchy().probes(1).open_for(SECOND, 4 * SECOND));
    let expect = |wait: Duration, seconds: u32| {
        let base = seconds * SECOND;
        assert!((base * 9 / 10..=base * 11 / 10).contains(&wait), "{wait:?}, expected about {base:?}");
        assert_ne!(wait, base, "with jitter, it is never exactly that");
    };
    let mut wait = lab.open();
    for seconds in [1, 2, 4, 4, 4] {
        expect(wait, seconds);
        lab.pass(wait);
        wait = lab.open();
    }
    lab.pass(wait);
    assert_eq!(lab.call(Verdict::Success).map(|t| t.to), Some(State::Closed));
    expect(lab.open(), 1);
}

#[test]
fn two_breakers_draw_different_waits() {
    let waits: Vec<Duration> = (0..20)
        .map(|seed| {
            let mut lab = Lab::new(touchy());
            lab.breaker = CircuitBreaker::with_seed(touchy(), lab.now, seed);
            lab.open()
        })
        .collect();
    assert!(waits.iter().any(|wait| *wait < 960 * MS) && waits.iter().any(|wait| *wait > 1040 * MS));
}

#[test]
fn a_hint_lengthens_the_wait_up_to_its_limit_and_never_shortens_it() {
    let open_with = |hint: Duration| {
        let lab = Lab::new(touchy());
        let permit = lab.permit();
        permit.finish(FAILED, Some(hint), || lab.now).unwrap().wait.unwrap()
    };
    assert!(open_with(MS) >= 900 * MS);
    assert_eq!(open_with(7 * SECOND), 7 * SECOND);
    assert_eq!(open_with(Duration::MAX), 30 * SECOND);
}

#[test]
fn it_closes_after_all_probes_and_opens_at_the_first_failure() {
    let mut lab = Lab::new(touchy());
    let wait = lab.open();
    lab.pass(wait);
    lab.calls_half_open(2);
    assert_eq!(lab.call(Verdict::Success).map(|t| (t.from, t.to)), Some((State::HalfOpen, State::Closed)));

    let wait = lab.open();
    lab.pass(wait);
    lab.calls_half_open(2);
    assert_eq!(lab.call(FAILED).map(|t| t.cause), Some(Cause::ProbeFailed));
}

impl Lab {
    /// A probe that fails.
    #[track_caller]
    fn open_again(&self) {
        let (probe, _) = self.ask();
        assert!(self.finish(probe.unwrap(), FAILED).is_some());
    }

    /// Successful probes that do not yet close.
    #[track_caller]
    fn calls_half_open(&self, n: usize) {
        for _ in 0..n {
            let (probe, _) = self.ask();
            assert_eq!(self.finish(probe.unwrap(), Verdict::Success), None);
        }
    }
}

#[test]
fn slow_probes_open_it_again() {
    let mut lab = Lab::new(touchy().slow_calls(10 * MS, 0.5));
    let wait = lab.open();
    lab.pass(wait);
    let probes = [lab.permit(), lab.permit()];
    lab.pass(11 * MS);
    let mut transitions = probes.map(|probe| lab.finish(probe, Verdict::Success));
    assert_eq!(transitions[1].take().map(|t| t.cause), Some(Cause::SlowProbes), "two of three");
    assert_eq!(transitions[0], None, "one of three");
}

#[test]
fn a_probe_hangs_after_its_timeout_to_the_tick() {
    let mut lab = Lab::new(touchy().probes(1).half_open_timeout(SECOND));
    let wait = lab.open();
    lab.pass(wait);
    let hanging = lab.permit();
    lab.pass(SECOND);
    assert_eq!(
        lab.refused(),
        Some(2 * SECOND),
        "half-open and full: as long as it opens for if the probe fails"
    );
    lab.pass(TICK);
    assert_eq!(lab.state(), State::Open, "the next call would find it hung");
    let (refused, transition) = lab.ask();
    assert!(refused.is_err());
    assert_eq!(transition.map(|t| (t.to, t.cause)), Some((State::Open, Cause::ProbeHung)));
    assert_eq!(lab.finish(hanging, Verdict::Success), None, "its answer comes late");
}

#[test]
fn a_probe_that_answers_after_its_timeout_has_failed() {
    let mut lab = Lab::new(touchy().probes(1).half_open_timeout(SECOND));
    let wait = lab.open();
    lab.pass(wait);
    let probe = lab.permit();
    lab.pass(SECOND + TICK);
    assert_eq!(lab.finish(probe, Verdict::Success).map(|t| t.cause), Some(Cause::ProbeHung));
}

#[test]
fn a_probe_that_is_dropped_after_its_timeout_has_failed() {
    let abandon = |end: fn(Permit, Instant) -> Option<Transition>| {
        let mut lab = Lab::new(touchy().probes(1).half_open_timeout(SECOND));
        let wait = lab.open();
        lab.pass(wait);
        let probe = lab.permit();
        lab.pass(SECOND + TICK);
        end(probe, lab.now).map(|t| t.cause)
    };
    assert_eq!(abandon(|probe, now| probe.abandon(false, || now)), Some(Cause::ProbeHung));
    assert_eq!(abandon(|probe, now| probe.finish(Verdict::Ignored, None, || now)), Some(Cause::ProbeHung));
}

#[test]
fn who_only_asks_finds_a_hung_probe_too() {
    let mut lab = Lab::new(touchy().half_open_timeout(SECOND));
    let wait = lab.open();
    lab.pass(wait);
    let _hanging = lab.permit();
    lab.pass(SECOND);
    assert_eq!(lab.breaker.refusal(|| lab.now), None, "there is room for another probe");
    assert_eq!(lab.breaker.fail_hung_probe(|| lab.now), None);
    lab.pass(TICK);
    assert_eq!(lab.breaker.fail_hung_probe(|| lab.now).map(|t| t.cause), Some(Cause::ProbeHung));
    assert!(lab.breaker.refusal(|| lab.now).is_some());
    assert_eq!(lab.breaker.fail_hung_probe(|| lab.now), None);
}

#[test]
fn a_slow_call_that_was_dropped_is_no_success() {
    let mut lab = Lab::new(touchy().consecutive_failures(2).slow_calls(SECOND, 1.0));
    lab.calls(1, FAILED);
    let hanging = lab.permit();
    lab.pass(2 * SECOND);
    assert_eq!(hanging.abandon(false, || lab.now), None);
    assert!(lab.call(FAILED).is_some(), "it does not break a run of failures");

    let mut lab = Lab::new(touchy().probes(1).slow_calls(SECOND, 1.0).half_open_timeout(9 * SECOND));
    let wait = lab.open();
    lab.pass(wait);
    let hanging = lab.permit();
    lab.pass(2 * SECOND);
    let transition = hanging.abandon(false, || lab.now);
    assert_eq!(transition.map(|t| t.cause), Some(Cause::SlowProbes), "nor a good probe");
}

#[test]
fn transitions_show_what_the_breaker_tripped_on_until_it_has_closed() {
    let mut lab = Lab::new(by_rate(0.5, 4).probes(1));
    lab.calls(2, Verdict::Success);
    lab.calls(1, FAILED);
    let opened = lab.call(FAILED).unwrap();
    assert_eq!((opened.calls, opened.failure_rate), (4, 0.5));
    lab.pass(opened.wait.unwrap());
    let (probe, half_open) = lab.ask();
    assert_eq!(half_open.map(|t| t.calls), Some(4));
    assert_eq!(lab.finish(probe.unwrap(), Verdict::Success).map(|t| t.calls), Some(4));
    assert_eq!(lab.breaker.force_open(lab.now).map(|t| t.calls), Some(0));
}

#[test]
fn abandoned_calls_count_when_cut_or_slow_and_else_not_at_all() {
    let mut lab = Lab::new(by_rate(1.0, 100).slow_calls(SECOND, 1.0));
    let abandon = |lab: &mut Lab, after: Duration, cut: bool| {
        let permit = lab.permit();
        lab.pass(after);
        assert_eq!(permit.abandon(cut, || lab.now), None);
        let seen = lab.breaker.snapshot(lab.now);
        (seen.calls, seen.failures, seen.slow_calls)
    };
    assert_eq!(abandon(&mut lab, MS, false), (0, 0, 0));
    drop(lab.permit());
    assert_eq!(abandon(&mut lab, SECOND, false), (0, 0, 0));
    assert_eq!(abandon(&mut lab, SECOND + TICK, false), (1, 0, 1));
    assert_eq!(abandon(&mut lab, MS, true), (2, 1, 1));
}

#[test]
fn an_operator_overrides_and_releases() {
    let lab = Lab::new(touchy());
    let (breaker, now) = (&lab.breaker, lab.now);

    let forced = breaker.force_open(now).unwrap();
    assert_eq!((forced.to, forced.cause, forced.wait), (State::Open, Cause::Manual, None));
    assert_eq!(lab.refused(), None, "nobody knows when it ends");
    assert_eq!(breaker.force_open(now), None, "it already is");
    assert_eq!(breaker.snapshot(now).mode, Mode::ForcedOpen);
    assert_eq!(breaker.release(now).map(|t| t.to), Some(State::Closed));

    breaker.force_closed(now);
    lab.calls(3, FAILED);
    assert_eq!(breaker.snapshot(now).consecutive_failures, 3, "it records");
    assert_eq!(breaker.release(now).map(|t| t.to), Some(State::Open), "and then decides");

    breaker.disable(now);
    lab.calls(3, FAILED);
    assert_eq!(breaker.snapshot(now).consecutive_failures, 0, "it records nothing");
    breaker.release(now);
    assert_eq!(breaker.worth_at(now), Worth::Nothing);

    lab.open();
    assert_eq!(breaker.reset().map(|t| t.to), Some(State::Closed));
    assert_eq!(breaker.worth_at(now), Worth::Nothing);
}

#[test]
fn reconfiguring_keeps_windows_run_state_and_probes() {
    let mut lab = Lab::new(by_rate(0.5, 100).count_window(50));
    lab.calls(10, Verdict::Success);
    lab.pass(3 * SECOND);
    lab.calls(4, FAILED);

    // A longer window of other buckets, a shorter ring: what fits stays.
    let seen = |lab: &Lab| {
        let seen = lab.breaker.snapshot(lab.now);
        (seen.calls, seen.failures, seen.consecutive_failures)
    };
    lab.breaker.reconfigure(by_rate(0.5, 100).time_window(60 * SECOND).buckets(6), lab.now);
    assert_eq!(seen(&lab), (14, 4, 4));
    lab.breaker.reconfigure(by_rate(0.5, 100).time_window(2 * SECOND), lab.now);
    assert_eq!(seen(&lab), (14, 4, 4), "the bucket of ten seconds may have ended just now");
    lab.pass(2 * SECOND);
    assert_eq!(seen(&lab), (0, 0, 4), "and from then on slides out with the others");

    let lab = Lab::new(by_rate(0.9, 100).time_window(None).count_window(50));
    lab.calls(10, Verdict::Success);
    lab.calls(4, FAILED);
    lab.breaker.reconfigure(by_rate(0.9, 100).time_window(None).count_window(6), lab.now);
    assert_eq!(seen(&lab), (6, 4, 4));

    // Settings under which what is seen is too much trip at once.
    let transition = lab.breaker.reconfigure(by_rate(0.6, 6).time_window(None).count_window(6), lab.now);
    assert_eq!(transition.map(|t| t.cause), Some(Cause::FailureRate));

    // Fewer probes than have already succeeded close at once.
    let mut lab = Lab::new(touchy().probes(3));
    let wait = lab.open();
    lab.pass(wait);
    lab.calls_half_open(2);
    let transition = lab.breaker.reconfigure(touchy().probes(2), lab.now);
    assert_eq!(transition.map(|t| t.to), Some(State::Closed));
}

#[test]
fn while_open_it_shows_the_rates_that_it_tripped_on() {
    let mut lab = Lab::new(by_rate(0.5, 10));
    lab.calls(5, Verdict::Success);
    lab.calls(4, FAILED);
    let wait = lab.call(FAILED).unwrap().wait.unwrap();
    lab.pass(wait + 60 * SECOND);
    let seen = lab.breaker.snapshot(lab.now);
    assert_eq!((seen.calls, seen.failures, seen.failure_rate), (10, 5, 0.5));
    assert_eq!((seen.consecutive_failures, seen.opened_by), (5, Some(Cause::FailureRate)));
    lab.open_again();
    let seen = lab.breaker.snapshot(lab.now);
    assert_eq!((seen.consecutive_failures, seen.opened_by), (5, Some(Cause::ProbeFailed)));
    lab.breaker.reset();
    let seen = lab.breaker.snapshot(lab.now);
    assert_eq!((seen.consecutive_failures, seen.opened_by), (0, None));
}

#[test]
fn a_clock_that_stands_still_or_goes_back_does_no_harm() {
    let mut lab = Lab::new(by_rate(0.5, 4));
    lab.pass(5 * SECOND);
    lab.calls(2, Verdict::Success);
    let before = lab.now - 3 * SECOND;
    let permit = lab.permit();
    assert_eq!(permit.finish(FAILED, None, || before), None);
    let origin = before - 1000 * SECOND;
    let permit = lab.permit();
    assert_eq!(permit.finish(FAILED, None, || origin).map(|t| t.to), Some(State::Open));
    assert!(lab.breaker.try_acquire(|| origin).0.is_err());
}

#[test]
fn nothing_overflows() {
    let config = touchy().open_for(SECOND, Duration::from_secs(86_400)).max_hint(Duration::MAX);
    let mut lab = Lab::new(config.half_open_timeout(Duration::MAX).probes(1));
    for _ in 0..100 {
        let wait = lab.open();
        assert!(wait <= Duration::from_secs(86_400) * 11 / 10);
        lab.pass(wait);
    }
    let permit = lab.permit();
    permit.finish(FAILED, Some(Duration::MAX), || lab.now);
    lab.pass(Duration::from_secs(86_400 * 365));
    assert!(lab.refused().is_some(), "a hint without limit was asked for");
}

/// The panic names the field, the value and the range.
#[test]
fn settings_out_of_range_panic_with_the_field_and_the_value() {
    let text = |make: fn() -> Config| {
        let panic = std::panic::catch_unwind(make).unwrap_err();
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
        }
    };
    type Case = (fn() -> Config, &'static str, &'static str);
    let cases: [Case; 11] = [
        (|| Config::new().time_window(MS), "time_window", "1ms"),
        (|| Config::new().buckets(0), "buckets", "0"),
        (|| Config::new().count_window(0), "count_window", "0"),
        (|| Config::new().min_calls(0), "min_calls", "0"),
        (|| Config::new().failure_rate(1.5), "failure_rate", "1.5"),
        (|| Config::new().failure_rate(f64::NAN), "failure_rate", "NaN"),
        (|| Config::new().slow_calls(SECOND, 0.0), "slow_calls", "0"),
        (|| Config::new().consecutive_failures(0), "consecutive_failures", "0"),
        (|| Config::new().open_for(SECOND, MS), "open_for", "1ms"),
        (|| Config::new().probes(1001), "probes", "1001"),
        (|| Config::new().half_open_timeout(Duration::ZERO), "half_open_timeout", "zero"),
    ];
    for (make, field, value) in cases {
        let text = text(make);
        assert!(text.contains(field) && text.contains(value) && text.contains("must be"), "{text}");
    }
}

#[test]
fn trap_01_a_count_window_slides() {
    let config = Config::new().time_window(None).count_window(20).consecutive_failures(None);
    let lab = Lab::new(config);
    lab.calls(1000, Verdict::Success);
    lab.calls(9, FAILED);
    assert_eq!(lab.call(FAILED).map(|t| t.to), Some(State::Open), "ten of the last twenty");
}

#[test]
fn trap_02_good_probes_do_not_age_out_of_the_window() {
    let mut lab = Lab::new(touchy().time_window(100 * MS).half_open_timeout(SECOND));
    let wait = lab.open();
    lab.pass(wait);
    lab.calls_half_open(1);
    lab.pass(10 * SECOND);
    lab.calls_half_open(1);
    lab.pass(10 * SECOND);
    assert_eq!(lab.call(Verdict::Success).map(|t| t.to), Some(State::Closed));
}

#[test]
fn trap_03_a_call_admitted_while_closed_is_no_probe() {
    let mut lab = Lab::new(touchy().probes(1));
    let (late_success, late_failure) = (lab.permit(), lab.permit());
    let wait = lab.open();
    lab.pass(wait);
    let probe = lab.permit();
    assert_eq!(lab.finish(late_success, Verdict::Success), None, "does not close");
    assert_eq!(lab.finish(late_failure, FAILED), None, "does not open");
    assert_eq!(lab.state(), State::HalfOpen);
    assert_eq!(lab.finish(probe, Verdict::Success).map(|t| t.to), Some(State::Closed));
    assert_eq!(lab.breaker.snapshot(lab.now).calls, 0, "and they count nowhere");

    // Nor is a probe of an earlier half-open phase one of the present.
    let mut lab = Lab::new(touchy().probes(2));
    let wait = lab.open();
    lab.pass(wait);
    let late_probe = lab.permit();
    let wait = lab.open();
    lab.pass(wait);
    lab.calls_half_open(1);
    assert_eq!(lab.finish(late_probe, Verdict::Success), None);
    assert_eq!(lab.state(), State::HalfOpen);
}

/// The cost of a call must not grow with the window: totals are kept, not summed up. So they stand although the
/// records behind them are gone.
#[test]
fn trap_04_totals_are_kept_and_not_rescanned() {
    let mut time = window::TimeWindow::new(10_000, 10);
    let mut count = window::CountWindow::new(50_000.try_into().unwrap());
    for call in 0..50_000 {
        time.add(window::Counts::one(call % 10 == 0, false));
        count.push(call % 10 == 0, false);
    }
    time.lose_records();
    count.lose_records();
    for total in [time.total(), count.total()] {
        assert_eq!((total.calls, total.failures), (50_000, 5_000));
    }
}

#[test]
fn trap_07_a_probe_dropped_ignored_or_abandoned_gives_its_slot_back() {
    let mut lab = Lab::new(touchy().probes(2));
    let wait = lab.open();
    lab.pass(wait);
    for _ in 0..10 {
        drop(lab.permit());
        assert_eq!(lab.call(Verdict::Ignored), None);
        assert_eq!(lab.permit().abandon(false, || lab.now), None);
    }
    let (_probe, _other) = (lab.permit(), lab.permit());
    assert!(lab.ask().0.is_err());
}

#[test]
fn trap_08_half_open_admits_no_more_than_its_probes() {
    let mut lab = Lab::new(touchy().probes(3));
    let wait = lab.open();
    lab.pass(wait);
    let probes: Vec<Permit> = (0..100).filter_map(|_| lab.ask().0.ok()).collect();
    assert_eq!(probes.len(), 3);
    // Successes use up the slots as well: the fourth call waits until the state is decided.
    let mut probes = probes.into_iter();
    lab.finish(probes.next().unwrap(), Verdict::Success);
    assert!(lab.ask().0.is_err());
    // Many slots given back more than once leave no more than three.
    drop(probes);
    let probes: Vec<Permit> = (0..100).filter_map(|_| lab.ask().0.ok()).collect();
    assert_eq!(probes.len(), 2);
}
