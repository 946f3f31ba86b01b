//! What is written is read as the same.

use std::{fmt::Debug, time::Duration};

use proptest::{option, prelude::*, sample::select};
use resilience_core::{
    Backoff, FailureKind, Quota, RetryBudget, RetryPolicy,
    adaptive::{self, Aimd, Gradient2, Vegas},
    backoff::Jitter,
    bulkhead::{self, Order},
    circuit_breaker,
    retry::budget::{self, InFlight, Throttle},
    throttle,
};
use serde::{Serialize, de::DeserializeOwned};

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);
const MOST: u32 = 2_147_483_647;

/// From `least` to `most`, the short ones often.
fn durations(least: Duration, most: Duration) -> impl Strategy<Value = Duration> {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    (nanos(least)..=nanos(most), 0_u32..64)
        .prop_map(move |(nanos, shift)| Duration::from_nanos(nanos >> shift).clamp(least, most))
}

fn any_duration() -> impl Strategy<Value = Duration> {
    durations(Duration::ZERO, Duration::MAX)
}

fn shares() -> impl Strategy<Value = f64> {
    f64::MIN_POSITIVE..=1.0
}

fn thousandths(least: u32, most: u32) -> impl Strategy<Value = f64> {
    (least..=most).prop_map(|n| f64::from(n) / 1000.0)
}

fn breakers() -> impl Strategy<Value = circuit_breaker::Config> {
    let windows = (option::of(durations(10 * MS, DAY)), 1..=1000_u32, option::of(1..=1_000_000_u32), 1_u32..);
    let slow = option::of((durations(Duration::from_nanos(1), Duration::MAX), shares()));
    let trips = (option::of(shares()), slow, option::of(1_u32..));
    let open = durations(MS, DAY).prop_flat_map(|first| (Just(first), durations(first, DAY)));
    let rest = (open, any_duration(), 1..=1000_u32, durations(Duration::from_nanos(1), Duration::MAX));
    (windows, trips, rest).prop_map(
        |(windows, (failure_rate, slow, run), ((first, max), hint, probes, timeout))| {
            let (time, buckets, count, min_calls) = windows;
            let config = circuit_breaker::Config::new()
                .time_window(time)
                .buckets(buckets)
                .count_window(count)
                .min_calls(min_calls)
                .failure_rate(failure_rate)
                .consecutive_failures(run)
                .open_for(first, max)
                .max_hint(hint)
                .probes(probes)
                .half_open_timeout(timeout);
            slow.map_or(config.clone(), |(longer_than, rate)| config.slow_calls(longer_than, rate))
        },
    )
}

fn backoffs() -> impl Strategy<Value = Backoff> {
    let shapes = select(vec![
        Backoff::constant as fn(Duration) -> Backoff,
        Backoff::linear,
        Backoff::exponential,
        Backoff::decorrelated,
        Backoff::smooth,
    ]);
    let jitters = select(vec![Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Fifth]);
    (shapes, any_duration(), any_duration(), jitters, 1.0..=10.0).prop_map(
        |(shape, base, cap, jitter, factor)| {
            let backoff = shape(base).cap(cap);
            if shape(base) == Backoff::exponential(base) {
                backoff.jitter(jitter).factor(factor)
            } else if [Backoff::constant(base), Backoff::linear(base)].contains(&shape(base)) {
                backoff.jitter(jitter)
            } else {
                backoff
            }
        },
    )
}

fn policies() -> impl Strategy<Value = RetryPolicy> {
    let flags: (_, _, _, [_; 6]) = (any::<bool>(), any::<bool>(), any::<bool>(), [any::<bool>(); 6]);
    (1_u32.., backoffs(), any_duration(), any_duration(), flags).prop_map(
        |(attempts, backoff, base, slack, flags)| {
            let (refusals, keys, idempotent, kinds) = flags;
            let policy = RetryPolicy::new()
                .max_attempts(attempts)
                .backoff(backoff)
                .throttled_base(base)
                .hint_slack(slack)
                .retry_refusals(refusals)
                .honours_idempotency_keys(keys)
                .assume_idempotent(idempotent);
            FailureKind::ALL
                .into_iter()
                .zip(kinds)
                .fold(policy, |policy, (kind, on)| policy.retryable(kind, on))
        },
    )
}

fn budgets() -> impl Strategy<Value = budget::Config> {
    let tokens = || 1..=1_000_000_u32;
    let costs: [_; 6] = std::array::from_fn(|_| tokens());
    let ttls = durations(Duration::from_secs(1), Duration::from_secs(60));
    prop_oneof![
        (tokens(), costs).prop_map(|(capacity, costs)| {
            let paid = RetryBudget::success_paid().capacity(capacity);
            FailureKind::ALL
                .into_iter()
                .zip(costs)
                .fold(paid, |paid, (kind, cost)| paid.cost(kind, cost))
                .into()
        }),
        (thousandths(0, 1000), ttls, 0..=100_u32).prop_map(|(ratio, ttl, reserve)| {
            RetryBudget::ratio(ratio).ttl(ttl).reserve_per_second(reserve).into()
        }),
        Just(budget::Config::Quota),
        (1..=1000_u32, thousandths(1, 1_000_000)).prop_map(|(max, ratio)| Throttle::new(max, ratio).into()),
        (1..=100_u32, any::<u32>()).prop_map(|(percent, min)| InFlight::new(percent, min).into()),
    ]
}

fn bulkheads() -> impl Strategy<Value = bulkhead::Config> {
    let orders = select(vec![Order::Fifo, Order::Lifo]);
    (1..=MOST, any::<u32>(), any_duration(), orders, any::<bool>()).prop_map(
        |(n, queue, wait, order, sheds)| {
            bulkhead::Config::new(n).max_queue(queue).max_wait(wait).order(order).shed_queue(sheds)
        },
    )
}

fn quotas() -> impl Strategy<Value = Quota> {
    let periods = prop_oneof![
        select(vec![1, 60, 3600, 86_400]).prop_map(Duration::from_secs),
        durations(Duration::from_secs(1), DAY)
    ];
    (1..=1_000_000_000_u32, 0..30_u32, periods, option::of(1..=50_000_u32)).prop_map(
        |(calls, shift, period, burst)| {
            let quota = Quota::per((calls >> shift).max(1), period);
            burst.map_or(quota, |burst| quota.burst(burst))
        },
    )
}

fn throttles() -> impl Strategy<Value = throttle::Config> {
    (thousandths(1001, 100_000), durations(10 * MS, DAY), 1..=100_000_u32, 1_u32.., 1_u32..).prop_map(
        |(multiplier, window, tens, min, probe)| {
            throttle::Config::new()
                .multiplier(multiplier)
                .window(window)
                .max_requests(10 * tens)
                .min_requests(min)
                .probe_one_in(probe)
        },
    )
}

fn adaptives() -> impl Strategy<Value = adaptive::Config> {
    let bounds = (1..=MOST).prop_flat_map(|min| (Just(min), min..=MOST));
    let targets = durations(Duration::from_nanos(1), Duration::MAX);
    (0..3_u8, targets, 1..=MOST, bounds).prop_map(|(algorithm, target, initial, (min, max))| {
        let config = match algorithm {
            0 => adaptive::Config::new(Aimd::new(target)),
            1 => adaptive::Config::new(Gradient2::new()),
            _ => adaptive::Config::new(Vegas::new()),
        };
        config.initial(initial).bounds(min, max)
    })
}

/// Through TOML and through JSON; what cannot be compared is so by what it shows.
fn trip<T: Serialize + DeserializeOwned + Debug>(config: &T) -> Result<(), TestCaseError> {
    let text = toml::to_string(config).unwrap();
    let read: T = toml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
    prop_assert_eq!(format!("{read:?}"), format!("{config:?}"), "{}", text);
    let text = serde_json::to_string(config).unwrap();
    let read: T =
        serde_json::from_str(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
    prop_assert_eq!(format!("{read:?}"), format!("{config:?}"), "{}", text);
    Ok(())
}

proptest! {
    #[test]
    fn circuit_breaker(config in breakers()) { trip(&config)?; }

    #[test]
    fn backoff(backoff in backoffs()) { trip(&backoff)?; }

    #[test]
    fn retry(policy in policies()) { trip(&policy)?; }

    #[test]
    fn retry_budget(config in budgets()) { trip(&config)?; }

    #[test]
    fn bulkhead(config in bulkheads()) { trip(&config)?; }

    #[test]
    fn rate_limit(quota in quotas()) { trip(&quota)?; }

    #[test]
    fn throttle(config in throttles()) { trip(&config)?; }

    #[test]
    fn adaptive(config in adaptives()) { trip(&config)?; }
}

#[test]
fn rates_are_written_as_people_say_them() {
    for (quota, text) in [
        (Quota::per_second(100), "100/s"),
        (Quota::per_second(3), "3/s"),
        (Quota::per_minute(5000), "5000/min"),
        (Quota::per_hour(7), "7/h"),
        (Quota::per(3, Duration::from_secs(86_400)), "3/d"),
        (Quota::per(1, Duration::from_secs(90 * 86_400)), "1/90d"),
    ] {
        assert_eq!(serde_json::to_value(quota).unwrap()["rate"], text);
    }
}
