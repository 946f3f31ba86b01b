//! What runs ends well, and what comes is told to go elsewhere.

use std::time::Duration;

use axum::{Router, routing};
use resilience_tower::{
    drain::{Drained, Stopped},
    stack,
};
use tests::server::{listen, serve};
use tokio::sync::oneshot;

use super::{
    AMPLE, all_is_given_back,
    client::{self, Answer},
    gate::{Gate, streams},
};

#[tokio::test]
async fn requests_in_flight_are_answered_and_new_ones_refused_and_then_the_server_stops() {
    let (api, gate) = (stack::server("api"), Gate::new());
    let handle = api.handle().clone();
    let hold = gate.clone();
    let router = Router::new().route("/", routing::get(move || hold.pass())).layer(api);
    let (listener, address) = listen().await.unwrap();
    let (close, closing) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let closing = async { closing.await.unwrap() };
        axum::serve(listener, router).with_graceful_shutdown(closing).await
    });

    let running = tokio::spawn(Answer::to(client::get(address, "/")));
    gate.has_one().await;
    let draining = handle.drain().drain(AMPLE);
    assert_eq!(Answer::to(client::get(address, "/")).await.problem(), (503, "draining"));
    let looked = handle.drain().drain(Duration::ZERO).await;
    assert_eq!(looked, Drained { left: 1, stopped: Stopped::OutOfTime });

    gate.let_pass(1);
    assert_eq!(draining.await, Drained { left: 0, stopped: Stopped::Idle });
    close.send(()).unwrap();
    server.await.unwrap().unwrap();
    let answer = running.await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (200, "passed"));
}

/// A drain that ended with the head of the response would have the process cut its body.
#[tokio::test]
async fn a_response_runs_until_its_body_has_been_read() {
    let (api, (send, route)) = (stack::server("api"), streams());
    let handle = api.handle().clone();
    let address = serve(Router::new().route("/", route).layer(api)).await.unwrap();

    let mut response = client::get(address, "/").send().await.unwrap();
    send.send("first, ").await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first, ");
    let looked = handle.drain().drain(Duration::ZERO).await;
    assert_eq!(looked, Drained { left: 1, stopped: Stopped::OutOfTime });
    assert_eq!(handle.adaptive().unwrap().snapshot().in_flight, 0, "its work is done");

    send.send("last").await.unwrap();
    drop(send);
    assert_eq!(response.text().await.unwrap(), "last");
    all_is_given_back(&handle).await;
    assert!(!handle.drain().snapshot().draining);
}
