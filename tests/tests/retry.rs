//! Retry over real sockets: what may not be sent twice, and what was never sent.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{Router, http::StatusCode, response::Redirect, routing::post};
use resilience_core::{Backoff, Call, Error, RetryPolicy, retry::Reason};
use resilience_tower::{CallLayer, RetryLayer, TransportLayer, reqwest::ClassifyReqwest};
use tests::server;
use tower::{ServiceBuilder, ServiceExt};

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn at_once() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none())
}

#[tokio::test]
async fn trap_17_a_post_that_was_answered_by_a_redirect_to_nowhere_is_not_sent_again() {
    let posts = Arc::new(AtomicU32::new(0));
    let receipt = format!("http://{}/receipt", nobody().await);
    let app = {
        let posts = Arc::clone(&posts);
        Router::new().route(
            "/charge",
            post(move || {
                posts.fetch_add(1, Ordering::Relaxed);
                let receipt = receipt.clone();
                async move { Redirect::to(&receipt) }
            }),
        )
    };
    let address = server::serve(app).await.unwrap();
    let client = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(RetryLayer::new(at_once()).classify(ClassifyReqwest))
        .layer(TransportLayer::new())
        .service(reqwest::Client::new());
    let request = reqwest::Client::new().post(format!("http://{address}/charge")).build().unwrap();
    let error = client.oneshot(request).await.unwrap_err();
    assert!(matches!(&error, Error::Inner { error, .. } if error.is_connect()), "{error:?}");
    assert_eq!(error.gave_up().map(|gave_up| gave_up.reason), Some(Reason::Unsafe));
    assert_eq!(posts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_post_that_never_left_is_sent_again_by_a_client_without_redirects() {
    let unfollowing = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let client = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(RetryLayer::new(at_once()).classify(ClassifyReqwest.without_redirects()))
        .layer(TransportLayer::new())
        .service(unfollowing.clone());
    let request = unfollowing.post(format!("http://{}/charge", nobody().await)).build().unwrap();
    let error = client.oneshot(request).await.unwrap_err();
    let gave_up = error.gave_up().unwrap();
    assert_eq!((gave_up.reason, gave_up.attempts), (Reason::MaxAttempts, 3));
}

#[tokio::test]
async fn a_bad_answer_comes_back_with_a_note_and_a_post_is_not_repeated() {
    let app = Router::new().route("/", post(|| async { StatusCode::BAD_GATEWAY }));
    let address = server::serve(app).await.unwrap();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(at_once()).classify(ClassifyReqwest))
        .layer(TransportLayer::new())
        .service(reqwest::Client::new());
    let request = reqwest::Client::new().post(format!("http://{address}/")).build().unwrap();
    let response = client.oneshot(Call::new(request)).await.unwrap();
    let gave_up: &resilience_core::retry::GaveUp = response.extensions().get().unwrap();
    assert_eq!((response.status().as_u16(), gave_up.reason, gave_up.attempts), (502, Reason::Unsafe, 1));
}
