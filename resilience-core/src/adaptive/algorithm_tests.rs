//! The three algorithms, window by window.

#![cfg(not(loom))]

use std::time::Duration;

use super::{Aimd, Gradient2, Limit, Vegas, Window};

const MS: Duration = Duration::from_millis(1);

/// A window of a limit that has refused somebody.
fn window(average: Duration) -> Window {
    Window { samples: 100, average, shortest: average, overloads: 0, peak: 50, refused: true }
}

/// One in which nobody was refused.
fn quiet(average: Duration, peak: u32) -> Window {
    Window { peak, refused: false, ..window(average) }
}

fn aimd() -> Aimd {
    Aimd::new(200 * MS)
}

#[test]
fn aimd_steps_at_its_thresholds() {
    let next = |micros: u64| aimd().next(100.0, &window(Duration::from_micros(micros)));
    assert_eq!([next(1), next(49_999)], [200.0, 200.0]);
    assert_eq!([next(50_000), next(99_999)], [105.0, 105.0]);
    assert_eq!([next(100_000), next(119_999)], [97.0, 97.0]);
    assert!((next(120_000) - 83.333).abs() < 0.001);
    assert_eq!([next(200_000), next(9_000_000)], [50.0, 50.0]);
    assert_eq!(aimd().next(4.0, &window(60 * MS)), 5.0, "by one at least");
}

#[test]
fn aimd_without_refusals_grows_slowly_and_never_shrinks() {
    let next = |average, peak| aimd().next(100.0, &quiet(average, peak));
    assert_eq!(next(MS, 62), 105.0, "62 and five times its root is more than 100");
    assert_eq!(next(99 * MS, 62), 105.0);
    assert_eq!(next(100 * MS, 62), 100.0);
    assert_eq!(next(5000 * MS, 100), 100.0);
}

#[test]
fn trap_24_no_algorithm_grows_while_the_limit_is_idle() {
    let mut vegas = Vegas::new();
    let _ = vegas.next(100.0, &quiet(MS, 60));
    let idle = quiet(MS, 60);
    assert!(!idle.uses(100.0));
    for algorithm in [&mut aimd() as &mut dyn Limit, &mut Gradient2::new(), &mut vegas] {
        assert_eq!(algorithm.next(100.0, &idle), 100.0, "{algorithm:?}");
        let in_use = Window { peak: 62, ..idle };
        assert!(algorithm.next(100.0, &in_use) > 100.0, "{algorithm:?}");
    }
}

#[test]
fn overload_verdicts_shrink_every_limit_by_their_share_and_at_most_by_half() {
    let overloaded = |samples, overloads| Window { samples, overloads, ..window(MS) };
    for algorithm in [&mut aimd() as &mut dyn Limit, &mut Gradient2::new(), &mut Vegas::new()] {
        assert_eq!(algorithm.next(100.0, &overloaded(90, 10)), 90.0);
        assert_eq!(algorithm.next(100.0, &overloaded(10, 90)), 50.0);
        assert_eq!(algorithm.next(100.0, &overloaded(0, 10)), 50.0);
        let _ = algorithm.next(100.0, &overloaded(99, 1));
        assert!(algorithm.next(100.0, &overloaded(99, 1)) > 100.0, "one in a hundred: {algorithm:?}");
    }
    let twice = overloaded(98, 2);
    assert_eq!(twice.back_off(100.0), Some(98.0));
}

#[test]
fn a_window_without_samples_changes_nothing() {
    let nothing = Window { samples: 0, average: Duration::ZERO, ..window(MS) };
    for algorithm in [&mut aimd() as &mut dyn Limit, &mut Gradient2::new(), &mut Vegas::new()] {
        assert_eq!(algorithm.next(100.0, &nothing), 100.0);
    }
}

#[test]
fn gradient2_follows_its_formula() {
    let mut gradient = Gradient2::new();
    for _ in 0..10 {
        assert!((gradient.next(100.0, &window(40 * MS)) - 100.8).abs() < 1e-9);
    }
    // The long-term average moves by 2 / 601 of the difference of 40 ms.
    let long = 40.0 + 40.0 * 2.0 / 601.0;
    let expected = 80.0 + (long / 80.0 * 100.0 + 4.0) * 0.2;
    assert!((gradient.next(100.0, &window(80 * MS)) - expected).abs() < 1e-9);
    assert!(
        (gradient.next(100.0, &window(800 * MS)) - 90.8).abs() < 1e-9,
        "the gradient is one half at least"
    );
}

#[test]
fn gradient2_forgets_a_slow_past_sooner_than_its_average_does() {
    let mut gradient = Gradient2::new();
    for _ in 0..10 {
        let _ = gradient.next(100.0, &window(1000 * MS));
    }
    let windows = (0..100).take_while(|_| {
        let _ = gradient.next(100.0, &window(10 * MS));
        gradient.next(100.0, &window(30 * MS)) > 100.0
    });
    assert!((10..40).contains(&windows.count()));
}

#[test]
fn vegas_goes_by_its_estimate_of_the_queue() {
    let next = |limit: f64, micros: u64| {
        let mut vegas = Vegas::new();
        assert_eq!(vegas.next(limit, &window(40 * MS)), limit, "the lowest is learned");
        vegas.next(limit, &window(Duration::from_micros(micros)))
    };
    // Of 100, the logarithm is 2: the queue is 100 less 4000 / average in milliseconds.
    assert_eq!(next(100.0, 40_800), 112.0, "2");
    assert_eq!(next(100.0, 42_000), 102.0, "5");
    assert_eq!(next(100.0, 42_500), 100.0, "6");
    assert_eq!(next(100.0, 45_400), 100.0, "12");
    assert_eq!(next(100.0, 46_000), 98.0, "14");
}

#[test]
fn vegas_learns_a_service_that_has_become_slower_for_good() {
    let mut vegas = Vegas::new();
    let _ = vegas.next(100.0, &window(10 * MS));
    let changes: Vec<f64> = (0..302).map(|_| vegas.next(100.0, &window(40 * MS))).collect();
    assert!(changes[..300].iter().all(|&limit| limit == 98.0));
    assert_eq!(changes[300..], [100.0, 112.0]);
}

#[test]
fn the_target_of_a_client_is_four_tenths_of_its_timeout() {
    assert_eq!(Aimd::for_timeout(500 * MS), Aimd::new(400 * MS));
    assert_eq!(Aimd::default(), Aimd::new(200 * MS));
}

#[test]
#[should_panic(expected = "target is 0ns")]
fn a_target_of_zero_is_an_error() {
    let _ = Aimd::new(Duration::ZERO);
}
