//! When the store's own connection to Redis is made anew, and when not.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use resilience_core::idempotency::{Store, StoreErrorKind};
use tests::{
    proxy::{Proxy, Wire},
    servers::Redis,
};
use tokio::time::timeout;

use crate::subjects::{PATIENT, SECONDS, acquired, claim, key, redis_at};

async fn connections(server: &Redis) -> u64 {
    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("stats").query_async(&mut redis).await.unwrap();
    let received = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    received.unwrap().parse().unwrap()
}

/// However many wait for it.
#[tokio::test]
async fn an_attempt_that_failed_is_everybodys() {
    let Some(server) = Redis::start(&[]) else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.set(Wire::Stands);
    let store = redis_at(proxy.address()).timeout(PATIENT);
    // One after the other they would take 25 s.
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(&key(), &claim()).await })
        })
        .collect();
    let all = async {
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
    };
    timeout(SECONDS, all).await.expect("callers were kept waiting for each other");
    // But not of those who come later.
    proxy.set(Wire::Passes);
    acquired(store.begin(&key(), &claim()).await);
}

#[tokio::test]
async fn one_connection_is_enough_for_all() {
    let Some(server) = Redis::start(&[]) else { return };
    let before = connections(&server).await;
    let store = redis_at(server.address()).timeout(PATIENT);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(&key(), &claim()).await })
        })
        .collect();
    for caller in callers {
        acquired(caller.await.unwrap());
    }
    // Its own, and the one that counts.
    assert_eq!(connections(&server).await - before, 2);
}

/// A caller that goes away is no reason to believe that the server is gone, if it answers others.
#[tokio::test]
async fn a_connection_that_answers_is_kept() {
    let Some(server) = Redis::start(&[]) else { return };
    let store = redis_at(server.address()).timeout(PATIENT);
    acquired(store.begin(&key(), &claim()).await);
    let before = connections(&server).await;
    {
        let (key, claim) = (key(), claim());
        let mut leaves = pin!(store.begin(&key, &claim));
        poll_fn(|cx| {
            assert!(leaves.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        acquired(store.begin(&self::key(), &self::claim()).await);
    }
    acquired(store.begin(&key(), &claim()).await);
    assert_eq!(connections(&server).await - before, 1);
}

/// After a failover the old primary may still be there, and refuse; its name leads to the new one.
#[tokio::test]
async fn a_server_that_has_become_a_replica_is_left() {
    let (Some(old), Some(new)) = (Redis::start(&[]), Redis::start(&[])) else { return };
    let proxy = Proxy::start(old.address()).await.unwrap();
    let store = redis_at(proxy.address()).timeout(PATIENT);
    acquired(store.begin(&key(), &claim()).await);

    let client = redis::Client::open(old.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let port = new.address().port();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port).exec_async(&mut redis).await.unwrap();
    proxy.move_to(new.address());
    let refused = store.begin(&key(), &claim()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    acquired(store.begin(&key(), &claim()).await);
}
