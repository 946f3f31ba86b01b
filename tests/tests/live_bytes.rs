//! What a breaker holds in memory does not grow with what happens to it.
//!
//! The counts are those of the whole process, so this binary has one test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    alloc::System,
    time::{Duration, Instant},
};

use resilience_core::{
    CircuitBreaker, FailureKind, Verdict,
    circuit_breaker::{Config, State},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tests::time;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SECOND: Duration = Duration::from_secs(1);

fn live() -> usize {
    let stats = GLOBAL.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn config() -> Config {
    Config::new().consecutive_failures(3).probes(2).count_window(50).slow_calls(SECOND, 0.9)
}

fn answer(breaker: &CircuitBreaker, verdict: Verdict, now: Instant) {
    let (admitted, _) = breaker.try_acquire(|| now);
    admitted.unwrap().finish(verdict, None, || now);
}

/// Through every state by itself and by hand, and back to closed. Returns the number of transitions.
fn round(breaker: &CircuitBreaker, now: &mut Instant) -> u32 {
    let state = |now| breaker.snapshot(now).state;
    let fail = |now| answer(breaker, Verdict::Failure(FailureKind::Transient), now);
    let succeed = |now| answer(breaker, Verdict::Success, now);

    (0..3).for_each(|_| fail(*now));
    assert_eq!(state(*now), State::Open);
    *now += 2 * SECOND;
    fail(*now);
    assert_eq!(state(*now), State::Open, "again, from half-open");
    *now += 5 * SECOND;
    (0..2).for_each(|_| succeed(*now));
    assert_eq!(state(*now), State::Closed);

    let other = Config::new().count_window(500).time_window(60 * SECOND).buckets(100);
    assert_eq!(breaker.reconfigure(other, *now), None);
    assert!(breaker.force_open(*now).is_some());
    assert!(breaker.release(*now).is_some());
    breaker.disable(*now);
    breaker.force_closed(*now);
    assert!(breaker.force_open(*now).is_some());
    assert!(breaker.reset().is_some());
    assert_eq!(breaker.reconfigure(config(), *now), None);
    9
}

/// Bytes that 10 000 transitions leave behind, after 100 to warm up.
fn growth() -> usize {
    let mut now = time::now();
    let breaker = CircuitBreaker::new(config(), now);
    let mut transitions = 0;
    while transitions < 100 {
        transitions += round(&breaker, &mut now);
    }
    let before = live();
    while transitions < 10_000 {
        transitions += round(&breaker, &mut now);
    }
    live().saturating_sub(before)
}

/// The least of three times: the test harness has a thread of its own, which allocates when it has started this one.
#[test]
fn trap_10_ten_thousand_transitions_leave_no_byte_behind() {
    assert_eq!((0..3).map(|_| growth()).min(), Some(0));
}
