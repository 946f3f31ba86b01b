//! Each refusal of the table, from a server that has it built in.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing};
use resilience_core::{Quota, Rejected, adaptive::Priority, bulkhead};
use resilience_tower::{
    http::{RespondLayer, response},
    stack::{ServerHandle, ServerLayer, ServerSettings},
};
use tests::{server::serve, time};

use super::{
    MS, all_is_given_back,
    client::{Answer, get},
};

/// A server, and how often its handler was called.
struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    called: Arc<AtomicU32>,
}

async fn server(settings: &ServerSettings) -> Server {
    let called = Arc::<AtomicU32>::default();
    let count = {
        let called = Arc::clone(&called);
        move || called.fetch_add(1, Ordering::SeqCst)
    };
    let fine = routing::get({
        let count = count.clone();
        move || async move { count().to_string() }
    });
    let hangs = routing::get(move || async move {
        count();
        pending::<()>().await;
    });
    let layer = ServerLayer::new("api", settings).unwrap();
    let handle = layer.handle().clone();
    let router = Router::new().route("/", fine).route("/hangs", hangs).layer(layer);
    Server { address: serve(router).await.unwrap(), handle, called }
}

impl Server {
    async fn ask(&self, path: &str) -> Answer {
        Answer::to(get(self.address, path)).await
    }

    /// A request is refused like this, and the handler is not called.
    async fn refuses(&self, problem: (u16, &str)) -> Answer {
        let before = self.called.load(Ordering::SeqCst);
        let answer = self.ask("/").await;
        assert_eq!(answer.problem(), problem, "{answer:?}");
        assert!(answer.text.contains("not carried out"), "{answer:?}");
        assert_eq!(self.called.load(Ordering::SeqCst), before, "the handler was called");
        answer
    }

    async fn answers(&self) {
        assert_eq!(self.ask("/").await.status, 200);
        all_is_given_back(&self.handle).await;
    }
}

#[tokio::test]
async fn an_adaptive_limit_without_room_is_overloaded() {
    let server = server(&ServerSettings::new()).await;
    let limit = server.handle.adaptive().unwrap();
    let acquire = || limit.try_acquire(Priority::Critical, time::now);
    let permits: Vec<_> = std::iter::from_fn(|| acquire().ok()).collect();
    let refused = server.refuses((503, "overloaded")).await;
    assert_eq!(refused.header("retry-after"), None, "nobody knows");
    drop(permits);
    server.answers().await;
}

#[tokio::test]
async fn a_full_bulkhead_is_unavailable_whether_it_lets_wait_or_not() {
    for max_wait in [Duration::ZERO, 20 * MS] {
        let config = bulkhead::Config::new(1).max_wait(max_wait);
        let server = server(&ServerSettings::new().bulkhead(config)).await;
        let permit = server.handle.bulkhead().unwrap().try_acquire(1).unwrap();
        let refused = server.refuses((503, "bulkhead_full")).await;
        assert_eq!(refused.header("retry-after"), None);
        drop(permit);
        server.answers().await;
    }
}

#[tokio::test]
async fn a_server_that_drains_says_when_to_come_back() {
    let server = server(&ServerSettings::new()).await;
    let drained = server.handle.drain().drain(Duration::ZERO).await;
    assert_eq!(drained.left, 0);
    let refused = server.refuses((503, "draining")).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    server.handle.drain().resume();
    server.answers().await;
}

#[tokio::test]
async fn a_rate_that_is_too_high_is_told_when_to_come_back() {
    let server = server(&ServerSettings::new().rate_limit(Quota::per_hour(1))).await;
    server.answers().await;
    let refused = server.refuses((429, "rate_limited")).await;
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");
    all_is_given_back(&server.handle).await;
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_cut_and_may_have_done_something() {
    let server = server(&ServerSettings::new().total_timeout(20 * MS)).await;
    let cut = server.ask("/hangs").await;
    assert_eq!(cut.problem(), (504, "deadline_exceeded"));
    assert!(cut.text.contains("may have been carried out"), "{cut:?}");
    assert_eq!(server.called.load(Ordering::SeqCst), 1);
    all_is_given_back(&server.handle).await;
}

/// What the preset answers with is the author's to say.
#[tokio::test]
async fn refusals_are_answered_as_the_author_says() {
    let settings = ServerSettings::new().rate_limit(Quota::per_hour(1));
    let words = |rejected: &Rejected| response(rejected).map(|_| "later");
    let layer = ServerLayer::new("api", &settings).unwrap().respond(RespondLayer::new().response(words));
    let router = Router::new().route("/", routing::get(|| async {})).layer(layer);
    let address = serve(router).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = Answer::to(get(address, "/")).await;
        assert!(answer.header("x-correlation-id").is_some());
        answers.push((answer.status, answer.text));
    }
    assert_eq!(answers, [(200, String::new()), (429, "later".to_owned())]);
}
