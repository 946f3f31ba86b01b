//! What an operation costs its server.

use std::sync::Arc;

use resilience_core::idempotency::{Begin, Finish, Store};
use resilience_stores::postgres::{Connection, Connections, Failure, PostgresStore, Row, Value};
use tests::proxy::Proxy;
use tokio_postgres::Client;

use crate::subjects::{
    OnPostgres, OnRedis, PATIENT, Subject as _, acquired, answer, claim, key, postgres_at,
};

#[tokio::test]
async fn each_operation_on_redis_is_one_script() {
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let calls = |info: &str, command: &str| -> u64 {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
    };
    // The first round brings the scripts there, whole; the second finds them forgotten.
    for (round, whole) in [(1, 2), (2, 0), (3, 2)] {
        if round == 3 {
            redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
        }
        redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut redis).await.unwrap();
        let (key, owner) = (key(), claim());
        let held = acquired(store.begin(&key, &owner).await);
        assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { .. }));
        assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Ok);
        for _ in 0..3 {
            assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
        }
        let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut redis).await.unwrap();
        assert_eq!((calls(&info, "evalsha"), calls(&info, "eval")), (6, whole), "{round}");
    }
}

#[tokio::test]
async fn each_operation_on_postgres_is_one_round_trip() {
    let Some(OnPostgres { server, .. }) = OnPostgres::start().await else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = postgres_at(proxy.address()).timeout(PATIENT);
    acquired(store.begin(&key(), &claim()).await);
    let connected = proxy.asked();
    let (key, owner) = (key(), claim());
    let held = acquired(store.begin(&key, &owner).await);
    assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { .. }));
    store.renew(&key, &owner, held).await.unwrap();
    assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Ok);
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
    assert_eq!(proxy.asked() - connected, 5);
}

/// A replay that wrote would wait for the disk like a commit.
#[tokio::test]
async fn what_is_only_looked_at_in_postgres_is_not_written() {
    let Some(OnPostgres { server, store }) = OnPostgres::start_with(&["autovacuum=off"]).await else {
        return;
    };
    let (pending, done, owner) = (key(), key(), claim());
    acquired(store.begin(&pending, &owner).await);
    let held = acquired(store.begin(&done, &owner).await);
    store.finish(&done, &owner, held, answer()).await.unwrap();

    let client = server.client().await;
    let written = async || -> i64 {
        let next = "SELECT txid_snapshot_xmax(txid_current_snapshot())";
        client.query_one(next, &[]).await.unwrap().get(0)
    };
    let before = written().await;
    let mut other = claim();
    for _ in 0..5 {
        assert!(matches!(store.begin(&pending, &claim()).await.unwrap(), Begin::Busy { .. }));
        assert_eq!(store.begin(&done, &claim()).await.unwrap(), Begin::Done(answer()));
        other.fingerprint = resilience_core::idempotency::Fingerprint::from_bytes([8; 32]);
        assert_eq!(store.begin(&pending, &other).await.unwrap(), Begin::Mismatch);
    }
    assert_eq!(written().await, before);
}

/// One session for all: a source of connections of one's own.
struct One(Arc<Client>);
struct Lent(Arc<Client>);

impl Connections for One {
    type Connection = Lent;

    async fn connection(&self) -> Result<Lent, Failure> {
        Ok(Lent(Arc::clone(&self.0)))
    }
}

impl Connection for Lent {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        (&*self.0).row(statement, values).await
    }
}

/// Behind a pooler the next statement may go to another session: nothing may be left behind in one, nor be expected of it.
#[tokio::test]
async fn nothing_is_kept_in_a_session() {
    let Some(OnPostgres { server, .. }) = OnPostgres::start().await else { return };
    let client = Arc::new(server.client().await);
    let store = PostgresStore::new(One(Arc::clone(&client))).timeout(PATIENT);
    let (key, owner) = (key(), claim());
    let held = acquired(store.begin(&key, &owner).await);
    store.renew(&key, &owner, held).await.unwrap();
    store.finish(&key, &owner, held, answer()).await.unwrap();
    store.reap(1).await.unwrap();
    let row = client
        .query_typed("SELECT count(*), current_setting('lock_timeout') FROM pg_prepared_statements", &[]);
    let row = row.await.unwrap();
    assert_eq!((row[0].get::<_, i64>(0), row[0].get::<_, &str>(1)), (0, "0"));
}
