//! Deadlines that nobody can keep, from callers who may write what they like into a header.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::Request;
use http::Response;
use resilience_tower::stack;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

use super::MS;

/// The adaptive limit after eight seconds of 500 requests each, of which `deadline` says how many milliseconds they have by their
/// number, and `handler` how long they take.
async fn limit_after(
    deadline: impl Fn(u32) -> Option<u32>,
    handler: impl Fn() -> Duration + Clone + Send + Sync + 'static,
) -> u32 {
    let layer = stack::server("api");
    let handle = layer.handle().clone();
    let service = layer.layer(service_fn(move |_: Request| {
        let handler = handler.clone();
        async move {
            sleep(handler()).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    }));
    for n in 0..4_000 {
        let mut request = Request::default();
        if let Some(ms) = deadline(n) {
            request.headers_mut().insert("x-request-timeout-ms", ms.into());
        }
        tokio::spawn(service.clone().oneshot(request));
        sleep(2 * MS).await;
    }
    handle.adaptive().unwrap().snapshot().limit
}

/// Every other request has a tenth of the time that it takes.
#[tokio::test(start_paused = true)]
async fn callers_that_give_too_little_time_take_nothing_from_the_others() {
    let limit = limit_after(|n| n.is_multiple_of(2).then_some(2), || 20 * MS).await;
    assert!(limit >= 16, "{limit}: as much as at the beginning");
}

/// The same deadlines, of which the first half is kept with ease and the others are not.
#[tokio::test(start_paused = true)]
async fn deadlines_that_were_kept_before_and_are_not_any_more_are_overload() {
    let asked = Arc::<AtomicU64>::default();
    let slows_down = move || match asked.fetch_add(1, Ordering::Relaxed) {
        0..2_000 => 20 * MS,
        _ => 1_000 * MS,
    };
    assert_eq!(limit_after(|_| Some(100), slows_down).await, 2, "the minimum");
}
