//! Waits that depend on the request: in the future of the call.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use resilience_core::{Call, Context as CallContext, Deadline, Error, Event, Quota};
use resilience_tower::{
    RateLimitLayer,
    rate_limit::{ByKey, KeyedRateLimitLayer, RateLimitBy},
};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

use super::{Inner, MS, SECOND, Seen, call_at_once, limited, now, over, poll_ready};

type Key = fn(&Call<u32>) -> u32;

/// A hundred a second for each ten of the request, waiting up to a second.
fn by_tens() -> KeyedRateLimitLayer<u32, Key> {
    KeyedRateLimitLayer::new((|call| *call.request() / 10) as Key, Quota::per_second(100).burst(1))
        .max_wait(SECOND)
}

#[tokio::test(start_paused = true)]
async fn each_key_waits_in_its_own_queue_and_leaves_it_in_order() {
    let (inner, seen, start) = (Inner::default(), Seen::default(), now());
    let service = by_tens().with_observer(seen.clone()).layer(inner.clone());
    let mut tasks = Vec::new();
    for n in [10, 11, 20, 12, 21, 13] {
        tasks.push(tokio::spawn(service.clone().oneshot(Call::new(n))));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let times = inner.times(start);
    let at = |n| times[inner.calls().iter().position(|&call| call == n).unwrap()];
    assert_eq!([10, 11, 12, 13].map(at), [0, 10, 20, 30].map(|ms| ms * MS));
    assert_eq!([20, 21].map(at), [0, 10].map(|ms| ms * MS));
    let waits: Vec<_> = seen.take();
    assert_eq!(waits.len(), 4);
    assert!(waits.contains(&Event::RateLimitDelayed { wait: 30 * MS }));
}

#[tokio::test(start_paused = true)]
async fn trap_20_a_wait_that_would_be_too_long_is_refused_at_once() {
    let (inner, seen) = (Inner::default(), Seen::default());
    let mut service = by_tens().max_wait(15 * MS).with_observer(seen.clone()).layer(inner.clone());
    assert_eq!(call_at_once(&mut service, 10), Ok(10));
    let _waits = service.call(Call::new(11));
    assert_eq!(call_at_once(&mut service, 12), limited(20 * MS));
    assert_eq!(seen.take(), [over(20 * MS)]);
    assert_eq!(inner.asked(), 1, "only for the call that was made");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_refused_at_once() {
    let mut service = by_tens().layer(Inner::default());
    assert_eq!(call_at_once(&mut service, 10), Ok(10));
    let due = |limit| CallContext::new().with_deadline(Deadline::after(now(), limit));
    let refused = service.call(Call::with_context(11, due(9 * MS))).await;
    assert_eq!(refused, limited(10 * MS));
    // An attempt limit from further out counts from here.
    let mut attempt = CallContext::new();
    attempt.limit_attempt(9 * MS);
    assert_eq!(service.call(Call::with_context(11, attempt)).await, limited(10 * MS));
    assert_eq!(service.call(Call::with_context(11, due(11 * MS))).await, Ok(11));
}

/// Answers with the deadline that it sees.
#[derive(Clone)]
struct Deadlines;

impl Service<Call<u32>> for Deadlines {
    type Response = Option<Deadline>;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Result<Option<Deadline>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u32>) -> Self::Future {
        std::future::ready(Ok(call.context().deadline()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_limit_counts_from_the_beginning_of_the_wait() {
    let mut service = by_tens().layer(Deadlines);
    let start = now();
    for waited in [0, 10, 20] {
        let mut context = CallContext::new();
        context.limit_attempt(100 * MS);
        let begun = now();
        let deadline = service.ready().await.unwrap().call(Call::with_context(10, context)).await.unwrap();
        assert_eq!(deadline.unwrap().at(), begun + 100 * MS);
        assert_eq!(now() - start, waited * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_21_nothing_of_the_inner_service_is_held_while_waiting() {
    let inner = ConcurrencyLimit::new(Inner::default(), 1);
    let mut service = by_tens().layer(inner.clone());
    assert_eq!(call_at_once(&mut service, 10), Ok(10));
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    let mut waits = pin!(service.call(Call::new(11)));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut other = inner;
    assert_eq!(poll_ready(&mut other), Poll::Ready(Ok(())), "the only permit is free");
    drop(other);
    assert_eq!(waits.await, Ok(11));
}

/// A service whose first call was made, and the second waits.
fn waiting() -> (KeyedRateLimitLayer<u32, Key>, RateLimitBy<Inner, ByKey<u32, Key>>) {
    let layer = by_tens();
    let mut service = layer.layer(Inner::default());
    assert_eq!(call_at_once(&mut service, 10), Ok(10));
    (layer, service)
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_end_of_the_queue_gives_his_place_back() {
    let (layer, mut service) = waiting();
    let limiter = layer.limiter_of(&1).unwrap();
    for polls in 0..2 {
        let mut waits = Box::pin(service.call(Call::new(11)));
        for _ in 0..polls {
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(limiter.full_after(now()), 20 * MS);
        drop(waits);
        assert_eq!(limiter.full_after(now()), 10 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_made_has_used_its_token() {
    let (layer, mut service) = waiting();
    let answered = service.call(Call::new(11)).await;
    assert_eq!(answered, Ok(11));
    assert_eq!(layer.limiter_of(&1).unwrap().full_after(now()), 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_given_back_if_the_inner_service_never_gets_ready() {
    let inner = ConcurrencyLimit::new(Inner::default(), 1);
    let mut holder = inner.clone();
    assert_eq!(poll_ready(&mut holder), Poll::Ready(Ok(())));
    let layer = RateLimitLayer::new(Quota::per_second(100).burst(9)).max_wait(SECOND).cost(|_: &Call<u32>| 4);
    let mut service = layer.layer(inner);
    let mut readying = Box::pin(service.call(Call::new(1)));
    assert!(readying.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(layer.limiter().tokens(now()), 5);
    drop(readying);
    assert_eq!(layer.limiter().tokens(now()), 9);
}

#[tokio::test(start_paused = true)]
async fn a_dear_call_waits_longer_and_a_shadow_delays_none() {
    let (inner, seen, start) = (Inner::default(), Seen::default(), now());
    let cost = |call: &Call<u32>| *call.request();
    let layer = RateLimitLayer::new(Quota::per_second(100).burst(10))
        .max_wait(SECOND)
        .with_observer(seen.clone())
        .cost(cost);
    let mut service = layer.clone().layer(inner.clone());
    for n in [10, 3, 5] {
        assert_eq!(service.ready().await.unwrap().call(Call::new(n)).await, Ok(n));
    }
    assert_eq!(inner.times(start), [0, 30, 80].map(|ms| ms * MS));
    assert_eq!(seen.take(), [30, 50].map(|ms| Event::RateLimitDelayed { wait: ms * MS }));

    let mut shadow = layer.shadow().layer(Inner::default());
    assert_eq!(call_at_once(&mut shadow, 10), Ok(10));
    assert_eq!(call_at_once(&mut shadow, 11), Ok(11));
    assert_eq!(seen.take(), [Event::RateLimited { enforced: false, retry_after: None }]);
}
