//! Refusals as responses: what passes, what does not, and what a user puts in their place.

#![cfg(feature = "http")]

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use resilience_core::{BoxError, Error, Rejected};
use resilience_tower::{
    ErrorLayer, TimeoutLayer,
    http::{RespondBody, RespondLayer, response},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const LIMITED: Rejected = Rejected::RateLimited { retry_after: Duration::from_millis(1500) };

/// Always answers the same.
fn fails<E: Clone>(
    error: E,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = E> + Clone {
    service_fn(move |_: Request<()>| ready(Err(error.clone())))
}

async fn text(response: Response<RespondBody<Full<Bytes>>>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_refusal_is_a_response_with_the_text_and_an_answer_stays_as_it_is() {
    let refusing = RespondLayer::new().layer(fails(Error::<&str>::from(LIMITED)));
    let refused = refusing.oneshot(Request::new(())).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!(text(refused).await, response(&LIMITED).into_body());

    let fine = service_fn(|_: Request<()>| ready(Ok::<_, Error<&str>>(Response::new(Full::from("fine")))));
    let answer = RespondLayer::new().layer(fine).oneshot(Request::new(())).await.unwrap();
    assert_eq!((answer.status().as_u16(), text(answer).await), (200, Bytes::from("fine")));
}

#[tokio::test]
async fn an_error_that_is_no_refusal_passes_through_without_the_wrapper() {
    let failing = RespondLayer::new().layer(fails(Error::inner("down")));
    assert_eq!(failing.oneshot(Request::new(())).await.unwrap_err(), "down");
}

#[tokio::test]
async fn a_boxed_refusal_is_answered_and_any_other_box_passes_through() {
    let boxed = |error: fn() -> BoxError| {
        RespondLayer::new()
            .layer(service_fn(move |_: Request<()>| ready(Err::<Response<Full<Bytes>>, BoxError>(error()))))
    };
    let refusing = boxed(|| Error::<std::io::Error>::from(LIMITED).into());
    assert_eq!(refusing.oneshot(Request::new(())).await.unwrap().status(), 429);
    let failing = boxed(|| "down".into());
    assert_eq!(failing.oneshot(Request::new(())).await.unwrap_err().to_string(), "down");
}

#[tokio::test]
async fn a_response_of_ones_own_takes_the_place_of_the_text() {
    let tag = "shop-7".to_owned();
    let layer = RespondLayer::new().response(move |rejected: &Rejected| {
        let mut response = response(rejected).map(|_| format!("{tag}: later"));
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response
    });
    let refused = layer.clone().layer(fails(Error::<&str>::from(LIMITED)));
    let refused = refused.oneshot(Request::new(())).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (418, &"2".parse().unwrap()));
    assert_eq!(text(refused).await, "shop-7: later");
}

/// A foreign service that refuses in `poll_ready`, once.
#[derive(Clone)]
struct RefusesOnce(bool);

impl Service<Request<()>> for RefusesOnce {
    type Response = Response<Full<Bytes>>;
    type Error = Error<&'static str>;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(if std::mem::replace(&mut self.0, false) { Err(LIMITED.into()) } else { Ok(()) })
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn a_refusal_that_comes_from_poll_ready_answers_one_call() {
    let mut server = RespondLayer::new().layer(RefusesOnce(true));
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let response = server.ready().await.unwrap().call(Request::new(())).await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [429, 200]);
}

#[tokio::test]
async fn a_refusal_is_forgotten_when_the_service_is_ready_after_all() {
    let mut server = RespondLayer::new().layer(RefusesOnce(true));
    server.ready().await.unwrap();
    let response = server.ready().await.unwrap().call(Request::new(())).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// That it compiles is half of the proof.
#[tokio::test(start_paused = true)]
async fn a_router_takes_the_stack_as_it_is() {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TimeoutLayer::total(Duration::from_millis(10)))
        .layer(ErrorLayer::new());
    let hangs = axum::routing::get(std::future::pending::<()>);
    let router = axum::Router::new().route("/", hangs).layer(stack);
    let late = router.oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
    let (head, body) = late.into_parts();
    assert_eq!(
        (head.status.as_u16(), &head.headers["content-type"]),
        (504, &"application/problem+json".parse().unwrap())
    );
    let problem: serde_json::Value =
        serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!((&problem["status"], &problem["reason"]), (&504.into(), &"deadline_exceeded".into()));
}
