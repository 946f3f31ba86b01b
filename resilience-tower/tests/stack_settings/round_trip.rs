//! What is written is read as the same. What is within each policy's settings is tested where they are.

use std::time::Duration;

use proptest::{option, prelude::*};
use resilience_core::{
    Backoff, Quota, RetryBudget, RetryPolicy,
    adaptive::{self, Aimd, Gradient2, Vegas},
    bulkhead, circuit_breaker,
    retry::budget,
    throttle,
};
use resilience_tower::stack::{ClientPatch, ClientSettings, ServerSettings};
use serde::{Serialize, de::DeserializeOwned};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Not whole milliseconds, so that nothing is rounded.
fn durations(least: Duration, most: Duration) -> impl Strategy<Value = Duration> {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap();
    (nanos(least)..=nanos(most)).prop_map(Duration::from_nanos)
}

fn bulkheads() -> impl Strategy<Value = bulkhead::Config> {
    (1..1000_u32, 0..1000_u32, durations(Duration::ZERO, 500 * MS))
        .prop_map(|(calls, queue, wait)| bulkhead::Config::new(calls).max_queue(queue).max_wait(wait))
}

fn quotas() -> impl Strategy<Value = Quota> {
    (1..1000_u32, durations(SECOND, 60 * SECOND), 1..100_u32)
        .prop_map(|(calls, period, burst)| Quota::per(calls, period).burst(burst))
}

fn policies() -> impl Strategy<Value = RetryPolicy> {
    (1..10_u32, durations(MS, SECOND), any::<bool>()).prop_map(|(attempts, base, idempotent)| {
        let backoff = if idempotent { Backoff::smooth(base) } else { Backoff::linear(base) };
        RetryPolicy::new().max_attempts(attempts).backoff(backoff).assume_idempotent(idempotent)
    })
}

fn budgets() -> impl Strategy<Value = budget::Config> {
    prop_oneof![
        (1..1000_u32).prop_map(|capacity| RetryBudget::success_paid().capacity(capacity).into()),
        (0..=1000_u32).prop_map(|ratio| RetryBudget::ratio(f64::from(ratio) / 1000.0).into()),
        Just(budget::Config::Quota),
        (1..=100_u32, any::<u32>()).prop_map(|(percent, min)| budget::InFlight::new(percent, min).into()),
    ]
}

fn throttles() -> impl Strategy<Value = throttle::Config> {
    (1001..100_000_u32).prop_map(|k| throttle::Config::new().multiplier(f64::from(k) / 1000.0))
}

fn breakers() -> impl Strategy<Value = circuit_breaker::Config> {
    (option::of(durations(SECOND, 600 * SECOND)), 1..=1000_u32, option::of(0.001..=1.0)).prop_map(
        |(window, probes, rate)| {
            circuit_breaker::Config::new().time_window(window).probes(probes).failure_rate(rate)
        },
    )
}

fn adaptives() -> impl Strategy<Value = adaptive::Config> {
    (0..3_u8, durations(MS, SECOND), 1..100_u32, 100..200_u32).prop_map(|(kind, target, min, max)| {
        let config = match kind {
            0 => adaptive::Config::new(Aimd::new(target)),
            1 => adaptive::Config::new(Gradient2::new()),
            _ => adaptive::Config::new(Vegas::new()),
        };
        config.bounds(min, max)
    })
}

prop_compose! {
    fn clients()(
        attempt in option::of(durations(MS, SECOND)),
        total in option::of(durations(SECOND, 60 * SECOND)),
        limits in (option::of(bulkheads()), option::of(quotas()), durations(Duration::ZERO, SECOND)),
        retries in (option::of(policies()), option::of(budgets())),
        guards in (option::of(throttles()), option::of(breakers())),
        adaptive in option::of(option::of(adaptives())),
    ) -> ClientSettings {
        let settings = ClientSettings::new()
            .attempt_timeout(attempt)
            .total_timeout(total)
            .bulkhead(limits.0)
            .rate_limit(limits.1)
            .rate_limit_wait(limits.2)
            .retry(retries.0)
            .throttle(guards.0)
            .circuit_breaker(guards.1);
        let settings = match retries.1 {
            Some(budget) => settings.retry_budget(budget),
            None => settings.without_retry_budget(),
        };
        match adaptive {
            Some(adaptive) => settings.adaptive(adaptive),
            None => settings,
        }
    }
}

prop_compose! {
    fn servers()(
        total in option::of(durations(SECOND, 60 * SECOND)),
        max in durations(MS, 600 * SECOND),
        adaptive in option::of(adaptives()),
        quota in option::of(quotas()),
        bulkhead in option::of(bulkheads()),
    ) -> ServerSettings {
        ServerSettings::new().total_timeout(total).max_deadline(max).adaptive(adaptive).rate_limit(quota).bulkhead(bulkhead)
    }
}

fn trip<T: Serialize + DeserializeOwned + std::fmt::Debug>(settings: &T) -> Result<(), TestCaseError> {
    let text = toml::to_string(settings).unwrap();
    let read: T = toml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
    prop_assert_eq!(format!("{read:?}"), format!("{settings:?}"), "{}", text);
    Ok(())
}

proptest! {
    #[test]
    fn client(settings in clients()) { trip(&settings)?; }

    #[test]
    fn server(settings in servers()) { trip(&settings)?; }

    /// But for an algorithm, which a file that names none leaves as it is.
    #[test]
    fn what_is_written_makes_anything_it(settings in clients(), base in clients()) {
        let patch: ClientPatch = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        let base = base.adaptive(None);
        prop_assert_eq!(format!("{:?}", patch.apply_to(base)), format!("{:?}", Ok::<_, ()>(settings)));
    }
}
