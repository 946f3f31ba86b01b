//! A limit for each key, and by cost, refusing at once.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
};

use resilience_core::{Call, Error, Event, Quota, Rejected};
use resilience_tower::{RateLimitLayer, rate_limit::KeyedRateLimitLayer};
use tower::Layer;

use super::{Inner, MS, SECOND, Seen, call_at_once, limited, now, over};

fn tens(call: &Call<u32>) -> u32 {
    *call.request() / 10
}

fn itself(call: &Call<u32>) -> u32 {
    *call.request()
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_bucket_of_its_own() {
    let seen = Seen::default();
    let layer = KeyedRateLimitLayer::new(tens, Quota::per_second(100).burst(2)).with_observer(seen.clone());
    let (mut one, mut other) = (layer.layer(Inner::default()), layer.clone().layer(Inner::default()));
    assert_eq!((call_at_once(&mut one, 11), call_at_once(&mut other, 12)), (Ok(11), Ok(12)));
    assert_eq!(call_at_once(&mut one, 13), limited(10 * MS), "trap_28: services share the table");
    assert_eq!(seen.take(), [over(10 * MS)]);
    assert_eq!(call_at_once(&mut other, 21), Ok(21));
    assert_eq!(layer.limiters().len(), 2);
    assert_eq!(layer.limiter_of(&2).unwrap().tokens(now()), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_have_quotas_of_their_own() {
    let layer =
        KeyedRateLimitLayer::new(tens, Quota::per_second(1)).quotas(|&key| Quota::per_second(1 + key));
    let mut service = layer.layer(Inner::default());
    let mut admitted =
        |first: u32| (first..first + 10).filter(|&n| call_at_once(&mut service, n).is_ok()).count();
    assert_eq!((admitted(0), admitted(10), admitted(40)), (1, 2, 5));

    layer.reconfigure(|&key| Quota::per_second(2 + key));
    assert_eq!((admitted(0), admitted(10), admitted(30)), (1, 1, 5), "for those there are and those to come");
}

/// A key that gets its limiter while the quotas change has the new one.
#[tokio::test(start_paused = true)]
async fn no_key_slips_through_a_change() {
    let asked = Arc::new(AtomicU32::new(0));
    let layer = KeyedRateLimitLayer::new(tens, Quota::per_second(1));
    let (changing, count) = (layer.clone(), Arc::clone(&asked));
    let layer = layer.quotas(move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            changing.reconfigure(|_| Quota::per_second(7));
        }
        Quota::per_second(2)
    });
    assert_eq!(layer.limiter_of(&1).unwrap().quota(), Quota::per_second(7));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_25_a_flood_of_keys_grows_no_table_and_fills_no_empty_bucket() {
    let capacity = NonZeroUsize::new(500).unwrap();
    let quota = Quota::per_minute(60).burst(3);
    let layer = KeyedRateLimitLayer::with_capacity(itself, quota, capacity, 600 * SECOND);
    let mut service = layer.layer(Inner::default());
    for _ in 0..3 {
        assert_eq!(call_at_once(&mut service, 7), Ok(7));
    }
    for key in 1_000..101_000 {
        let _ = call_at_once(&mut service, key);
        assert!(key % 1_000 > 0 || layer.limiters().len() <= 500);
    }
    assert_eq!(call_at_once(&mut service, 7), limited(SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_full_table_of_empty_buckets_has_new_keys_share_one() {
    let capacity = NonZeroUsize::new(4).unwrap();
    let layer = KeyedRateLimitLayer::with_capacity(itself, Quota::per_minute(1), capacity, 600 * SECOND);
    let mut service = layer.layer(Inner::default());
    let answers: Vec<bool> = (0..8).map(|key| call_at_once(&mut service, key).is_ok()).collect();
    assert_eq!(answers, [true, true, true, true, true, false, false, false]);
    assert!(layer.limiter_of(&9).is_none() && layer.limiter_of(&3).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_a_day_is_not_forgotten_in_ten_minutes() {
    let layer = KeyedRateLimitLayer::new(itself, Quota::per(2, 24 * 3600 * SECOND));
    let mut service = layer.layer(Inner::default());
    for _ in 0..2 {
        assert_eq!(call_at_once(&mut service, 7), Ok(7));
    }
    tokio::time::advance(3600 * SECOND).await;
    for key in 100..1_000 {
        assert_eq!(call_at_once(&mut service, key), Ok(key));
    }
    assert!(call_at_once(&mut service, 7).is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_are_charged_what_they_cost() {
    let seen = Seen::default();
    let layer =
        RateLimitLayer::new(Quota::per_second(100).burst(10)).with_observer(seen.clone()).cost(itself);
    let mut service = layer.layer(Inner::default());
    assert_eq!(call_at_once(&mut service, 7), Ok(7));
    assert_eq!(call_at_once(&mut service, 5), limited(20 * MS));
    assert_eq!(call_at_once(&mut service, 3), Ok(3));
    assert_eq!(call_at_once(&mut service, 0), Ok(0), "free");
    let never = Error::from(Rejected::CostAboveBurst { cost: 11, burst: 10 });
    assert_eq!(call_at_once(&mut service, 11), Err(never));
    assert_eq!(seen.take(), [over(20 * MS), Event::RateLimited { enforced: true, retry_after: None }]);
    assert_eq!(layer.limiter().tokens(now()), 0);
}

#[tokio::test(start_paused = true)]
async fn cost_and_key_go_together_and_shadow_enforces_neither() {
    let layer =
        KeyedRateLimitLayer::new(tens, Quota::per_second(10)).cost(|call: &Call<u32>| *call.request() % 10);
    let mut service = layer.clone().layer(Inner::default());
    let answers = [14, 16, 11, 24].map(|n| call_at_once(&mut service, n).is_ok());
    assert_eq!(answers, [true, true, false, true]);
    let mut shadow = layer.shadow().layer(Inner::default());
    assert_eq!(call_at_once(&mut shadow, 11), Ok(11));
}
