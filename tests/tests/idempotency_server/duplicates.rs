//! Many with one key at once, on every store.

use std::{collections::BTreeMap, time::Duration};

use axum::{Router, routing::post};
use reqwest::Client;
use resilience_core::idempotency::{Store, memory};
use resilience_stores::{
    postgres::{Pool, PostgresStore},
    redis::RedisStore,
};
use resilience_tower::idempotency::{Guard, IdempotencyLayer, Settings, http::Http, memory_store};
use tests::{
    server::serve,
    servers::{Postgres, Redis},
};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::{AMPLE, Work, is_replayed};

/// For two thousand at once on a machine that does much else.
const PATIENT: Duration = Duration::from_secs(30);

/// `RESILIENCE_DUPLICATES`, or 2000.
fn duplicates() -> usize {
    number("RESILIENCE_DUPLICATES", 2000)
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |number| number.parse().unwrap())
}

/// Sends that many at once, over several connections of HTTP/2, lets the work end when `when` of them are answered, and counts what
/// they got: status, and whether it was replayed.
async fn send(guard: Guard<impl Store>, key: &str, when: usize) -> (Work, BTreeMap<(u16, bool), usize>) {
    let work = Work::new();
    let handler = work.clone();
    let router = Router::new()
        .route("/pay", post(move || handler.clone().run()))
        .layer(IdempotencyLayer::new(guard, Http::single_tenant()));
    let address = serve(router).await.unwrap();

    let clients: Vec<Client> = (0..duplicates().div_ceil(100))
        .map(|_| Client::builder().no_proxy().http2_prior_knowledge().timeout(AMPLE).build().unwrap())
        .collect();
    let mut answers = JoinSet::new();
    for n in 0..duplicates() {
        let request = super::post(&clients[n % clients.len()], address, "/pay", key).body("amount=5");
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

/// `RESILIENCE_ROUNDS` times, or twice, for each way of answering those who come while the first is at work.
async fn one_of_many_runs(store: impl Store + Clone) {
    let told = Settings::new().store_timeout(PATIENT);
    let waiting = told.clone().wait_for(PATIENT);
    for round in 0..number("RESILIENCE_ROUNDS", 2) {
        let guard = Guard::with_settings(store.clone(), told.clone());
        let (work, counts) = send(guard, &format!("told-{round}"), duplicates() - 1).await;
        assert_eq!(work.calls(), 1, "round {round}");
        assert_eq!(counts, BTreeMap::from([((200, false), 1), ((409, false), duplicates() - 1)]));

        let guard = Guard::with_settings(store.clone(), waiting.clone());
        let (work, counts) = send(guard, &format!("waiting-{round}"), 0).await;
        assert_eq!(work.calls(), 1, "round {round}, waiting");
        assert_eq!(counts, BTreeMap::from([((200, false), 1), ((200, true), duplicates() - 1)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_32_of_many_duplicates_one_runs_on_the_memory_store() {
    one_of_many_runs(memory_store(memory::Config::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_32_of_many_duplicates_one_runs_on_redis() {
    let Some(server) = Redis::start(&[]) else { return };
    let url = format!("redis://{}", server.address());
    one_of_many_runs(RedisStore::connect(&url).unwrap().timeout(PATIENT)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_32_of_many_duplicates_one_runs_on_postgres() {
    let Some(server) = Postgres::start(&[]).await else { return };
    let store = PostgresStore::new(Pool::new(server.config(), NoTls)).timeout(PATIENT);
    server.client().await.batch_execute(store.migration()).await.unwrap();
    one_of_many_runs(store).await;
}
