//! What a back-off promises, case by case.

#![cfg(not(loom))]

use std::{cell::Cell, collections::HashSet, time::Duration};

use super::{Backoff, Delays, Jitter};
use crate::Rng;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// The largest number below one.
const ALMOST: f64 = 1.0 - f64::EPSILON / 2.0;
const JITTERS: [Jitter; 4] = [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Fifth];

/// Every shape with every jitter.
fn all(base: Duration) -> Vec<Backoff> {
    let bounded = [Backoff::constant(base), Backoff::linear(base), Backoff::exponential(base)];
    let mut all = vec![Backoff::decorrelated(base), Backoff::smooth(base)];
    all.extend(bounded.iter().flat_map(|backoff| JITTERS.map(|jitter| backoff.jitter(jitter))));
    all
}

/// The first delays, all with the same draw, in milliseconds.
fn first<const N: usize>(backoff: Backoff, draw: f64) -> [u64; N] {
    let mut delays = Delays::new();
    [(); N].map(|()| backoff.next_nanos(&mut delays, || draw) / 1_000_000)
}

#[test]
fn is_small_enough_to_be_copied_for_each_call() {
    assert!(size_of::<Backoff>() <= 32);
    assert!(size_of::<Delays>() <= 16);
}

#[test]
fn without_jitter_a_shape_is_exact() {
    let exact = |backoff: Backoff| first::<5>(backoff.jitter(Jitter::None), 0.3);
    assert_eq!(exact(Backoff::none()), [0; 5]);
    assert_eq!(exact(Backoff::constant(70 * MS)), [70; 5]);
    assert_eq!(exact(Backoff::linear(70 * MS)), [70, 140, 210, 280, 350]);
    assert_eq!(exact(Backoff::linear(70 * MS).cap(200 * MS)), [70, 140, 200, 200, 200]);
    assert_eq!(exact(Backoff::exponential(70 * MS)), [70, 140, 280, 560, 1120]);
    assert_eq!(exact(Backoff::exponential(70 * MS).cap(300 * MS)), [70, 140, 280, 300, 300]);
    assert_eq!(exact(Backoff::exponential(10 * MS).factor(3.0)), [10, 30, 90, 270, 810]);
    // 1.4 is not a binary fraction: 50 * 1.4^2 is a little less than 98 before it is rounded.
    assert_eq!(exact(Backoff::exponential(50 * MS).factor(1.4)), [50, 70, 98, 137, 192]);
    assert_eq!(exact(Backoff::exponential(50 * MS).factor(1.0)), [50; 5]);
    assert_eq!(exact(Backoff::exponential(50 * MS).base(20 * MS)), [20, 40, 80, 160, 320]);
}

#[test]
fn jitter_is_drawn_from_its_part_of_the_bound() {
    for (jitter, low, middle, high) in [
        (Jitter::None, 100, 100, 100),
        (Jitter::Full, 0, 50, 99),
        (Jitter::Equal, 50, 75, 99),
        (Jitter::Fifth, 80, 100, 119),
    ] {
        let backoff = Backoff::constant(100 * MS).jitter(jitter);
        assert_eq!(first(backoff, 0.0), [low], "{jitter:?}");
        assert_eq!(first(backoff, 0.5), [middle], "{jitter:?}");
        assert_eq!(first(backoff, 1.0 - 1e-6), [high], "{jitter:?}");
    }
}

#[test]
fn draws_once_and_only_where_there_is_jitter() {
    for (backoff, expected) in [
        (Backoff::default(), 1),
        (Backoff::decorrelated(MS), 1),
        (Backoff::smooth(MS), 1),
        (Backoff::linear(MS).jitter(Jitter::Equal), 1),
        (Backoff::constant(MS).jitter(Jitter::Fifth), 1),
        (Backoff::constant(MS).jitter(Jitter::None), 0),
        (Backoff::none(), 0),
        (Backoff::default().cap(Duration::ZERO), 0),
    ] {
        let draws = Cell::new(0);
        let _ = backoff.next_nanos(&mut Delays::new(), || {
            draws.set(draws.get() + 1);
            0.5
        });
        assert_eq!(draws.get(), expected, "{backoff:?}");
    }
    let (mut used, mut fresh) = (Rng::from_seed(3), Rng::from_seed(3));
    let first = fresh.unit();
    let delay = Backoff::constant(SECOND).next_delay(&mut Delays::new(), &mut used);
    assert!(delay.abs_diff(SECOND.mul_f64(first)) <= Duration::from_nanos(1), "{delay:?}");
    assert_eq!(used.unit(), fresh.unit());
}

#[test]
fn counts_the_delays_of_one_request() {
    let mut delays = Delays::new();
    for count in 1..=3 {
        let _ = Backoff::none().next_nanos(&mut delays, || 0.5);
        assert_eq!(delays.count(), count);
    }
    let mut endless = Delays::after(u32::MAX);
    let _ = Backoff::linear(MS).next_nanos(&mut endless, || 0.5);
    assert_eq!(endless.count(), u32::MAX);
}

#[test]
fn many_delays_and_endless_durations_do_not_overflow() {
    for base in [MS, 50 * MS, Duration::from_nanos(1), Duration::MAX] {
        for backoff in all(base) {
            for cap in [20 * SECOND, Duration::MAX] {
                let backoff = backoff.cap(cap);
                for n in [1, 2, 63, 64, 65, 1023, 1024, 1025, 100_000, u32::MAX] {
                    let longest = backoff.longest(n);
                    assert!(longest <= backoff.max_delay() && !longest.is_zero(), "{backoff:?}, {n}");
                    for draw in [0.0, 0.5, ALMOST] {
                        let mut delays = Delays::after(n - 1);
                        let delay = backoff.next_nanos(&mut delays, || draw);
                        assert!(u128::from(delay) <= backoff.max_delay().as_nanos(), "{backoff:?}, {n}");
                    }
                }
            }
        }
    }
    let half = Duration::from_nanos(1 << 63);
    assert_eq!(Backoff::linear(half).longest(2), 20 * SECOND);
    assert_eq!(first(Backoff::decorrelated(half), 0.5), [20_000; 3]);
    for endless in [Duration::MAX, Duration::from_secs((1 << 63) / 500_000_000 + 1)] {
        assert_eq!(Backoff::constant(endless).base_delay(), Duration::from_nanos(u64::MAX));
    }
    for (backoff, n) in [
        (Backoff::linear(MS), 100_000),
        (Backoff::exponential(MS), 100_000),
        (Backoff::exponential(MS), u32::MAX),
        (Backoff::linear(Duration::MAX), u32::MAX),
        (Backoff::exponential(Duration::MAX), u32::MAX),
    ] {
        let at = backoff.jitter(Jitter::None).next_nanos(&mut Delays::after(n - 1), || 0.5);
        assert_eq!(at, 20_000_000_000, "{backoff:?}, {n}");
        assert_eq!(backoff.longest(n), 20 * SECOND);
    }
}

#[test]
fn a_hundred_thousand_delays_in_a_row_reach_the_cap_and_stay() {
    for (backoff, least) in [(Backoff::smooth(MS), 20 * SECOND), (Backoff::decorrelated(MS), MS)] {
        let (mut delays, mut rng) = (Delays::new(), Rng::from_seed(1));
        let mut longest = Duration::ZERO;
        for n in 1..=100_000 {
            let delay = backoff.next_delay(&mut delays, &mut rng);
            assert!(delay <= 20 * SECOND, "{delay:?} at {n}");
            assert!(n < 100 || delay >= least, "{delay:?} at {n}");
            longest = longest.max(delay);
        }
        assert_eq!(longest, 20 * SECOND);
        assert_eq!(delays.count(), 100_000);
    }
}

#[test]
fn zero_is_zero_and_a_base_above_the_cap_is_the_cap() {
    for backoff in all(Duration::ZERO) {
        for n in [1, 2, 1025, u32::MAX] {
            assert_eq!(backoff.next_nanos(&mut Delays::after(n - 1), || 0.9), 0, "{backoff:?}, {n}");
            assert_eq!(backoff.longest(n), Duration::ZERO, "{backoff:?}, {n}");
        }
    }
    for backoff in all(30 * SECOND) {
        assert_eq!(backoff.longest(1), 20 * SECOND, "{backoff:?}");
        assert_eq!(backoff.longest(0), Duration::ZERO, "{backoff:?}");
        assert!(first::<1>(backoff, ALMOST)[0] >= 19_999, "{backoff:?}");
    }
    assert_eq!(first(Backoff::decorrelated(30 * SECOND), 0.0), [20_000; 3]);
}

#[test]
fn the_base_may_change_from_one_delay_to_the_next() {
    let (calm, throttled) = (Backoff::decorrelated(50 * MS), Backoff::decorrelated(50 * MS).base(SECOND));
    let mut delays = Delays::new();
    let mut next = |backoff: Backoff, draw| backoff.next_nanos(&mut delays, || draw) / 1_000_000;
    assert_eq!(next(calm, 0.0), 50);
    assert_eq!(next(throttled, 0.0), 1000);
    assert_eq!(next(throttled, 0.5), 2000);
    assert_eq!(next(calm, 0.0), 50);
    let mut delays = Delays::after(2);
    let throttled = Backoff::default().base(SECOND).next_nanos(&mut delays, || 0.5);
    assert_eq!(throttled, 2_000_000_000);
    assert_eq!(calm.base_delay(), 50 * MS);
}

#[test]
fn the_longest_delay_is_reached() {
    for n in 1..10 {
        for (backoff, before) in [
            (Backoff::smooth(MS), 0.0),
            (Backoff::decorrelated(MS), ALMOST),
            (Backoff::linear(MS).jitter(Jitter::Fifth), ALMOST),
            (Backoff::default(), ALMOST),
        ] {
            let mut delays = Delays::new();
            for _ in 1..n {
                let _ = backoff.next_nanos(&mut delays, || before);
            }
            let delay = Duration::from_nanos(backoff.next_nanos(&mut delays, || ALMOST));
            let short = backoff.longest(n) - delay;
            // Each delay that decorrelated makes of the one before may lose a fraction of a nanosecond.
            assert!(short.as_nanos() <= 30_000, "{delay:?} is {short:?} short at {n} with {backoff:?}");
        }
    }
}

#[test]
fn can_be_a_constant() {
    const QUICK: Backoff =
        Backoff::linear(MS).base(Duration::from_millis(2)).cap(SECOND).jitter(Jitter::Equal);
    assert_eq!((QUICK.base_delay(), QUICK.max_delay()), (2 * MS, SECOND));
    assert_eq!(first(QUICK, 0.0), [1, 2, 3]);
}

#[test]
#[should_panic(expected = "jitter is set on a decorrelated or smooth back-off, which draws its own")]
fn decorrelated_takes_no_other_jitter() {
    let _ = Backoff::decorrelated(MS).jitter(Jitter::None);
}

#[test]
#[should_panic(expected = "jitter is set on a decorrelated or smooth back-off, which draws its own")]
fn smooth_takes_no_other_jitter() {
    let _ = Backoff::smooth(MS).jitter(Jitter::Full);
}

#[test]
#[should_panic(expected = "factor is 3 on a back-off that is not exponential")]
fn only_exponential_has_a_factor() {
    let _ = Backoff::linear(MS).factor(3.0);
}

#[test]
fn a_factor_is_from_one_to_ten() {
    for (factor, message) in [
        (0.99, "factor is 0.99, it must be from 1 to 10"),
        (10.1, "factor is 10.1, it must be from 1 to 10"),
        (f64::NAN, "factor is NaN, it must be from 1 to 10"),
        (f64::INFINITY, "factor is inf, it must be from 1 to 10"),
    ] {
        let panic = std::panic::catch_unwind(|| Backoff::default().factor(factor)).unwrap_err();
        assert_eq!(*panic.downcast::<String>().unwrap(), message);
    }
    let _ = Backoff::default().factor(1.0).factor(10.0);
}

/// Ten thousand requests that fail together come back evenly spread over the whole of the first bound.
#[test]
fn trap_12_each_request_draws_its_own_jitter() {
    const REQUESTS: u64 = 10_000;
    const BINS: usize = 100;
    let backoff = Backoff::default();
    let (mut bins, mut distinct) = ([0; BINS], HashSet::new());
    for request in 0..REQUESTS {
        let delay = backoff.next_delay(&mut Delays::new(), &mut Rng::from_seed(request));
        bins[usize::try_from(delay.as_nanos() / 500_000).unwrap()] += 1;
        distinct.insert(delay);
    }
    let expected = REQUESTS as f64 / BINS as f64;
    let chi_square: f64 = bins.iter().map(|&seen| (f64::from(seen) - expected).powi(2) / expected).sum();
    // 99 degrees of freedom: chance alone is above this once in a thousand times, and below it once in a thousand.
    assert!((61.1..148.2).contains(&chi_square), "chi-square is {chi_square}");
    assert!(distinct.len() > 9_990, "only {} delays are different", distinct.len());
}

#[test]
fn trap_13_jitter_is_on_and_the_cap_comes_last() {
    for backoff in [
        Backoff::default(),
        Backoff::constant(SECOND),
        Backoff::linear(SECOND),
        Backoff::exponential(SECOND),
        Backoff::decorrelated(SECOND),
        Backoff::smooth(SECOND),
    ] {
        assert_ne!(first::<3>(backoff, 0.2), first::<3>(backoff, 0.8), "{backoff:?}");
        assert_eq!(backoff.max_delay(), 20 * SECOND);
    }
    assert_eq!(
        Backoff::default(),
        Backoff::exponential(50 * MS).factor(2.0).jitter(Jitter::Full).cap(20 * SECOND)
    );
    for backoff in all(SECOND) {
        let backoff = backoff.cap(1100 * MS);
        let mut delays = Delays::new();
        for n in 1..=8 {
            let delay = Duration::from_nanos(backoff.next_nanos(&mut delays, || ALMOST));
            assert!(delay <= 1100 * MS, "{delay:?} at {n} with {backoff:?}");
        }
    }
}

#[test]
fn at_the_cap_delays_are_as_spread_as_below_it() {
    for (jitter, quarters) in [
        (Jitter::Full, [0, 250, 500, 750]),
        (Jitter::Equal, [500, 625, 750, 875]),
        (Jitter::Fifth, [800, 850, 900, 950]),
    ] {
        let backoff = Backoff::exponential(SECOND).jitter(jitter).cap(SECOND);
        for (quarter, delay) in quarters.into_iter().enumerate() {
            let draw = quarter as f64 / 4.0;
            let at_the_cap = backoff.next_nanos(&mut Delays::after(9), || draw) / 1_000_000;
            assert_eq!(at_the_cap, delay, "{jitter:?}");
        }
    }
}
