//! One layer on many routes, and among others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router, extract::Path, routing::post};
use http::StatusCode;
use resilience_core::bulkhead;
use resilience_tower::{
    BulkheadLayer, ErrorLayer, TimeoutLayer,
    http::RespondLayer,
    idempotency::{IdempotencyContext, IdempotencyLayer, Settings, http::Http},
};
use tests::server::serve;
use tower::ServiceBuilder;

use super::{Work, client, guard, is_replayed};

#[tokio::test]
async fn all_routes_of_one_layer_share_its_state() {
    let calls = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&calls);
    let handler = async move |Path(name): Path<String>, Extension(run): Extension<IdempotencyContext>| {
        counted.fetch_add(1, Ordering::SeqCst);
        (StatusCode::CREATED, [("x-name", name)], format!("attempt {}", run.attempt()))
    };
    let layer = IdempotencyLayer::new(guard(Settings::new()), Http::single_tenant());
    let router = Router::new()
        .route("/a/{name}", post(handler.clone()).layer(layer.clone()))
        .route("/b/{name}", post(handler).layer(layer));
    let address = serve(router).await.unwrap();
    let client = client();
    let send = async |path: &str| super::post(&client, address, path, "one").body("{}").send().await.unwrap();

    let first = send("/a/1").await;
    assert_eq!((first.status().as_u16(), is_replayed(&first)), (201, false));
    let again = send("/a/1").await;
    assert_eq!((again.status().as_u16(), is_replayed(&again)), (201, true));
    assert_eq!(
        (&again.headers()["x-name"], again.headers().get_all("date").iter().count()),
        (&"1".parse().unwrap(), 1)
    );
    assert_eq!(again.text().await.unwrap(), "attempt 1");
    assert_eq!(send("/b/1").await.status(), 422);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_layer_within_another_leaves_the_request_to_that() {
    let layer = IdempotencyLayer::new(guard(Settings::new()), Http::single_tenant());
    let router = Router::new().route("/", post(async || "done").layer(layer.clone())).layer(layer);
    let address = serve(router).await.unwrap();
    for replayed in [false, true] {
        let answer = super::post(&client(), address, "/", "one").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), is_replayed(&answer)), (200, replayed));
    }
}

#[tokio::test]
async fn a_timeout_further_in_cuts_the_work_and_one_without_room_has_not_begun() {
    let work = Work::new();
    let handler = work.clone();
    let guard = guard(Settings::new());
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(IdempotencyLayer::new(guard.clone(), Http::single_tenant()))
        .layer(BulkheadLayer::new(bulkhead::Config::new(1)))
        .layer(TimeoutLayer::attempt(Duration::from_millis(200)))
        .layer(ErrorLayer::new());
    let router = Router::new().route("/pay", post(move || handler.clone().run())).layer(stack);
    let address = serve(router).await.unwrap();
    let client = client();
    let send = async |key: &'static str| super::post(&client, address, "/pay", key).send().await.unwrap();

    let running = tokio::spawn(super::post(&client, address, "/pay", "one").send());
    work.begun().await;
    assert_eq!(send("two").await.status(), 503, "no room");
    assert_eq!(running.await.unwrap().unwrap().status(), 504, "cut");
    assert_eq!(guard.in_flight(), 0);

    work.let_end();
    let two = send("two").await;
    assert_eq!((two.status().as_u16(), is_replayed(&two)), (200, false), "its key was given back");
    assert_eq!(two.text().await.unwrap(), "call 2");
    work.let_end();
    let one = send("one").await;
    assert_eq!((one.status().as_u16(), is_replayed(&one)), (200, false), "it is attempted again");
    assert_eq!(one.text().await.unwrap(), "call 3");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_on_the_wire() {
    let layer = IdempotencyLayer::new(guard(Settings::new()), Http::single_tenant());
    let router = Router::new().route("/", post(async |body: String| body.len().to_string())).layer(layer);
    let address = serve(router).await.unwrap();
    let client = client();
    for (length, status) in [(1024 * 1024, 200), (1024 * 1024 + 1, 413)] {
        let request = super::post(&client, address, "/", &length.to_string()).body("x".repeat(length));
        assert_eq!(request.send().await.unwrap().status(), status, "{length}");
    }
}
