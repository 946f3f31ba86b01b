//! The stores under test, and what their tests share.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use resilience_core::idempotency::{Begin, Claim, Fingerprint, Held, Owner, RecordKey, Store, StoreError};
use resilience_stores::{
    postgres::{Pool, PostgresStore},
    redis::{Reconnecting, RedisStore},
};
use sqlx::PgPool;
use tests::servers::{self, Postgres, Redis};
use tokio_postgres::NoTls;

/// For what has to work, on a machine that does much else.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);
/// Nobody is kept waiting for longer, with a store that waits for half a second.
pub(crate) const SECONDS: Duration = Duration::from_secs(5);
/// The answer of an operation.
pub(crate) const ANSWER: &[u8] = b"answer";

/// A store with a server of its own.
pub(crate) trait Subject: Sized {
    type Store: Store + Clone;

    async fn start() -> Option<Self>;
    fn store(&self) -> &Self::Store;
}

pub(crate) struct OnRedis {
    pub(crate) server: Redis,
    pub(crate) store: RedisStore<Reconnecting>,
}

impl Subject for OnRedis {
    type Store = RedisStore<Reconnecting>;

    async fn start() -> Option<Self> {
        let server = Redis::start(&[])?;
        let store = redis_at(server.address()).timeout(PATIENT);
        Some(Self { server, store })
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }
}

pub(crate) struct OnPostgres {
    pub(crate) server: Postgres,
    pub(crate) store: PostgresStore<Pool>,
}

impl OnPostgres {
    pub(crate) async fn start_with(settings: &[&str]) -> Option<Self> {
        let server = Postgres::start(settings).await?;
        let store = postgres_at(server.address()).timeout(PATIENT).lock_wait(PATIENT / 2);
        migrate(&server, store.migration()).await;
        Some(Self { server, store })
    }
}

impl Subject for OnPostgres {
    type Store = PostgresStore<Pool>;

    async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }
}

/// With `sqlx`.
pub(crate) struct OnSqlx {
    pub(crate) server: Postgres,
    pub(crate) pool: PgPool,
    pub(crate) store: PostgresStore<PgPool>,
}

impl Subject for OnSqlx {
    type Store = PostgresStore<PgPool>;

    async fn start() -> Option<Self> {
        let server = Postgres::start(&[]).await?;
        let pool =
            PgPool::connect_lazy(&format!("postgres://postgres@{}/postgres", server.address())).unwrap();
        let store = PostgresStore::new(pool.clone()).timeout(PATIENT).lock_wait(PATIENT / 2);
        migrate(&server, store.migration()).await;
        Some(Self { server, pool, store })
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }
}

pub(crate) fn redis_at(address: SocketAddr) -> RedisStore<Reconnecting> {
    RedisStore::connect(&format!("redis://{address}/")).unwrap()
}

pub(crate) fn postgres_at(address: SocketAddr) -> PostgresStore<Pool> {
    PostgresStore::new(Pool::new(servers::postgres::config(address), NoTls))
}

pub(crate) async fn migrate(server: &Postgres, migration: &str) {
    server.client().await.batch_execute(migration).await.unwrap();
}

/// A key that nobody else has.
pub(crate) fn key() -> RecordKey {
    RecordKey::from_bytes(rand::random())
}

/// Of a new owner, for one and the same operation.
pub(crate) fn claim() -> Claim {
    Claim::new(Fingerprint::from_bytes([7; 32]), Owner::random())
}

/// Whose lease is over as soon as anybody looks.
pub(crate) fn short_claim() -> Claim {
    let mut claim = claim();
    claim.lease = Duration::ZERO;
    claim
}

pub(crate) fn answer() -> Bytes {
    Bytes::from_static(ANSWER)
}

#[track_caller]
pub(crate) fn acquired(begin: Result<Begin, StoreError>) -> Held {
    match begin {
        Ok(Begin::Acquired(held)) => held,
        other => panic!("not acquired: {other:?}"),
    }
}

/// Begins again until the record is somebody's whose lease is over.
pub(crate) async fn take_over(store: &impl Store, key: &RecordKey, claim: &Claim) -> Held {
    let begins = async || match store.begin(key, claim).await {
        Ok(Begin::Acquired(held)) => Some(held),
        _ => None,
    };
    tests::process::until("a lease to be over", PATIENT, begins).await
}

/// Makes a test of each function, on each store.
macro_rules! on_each_store {
    (@ $store:ident $subject:ident $($name:ident)*) => {
        mod $store {
            use crate::subjects::{$subject, Subject as _};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(subject) = $subject::start().await else { return };
                    super::$name(subject.store()).await;
                }
            )*
        }
    };
    ($($name:ident)*) => {
        on_each_store! { @ redis OnRedis $($name)* }
        on_each_store! { @ postgres OnPostgres $($name)* }
        on_each_store! { @ sqlx OnSqlx $($name)* }
    };
}
pub(crate) use on_each_store;
