//! Many with one key at once.

use std::{collections::BTreeMap, time::Duration};

use axum::{Router, routing::post};
use reqwest::Client;
use resilience_tower::idempotency::{IdempotencyLayer, Settings, http::Http};
use tests::server::serve;
use tokio::task::JoinSet;

use super::{AMPLE, Work, guard, is_replayed};

/// `RESILIENCE_DUPLICATES`, or 2000.
fn duplicates() -> usize {
    std::env::var("RESILIENCE_DUPLICATES").map_or(2000, |number| number.parse().unwrap())
}

/// Sends that many at once, over several connections of HTTP/2, lets the work end when `when` of them are answered, and counts what
/// they got: status, and whether it was replayed.
async fn send(settings: Settings, when: usize) -> (Work, BTreeMap<(u16, bool), usize>) {
    let work = Work::new();
    let handler = work.clone();
    let router = Router::new()
        .route("/pay", post(move || handler.clone().run()))
        .layer(IdempotencyLayer::new(guard(settings), Http::single_tenant()));
    let address = serve(router).await.unwrap();

    let clients: Vec<Client> = (0..duplicates().div_ceil(100))
        .map(|_| Client::builder().no_proxy().http2_prior_knowledge().timeout(AMPLE).build().unwrap())
        .collect();
    let mut answers = JoinSet::new();
    for n in 0..duplicates() {
        let request = super::post(&clients[n % clients.len()], address, "/pay", "one").body("amount=5");
        answers.spawn(async move {
            let response = request.send().await.unwrap();
            let seen = (response.status().as_u16(), is_replayed(&response));
            if seen.0 == 200 {
                assert_eq!(response.text().await.unwrap(), "call 1");
            }
            seen
        });
    }
    work.begun().await;
    let mut counts = BTreeMap::new();
    let mut answered = 0;
    loop {
        if answered == when {
            work.let_end();
        }
        let Some(seen) = answers.join_next().await else { return (work, counts) };
        *counts.entry(seen.unwrap()).or_default() += 1;
        answered += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_32_of_many_duplicates_one_runs_and_the_others_are_told_that_it_does() {
    let (work, counts) = send(Settings::new(), duplicates() - 1).await;
    assert_eq!(work.calls(), 1);
    assert_eq!(counts, BTreeMap::from([((200, false), 1), ((409, false), duplicates() - 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_32_of_many_duplicates_that_wait_one_runs_and_all_have_its_answer() {
    let (work, counts) = send(Settings::new().wait_for(Duration::from_secs(50)), 0).await;
    assert_eq!(work.calls(), 1);
    assert_eq!(counts, BTreeMap::from([((200, false), 1), ((200, true), duplicates() - 1)]));
}
