//! From attempt to attempt.

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use resilience_core::{Call, Error};
use tests::traced::Traced;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tracing::level_filters::LevelFilter;

use super::{Do, Failed, Inner, MS, call, service, spans};

#[tokio::test(start_paused = true)]
async fn a_retry_follows_from_the_attempt_before() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert_eq!(call(&service(&spans()), Do::FailFirst(2)).await, Ok(3));
    let follows: Vec<_> = traced.spans().into_iter().map(|span| span.follows).collect();
    assert_eq!(follows, [vec![], vec![], vec![1], vec![2]]);
}

/// Nobody points to the last attempt, or to one that succeeded, nor across operations.
#[tokio::test(start_paused = true)]
async fn operations_do_not_follow_from_each_other() {
    let traced = Traced::start(LevelFilter::TRACE);
    let service = service(&spans());
    for what in [Do::Fail, Do::Answer, Do::Answer] {
        let _ = call(&service, what).await;
    }
    let follows: Vec<_> = traced.spans().into_iter().map(|span| span.follows).collect();
    assert_eq!(follows, [vec![], vec![], vec![1], vec![2], vec![], vec![], vec![], vec![]]);
}

/// An attempt is kept open to be pointed to, and no longer than that.
#[tokio::test(start_paused = true)]
async fn an_attempt_is_closed_when_the_next_has_begun_and_before_its_operation() {
    let traced = Traced::start(LevelFilter::TRACE);
    let service = service(&spans());
    let closed = || traced.spans().into_iter().map(|span| span.closed).collect::<Vec<_>>();
    let hanging = tokio::spawn(async move { call(&service, Do::Fail).await });
    tokio::time::sleep(5 * MS).await;
    assert_eq!(closed(), [None, None], "in the first pause");
    tokio::time::sleep(10 * MS).await;
    assert_eq!(closed(), [None, Some(0), None], "in the second");
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(closed(), [Some(3), Some(0), Some(1), Some(2)]);
}

/// The note of an operation is as old as its context.
#[tokio::test(start_paused = true)]
async fn what_is_kept_is_let_go_though_somebody_keeps_the_context() {
    let traced = Traced::start(LevelFilter::TRACE);
    let (kept, (operation, attempt)) = (Arc::new(Mutex::new(Vec::new())), spans().layers());
    let keeper = Arc::clone(&kept);
    let service =
        ServiceBuilder::new().layer(operation).layer(attempt).service(service_fn(move |call: Call<Do>| {
            keeper.lock().unwrap().push(call.context().clone());
            ready(Err::<u32, _>(Error::inner(Failed(*call.request()))))
        }));
    assert!(call(&service, Do::Fail).await.is_err());
    let closed: Vec<_> = traced.spans().into_iter().map(|span| span.closed).collect();
    assert_eq!((closed, kept.lock().unwrap().len()), (vec![Some(1), Some(0)], 1));
}

/// Nothing will follow from an attempt that succeeded, whatever its operation still does.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_succeeded_is_not_kept() {
    let traced = Traced::start(LevelFilter::TRACE);
    let (operation, attempt) = spans().layers();
    let attempts = attempt.layer(Inner);
    let service = operation.layer(service_fn(move |request: Call<Do>| {
        let attempts = attempts.clone();
        async move {
            let answer = attempts.oneshot(request).await;
            tokio::time::sleep(MS).await;
            answer
        }
    }));
    let answering = tokio::spawn(async move { call(&service, Do::Answer).await });
    tokio::task::yield_now().await;
    let closed: Vec<_> = traced.spans().into_iter().map(|span| span.closed).collect();
    assert_eq!(closed, [None, Some(0)]);
    assert!(answering.await.unwrap().is_ok());
}

/// Dropped in a pause, with a failed attempt behind it.
#[tokio::test(start_paused = true)]
async fn what_is_kept_is_let_go_with_a_cancelled_operation() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(tokio::time::timeout(5 * MS, call(&service(&spans()), Do::Fail)).await.is_err());
    let closed: Vec<_> = traced.spans().into_iter().map(|span| span.closed).collect();
    assert_eq!(closed, [Some(1), Some(0)]);
}
