//! Our client against our server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    middleware::{Next, from_fn},
    routing::post,
};
use resilience_core::idempotency::{OutcomeUnknown, memory};
use resilience_tower::idempotency::{
    Guard, IdempotencyLayer, Settings, client::IdempotencyKeyLayer, http::Http, memory_store,
};
use tests::server::serve;
use tokio::sync::Semaphore;

use super::wire::{client_of, settings};

/// A server whose handler waits for a permit; how often that has run, and a permit for each answer.
async fn server(
    may_end: Arc<Semaphore>,
    status: http::StatusCode,
) -> (String, Arc<AtomicU32>, Arc<Semaphore>) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let answered = Arc::new(Semaphore::new(0));
    let answers = Arc::clone(&answered);
    let handler = move || {
        let may_end = Arc::clone(&may_end);
        let run = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            may_end.acquire().await.unwrap().forget();
            (status, format!("run {run}"))
        }
    };
    let guard = Guard::with_settings(memory_store(memory::Config::new()), Settings::new());
    let router = Router::new()
        .route("/charges", post(handler))
        .layer(IdempotencyLayer::new(guard, Http::single_tenant()))
        .layer(from_fn(move |request, next: Next| {
            let answers = Arc::clone(&answers);
            async move {
                let response = next.run(request).await;
                answers.add_permits(1);
                response
            }
        }));
    (format!("http://{}/charges", serve(router).await.unwrap()), runs, answered)
}

fn keys() -> IdempotencyKeyLayer {
    IdempotencyKeyLayer::new().server_honours_keys()
}

#[tokio::test]
async fn an_attempt_that_timed_out_runs_on_and_a_later_one_gets_its_answer() {
    let may_end = Arc::new(Semaphore::new(0));
    let (url, runs, answered) = server(Arc::clone(&may_end), http::StatusCode::CREATED).await;
    let client = client_of(&settings().attempt_timeout(Duration::from_millis(300)), keys());
    // To the first attempt there is no answer; to the second it is 409, and the client waits for as long as that says.
    tokio::spawn(async move {
        answered.acquire().await.unwrap().forget();
        may_end.add_permits(1);
    });
    let response = client.post(&url).body("5 EUR").send().await.unwrap();
    assert_eq!(response.status(), http::StatusCode::CREATED);
    assert_eq!(response.headers()["idempotent-replayed"], "true");
    assert!(response.extensions().get::<OutcomeUnknown>().is_none());
    assert_eq!(response.text().await.unwrap(), "run 1");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_operation_that_ends_unknown_is_asked_for_again_with_its_key() {
    let may_end = Arc::new(Semaphore::new(0));
    let (url, runs, _) = server(Arc::clone(&may_end), http::StatusCode::CREATED).await;
    let hasty = client_of(&settings().retry(None).attempt_timeout(Duration::from_millis(300)), keys());
    let error = hasty.post(&url).body("5 EUR").send().await.unwrap_err();
    let key = error.outcome_unknown().unwrap().key().unwrap();
    may_end.add_permits(1);
    let patient = client_of(&settings(), keys());
    let response = patient.post(&url).idempotency_key(&key).body("5 EUR").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "run 1");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_that_is_stored_is_not_asked_for_a_third_time() {
    let (url, runs, _) = server(Arc::new(Semaphore::new(10)), http::StatusCode::INTERNAL_SERVER_ERROR).await;
    let response = client_of(&settings(), keys()).post(&url).body("5 EUR").send().await.unwrap();
    assert_eq!(response.status(), http::StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()["idempotent-replayed"], "true");
    assert!(response.extensions().get::<OutcomeUnknown>().is_none(), "the answer is the result");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// A key is for one request.
#[tokio::test]
async fn another_request_with_the_same_key_is_refused_and_not_repeated() {
    let (url, runs, _) = server(Arc::new(Semaphore::new(10)), http::StatusCode::CREATED).await;
    let client = client_of(&settings(), keys());
    let key = resilience_core::idempotency::IdempotencyKey::random();
    let charge = |body| client.post(&url).idempotency_key(&key).body(body).send();
    assert_eq!(charge("5 EUR").await.unwrap().status(), http::StatusCode::CREATED);
    let refused = charge("50 EUR").await.unwrap();
    assert_eq!(refused.status(), http::StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}
