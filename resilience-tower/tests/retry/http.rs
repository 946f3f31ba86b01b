//! Over HTTP requests and responses.

use http::{Method, Request, Response, StatusCode};
use resilience_core::{
    Backoff, Error, RetryPolicy,
    retry::{GaveUp, Reason},
};
use resilience_tower::{RetryLayer, http::ClassifyStatus};
use tower::{Layer, ServiceExt, service_fn};

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// The last response to a request whose every attempt is answered with this status, and the attempts.
async fn send(request: Request<&'static str>, status: StatusCode) -> (Response<&'static str>, u32) {
    let attempts = Arc::new(AtomicU32::new(0));
    let server = {
        let attempts = Arc::clone(&attempts);
        service_fn(move |request: Request<&'static str>| {
            assert_eq!((*request.body(), request.headers()["x-test"].as_bytes()), ("body", &b"1"[..]));
            attempts.fetch_add(1, Ordering::Relaxed);
            let mut response = Response::new("answer");
            *response.status_mut() = status;
            async { Ok::<_, Error<&str>>(response) }
        })
    };
    let policy = RetryPolicy::new().backoff(Backoff::none());
    let layer = RetryLayer::new(policy).classify(ClassifyStatus);
    let response = layer.layer(server).oneshot(request).await.unwrap();
    (response, attempts.load(Ordering::Relaxed))
}

fn request(method: Method) -> Request<&'static str> {
    Request::builder().method(method).header("x-test", "1").body("body").unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_last_response_comes_back_with_a_note_in_its_extensions() {
    let (response, attempts) = send(request(Method::GET), StatusCode::BAD_GATEWAY).await;
    assert_eq!((response.status(), attempts), (StatusCode::BAD_GATEWAY, 3));
    let gave_up = GaveUp { attempts: 3, reason: Reason::MaxAttempts };
    assert_eq!(response.extensions().get(), Some(&gave_up));
    let (response, attempts) = send(request(Method::GET), StatusCode::NOT_FOUND).await;
    assert_eq!((response.extensions().get::<GaveUp>(), attempts), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn trap_17_a_post_is_not_retried() {
    for (method, attempts) in [(Method::PUT, 3), (Method::DELETE, 3), (Method::POST, 1), (Method::PATCH, 1)] {
        let (_, made) = send(request(method.clone()), StatusCode::BAD_GATEWAY).await;
        assert_eq!(made, attempts, "{method}");
    }
}
