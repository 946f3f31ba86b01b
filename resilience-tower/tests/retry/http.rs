//! Over HTTP requests and responses.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use resilience_core::{
    Backoff, Error, RetryPolicy,
    backoff::Jitter,
    retry::{GaveUp, Reason},
};
use resilience_tower::{
    RetryLayer,
    http::{ClassifyStatus, ReplayBody, ReplayBodyLayer, ReplayError},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::script::MS;

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

/// Fifty frames of ten bytes.
struct Frames(u32);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 = match self.0.checked_sub(1) {
            Some(left) => left,
            None => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"0123456789")))))
    }
}

/// The server answers early, and its connection goes on reading, beyond the cap, while the retry layer pauses.
#[tokio::test(start_paused = true)]
async fn a_body_that_would_outgrow_the_cap_in_the_pause_is_sent_whole_by_the_next_attempt() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let server = {
        let (received, attempts) = (Arc::clone(&received), Arc::new(AtomicU32::new(0)));
        service_fn(move |request: Request<ReplayBody<Frames>>| {
            let (received, is_first) = (Arc::clone(&received), attempts.fetch_add(1, Ordering::Relaxed) == 0);
            async move {
                let mut body = request.into_body();
                if is_first {
                    assert!(body.frame().await.is_some());
                    tokio::spawn(async move {
                        tokio::time::sleep(20 * MS).await;
                        while let Some(Ok(_)) = body.frame().await {}
                    });
                    let mut response = Response::new(());
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    return Ok::<_, Error<ReplayError>>(response);
                }
                let all = body.collect().await.map_err(Error::inner)?;
                received.lock().unwrap().push(all.to_bytes().len());
                Ok(Response::new(()))
            }
        })
    };
    let policy = RetryPolicy::new().backoff(Backoff::constant(100 * MS).jitter(Jitter::None));
    let service = ServiceBuilder::new()
        .layer(ReplayBodyLayer::up_to(64))
        .layer(RetryLayer::new(policy).classify(ClassifyStatus))
        .service(server);
    let response = service.oneshot(Request::put("/").body(Frames(50)).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*received.lock().unwrap(), [500]);
}
