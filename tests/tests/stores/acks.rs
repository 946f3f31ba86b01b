//! Replicas of Redis: waited for on request, and never written to.

use std::{num::NonZeroU32, time::Duration};

use resilience_core::idempotency::{Begin, Finish, Store, StoreErrorKind};
use tests::{process::until, servers::Redis};

use crate::subjects::{PATIENT, acquired, answer, claim, key, redis_at};

const ONE: NonZeroU32 = NonZeroU32::new(1).unwrap();

async fn info(server: &Redis, what: &str) -> bool {
    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("replication").query_async(&mut redis).await.unwrap();
    info.contains(what)
}

fn replica_of(server: &Redis) -> Option<Redis> {
    let port = server.address().port().to_string();
    Redis::start(&["--replicaof", "127.0.0.1", &port])
}

#[tokio::test]
async fn a_claim_counts_when_a_replica_has_it() {
    let Some(server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    let (key, owner) = (key(), claim());
    let hasty = redis_at(server.address()).timeout(PATIENT).ack_replicas(ONE, Duration::from_millis(50));
    let alone = hasty.begin(&key, &owner).await.unwrap_err();
    assert_eq!(alone.kind(), StoreErrorKind::Timeout);
    // The primary has it all the same.
    assert!(matches!(hasty.begin(&key, &claim()).await.unwrap(), Begin::Busy { .. }));

    let Some(replica) = replica_of(&server) else { return };
    until("the replica", PATIENT, async || info(&server, "state=online").await.then_some(())).await;
    let patient = redis_at(server.address()).timeout(PATIENT).ack_replicas(ONE, PATIENT / 2);
    let held = acquired(patient.begin(&key, &owner).await);
    assert_eq!(held.attempt, 1);
    let copy = redis_at(replica.address()).timeout(PATIENT);
    // It can be read there, and that is all: the answer needs no write.
    assert!(matches!(copy.begin(&key, &claim()).await.unwrap(), Begin::Busy { .. }));
    assert_eq!(patient.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Ok);
    assert_eq!(copy.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
    let read_only = copy.begin(&self::key(), &claim()).await.unwrap_err();
    assert_eq!(read_only.kind(), StoreErrorKind::Unavailable);

    // A response that no replica has may get lost with the primary; a replay of it is no loss.
    drop(replica);
    until("the replica to be gone", PATIENT, async || {
        info(&server, "connected_slaves:0").await.then_some(())
    })
    .await;
    assert_eq!(hasty.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
    let (key, owner) = (self::key(), claim());
    let begun = hasty.begin(&key, &owner).await.unwrap_err();
    assert_eq!(begun.kind(), StoreErrorKind::Timeout);
    let held = acquired(redis_at(server.address()).timeout(PATIENT).begin(&key, &owner).await);
    let finished = hasty.finish(&key, &owner, held, answer()).await.unwrap_err();
    assert_eq!(finished.kind(), StoreErrorKind::Timeout);
}

#[tokio::test]
async fn a_primary_that_wants_replicas_and_has_none_refuses() {
    let Some(server) = Redis::start(&["--min-replicas-to-write", "1"]) else { return };
    let store = redis_at(server.address()).timeout(PATIENT);
    let refused = store.begin(&key(), &claim()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
}
