//! Idempotency keys on an axum server, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod duplicates;
mod leaving;
mod over_grpc;
mod stacks;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, RequestBuilder, Response};
use resilience_core::idempotency::{MemoryStore, memory};
use resilience_tower::idempotency::{Guard, Settings, memory_store};
use tokio::sync::Semaphore;

/// Longer than anything here takes: a test that is broken ends.
pub(crate) const AMPLE: Duration = Duration::from_secs(60);

pub(crate) fn guard(settings: Settings) -> Guard<MemoryStore> {
    Guard::with_settings(memory_store(memory::Config::new()), settings)
}

pub(crate) fn client() -> Client {
    Client::builder().no_proxy().timeout(AMPLE).build().unwrap()
}

pub(crate) fn post(client: &Client, address: SocketAddr, path: &str, key: &str) -> RequestBuilder {
    client.post(format!("http://{address}{path}")).header("idempotency-key", key)
}

pub(crate) fn is_replayed(response: &Response) -> bool {
    response.headers().get("idempotent-replayed").is_some_and(|value| value == "true")
}

/// Work that counts, says when it has begun, and ends when it is let.
#[derive(Clone)]
pub(crate) struct Work {
    calls: Arc<AtomicU32>,
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

impl Work {
    pub(crate) fn new() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { calls: Arc::default(), begun: none(), may_end: none() }
    }

    pub(crate) async fn run(self) -> String {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.begun.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
        format!("call {call}")
    }

    pub(crate) async fn begun(&self) {
        tokio::time::timeout(AMPLE, self.begun.acquire()).await.unwrap().unwrap().forget();
    }

    pub(crate) fn let_end(&self) {
        self.may_end.add_permits(1);
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}
