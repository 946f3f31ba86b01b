//! One limit for all calls, one token each.

use std::{task::Poll, time::Duration};

use resilience_core::{Call, Event, Quota};
use resilience_tower::{RateLimit, RateLimitLayer};
use tower::{Layer, Service, ServiceExt};

use super::{Inner, MS, SECOND, Seen, call_at_once, limited, now, over, poll_ready};

fn hundred(burst: u32) -> RateLimitLayer {
    RateLimitLayer::new(Quota::per_second(100).burst(burst))
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_limit_is_refused_and_says_exactly_when() {
    let (inner, seen) = (Inner::default(), Seen::default());
    let mut service = hundred(2).with_observer(seen.clone()).layer(inner.clone());
    assert_eq!((call_at_once(&mut service, 1), call_at_once(&mut service, 2)), (Ok(1), Ok(2)));
    assert!(seen.take().is_empty(), "who is admitted makes no event");
    tokio::time::advance(3 * MS).await;
    assert_eq!(call_at_once(&mut service, 3), limited(7 * MS));
    assert_eq!(seen.take(), [over(7 * MS)]);
    tokio::time::advance(7 * MS).await;
    assert_eq!(call_at_once(&mut service, 4), Ok(4));
    assert_eq!(inner.calls(), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn trap_28_all_services_of_a_layer_share_one_limiter() {
    let layer = hundred(2);
    let mut services: Vec<_> = (0..5).map(|_| layer.clone().layer(Inner::default())).collect();
    let answers: Vec<bool> = services.iter_mut().map(|service| call_at_once(service, 0).is_ok()).collect();
    assert_eq!(answers, [true, true, false, false, false]);
    assert_eq!(layer.limiter().tokens(now()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_limit_counts_and_lets_through() {
    let (inner, seen) = (Inner::default(), Seen::default());
    for layer in [hundred(1).shadow(), hundred(1).shadow().max_wait(5 * MS)] {
        let mut service = layer.with_observer(seen.clone()).layer(inner.clone());
        for n in 0..3 {
            assert_eq!(call_at_once(&mut service, n), Ok(n));
        }
        let shadow = Event::RateLimited { enforced: false, retry_after: Some(10 * MS) };
        assert_eq!(seen.take(), [shadow, shadow]);
    }
    assert_eq!(inner.calls(), [0, 1, 2, 0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_limit_delays_nothing() {
    let (inner, seen, start) = (Inner::default(), Seen::default(), now());
    let layer = hundred(1).shadow().max_wait(SECOND).with_observer(seen.clone());
    let mut service = layer.layer(inner.clone());
    for n in 0..10 {
        assert_eq!(call_at_once(&mut service, n), Ok(n));
    }
    assert_eq!((seen.take(), inner.times(start).into_iter().max()), (vec![], Some(Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_leaves_at_the_pace_of_the_quota() {
    let (inner, seen, start) = (Inner::default(), Seen::default(), now());
    let mut service = hundred(2).max_wait(SECOND).with_observer(seen.clone()).layer(inner.clone());
    for n in 0..5 {
        assert_eq!(service.ready().await.unwrap().call(Call::new(n)).await, Ok(n));
    }
    assert_eq!(inner.times(start), [0, 0, 10, 20, 30].map(|ms| ms * MS));
    // Each came when the one before had left.
    let delayed = Event::RateLimitDelayed { wait: 10 * MS };
    assert_eq!(seen.take(), [delayed; 3]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_leave_in_the_order_in_which_they_came() {
    let (inner, start) = (Inner::default(), now());
    let service = hundred(1).max_wait(SECOND).layer(inner.clone());
    let mut tasks = Vec::new();
    for n in 0..20 {
        tasks.push(tokio::spawn(service.clone().oneshot(Call::new(n))));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(inner.calls().into_iter().eq(0..20), "{:?}", inner.calls());
    assert!(inner.times(start).into_iter().eq((0..20).map(|n| n * 10 * MS)));
}

#[tokio::test(start_paused = true)]
async fn trap_20_a_wait_that_would_be_too_long_is_refused_at_once_from_call() {
    let (inner, seen) = (Inner::default(), Seen::default());
    let layer = hundred(1).max_wait(15 * MS).with_observer(seen.clone());
    let mut services: Vec<_> = (0..3).map(|_| layer.layer(inner.clone())).collect();
    assert_eq!(call_at_once(&mut services[0], 0), Ok(0));
    assert!(poll_ready(&mut services[1]).is_pending(), "it waits for 10 ms");
    let asked = inner.asked();
    assert_eq!(call_at_once(&mut services[2], 2), limited(20 * MS));
    assert_eq!(inner.asked(), asked, "the inner service was left alone");
    assert_eq!(seen.take(), [over(20 * MS)]);
}

#[tokio::test(start_paused = true)]
async fn trap_21_nothing_of_the_inner_service_is_held_while_waiting() {
    let inner = Inner::default();
    let mut service = hundred(1).max_wait(SECOND).layer(inner.clone());
    assert_eq!(call_at_once(&mut service, 0), Ok(0));
    let asked = inner.asked();
    assert!(poll_ready(&mut service).is_pending());
    assert_eq!(inner.asked(), asked);
    tokio::time::advance(10 * MS).await;
    assert_eq!(call_at_once(&mut service, 1), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_not_used_gives_way_to_room() {
    let layer = hundred(1).max_wait(5 * MS);
    let (mut one, mut other) = (layer.layer(Inner::default()), layer.layer(Inner::default()));
    assert_eq!(call_at_once(&mut one, 0), Ok(0));
    assert_eq!(poll_ready(&mut other), Poll::Ready(Ok(())), "to be refused");
    tokio::time::advance(10 * MS).await;
    assert_eq!(call_at_once(&mut other, 1), Ok(1));
}

/// A service that waits for its second call, and another behind it.
fn waiting() -> (RateLimitLayer, RateLimit<Inner>) {
    let layer = hundred(1).max_wait(SECOND);
    let mut service = layer.layer(Inner::default());
    assert_eq!(call_at_once(&mut service, 0), Ok(0));
    assert!(poll_ready(&mut service).is_pending());
    (layer, service)
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_end_of_the_queue_gives_his_place_back() {
    let (layer, service) = waiting();
    assert_eq!(layer.limiter().full_after(now()), 20 * MS);
    drop(service);
    assert_eq!(layer.limiter().full_after(now()), 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_middle_of_the_queue_does_not_disturb_the_others() {
    let (layer, service) = waiting();
    let inner = Inner::default();
    let start = now();
    let behind = tokio::spawn(layer.layer(inner.clone()).oneshot(Call::new(2)));
    tokio::task::yield_now().await;
    drop(service);
    behind.await.unwrap().unwrap();
    assert_eq!(inner.times(start), [20 * MS], "he keeps his time");
    assert_eq!(layer.limiter().full_after(now()), 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_readied_and_dropped_has_used_no_token() {
    let layer = hundred(5).max_wait(SECOND);
    let mut service = layer.layer(Inner::default());
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(layer.limiter().tokens(now()), 4);
    let clone = service.clone();
    assert_eq!(layer.limiter().tokens(now()), 4, "a clone holds no place");
    drop(clone);
    assert_eq!(layer.limiter().tokens(now()), 4, "and gives none back");
    drop(service);
    assert_eq!(layer.limiter().tokens(now()), 5);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_kept_while_the_inner_service_is_not_ready() {
    let layer = hundred(5).max_wait(SECOND);
    let limited = tower::limit::ConcurrencyLimit::new(Inner::default(), 1);
    let mut holder = limited.clone();
    assert_eq!(poll_ready(&mut holder), Poll::Ready(Ok(())));
    let mut service = layer.layer(limited);
    for _ in 0..3 {
        assert!(poll_ready(&mut service).is_pending());
        assert_eq!(layer.limiter().tokens(now()), 4, "one token, however often it is asked");
    }
    // A call that should not come yet is refused, and the place stays.
    assert_eq!(service.call(Call::new(1)).await, limited_at_once());
    drop(holder);
    assert_eq!(call_at_once(&mut service, 1), Ok(1));
    assert_eq!(layer.limiter().tokens(now()), 4);
}

fn limited_at_once() -> super::Answer {
    limited(Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_not_wait_to_be_ready_is_refused() {
    let (layer, mut service) = waiting();
    assert_eq!(service.call(Call::new(1)).await, limited_at_once());
    assert_eq!(layer.limiter().full_after(now()), 20 * MS, "and it still has its place");
    let mut unasked = layer.layer(Inner::default());
    assert_eq!(unasked.call(Call::new(1)).await, limited_at_once());
}

#[tokio::test(start_paused = true)]
async fn a_live_change_reaches_all_services() {
    let layer = hundred(1);
    let (mut one, mut other) = (layer.layer(Inner::default()), layer.clone().layer(Inner::default()));
    assert_eq!(call_at_once(&mut one, 0), Ok(0));
    layer.limiter().reconfigure(Quota::per_second(1000).burst(3), now());
    assert_eq!((call_at_once(&mut other, 1), call_at_once(&mut one, 2)), (Ok(1), Ok(2)));
    assert_eq!(call_at_once(&mut one, 3), limited(MS));
}

/// Callers on real threads, in virtual time: no more than the quota, and nearly all of it.
#[tokio::test(start_paused = true)]
async fn callers_who_wait_get_all_of_the_quota() {
    let (inner, start) = (Inner::default(), now());
    let service = hundred(10).max_wait(SECOND).layer(inner.clone());
    let callers: Vec<_> = (0..20)
        .map(|caller| {
            let mut service = service.clone();
            tokio::spawn(async move {
                // Far more than he should get.
                for _ in 0..1_000 {
                    if now() - start >= 10 * SECOND {
                        break;
                    }
                    let _ = service.ready().await.unwrap().call(Call::new(caller)).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let within = inner.times(start).into_iter().filter(|&at| at < 10 * SECOND).count();
    assert!((999..=1009).contains(&within), "{within} in 10 s");
}
