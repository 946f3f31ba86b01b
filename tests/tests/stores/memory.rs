//! A Redis that is full: it refuses, and forgets nothing; one that would forget says so when it is asked.

use resilience_core::idempotency::{Begin, Finish, Release, Released, Store, StoreErrorKind};
use resilience_stores::redis::Eviction;
use tests::servers::Redis;

use crate::subjects::{PATIENT, acquired, answer, claim, key, redis_at};

#[tokio::test]
async fn trap_35_a_full_server_keeps_what_is_claimed() {
    let Some(server) = Redis::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let store = redis_at(server.address()).timeout(PATIENT);
    assert_eq!(store.eviction().await.unwrap(), Eviction::Never);
    let (pending, done, given_up, owner) = (key(), key(), key(), claim());
    let held = acquired(store.begin(&pending, &owner).await);
    acquired(store.begin(&done, &owner).await);
    acquired(store.begin(&given_up, &owner).await);
    assert_eq!(store.finish(&done, &owner, held, answer()).await.unwrap(), Finish::Ok);

    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    // Less than an empty server takes.
    let mut limit = async |bytes: &str| {
        redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).exec_async(&mut redis).await.unwrap();
    };
    limit("100kb").await;

    assert_eq!(store.begin(&key(), &claim()).await.unwrap_err().kind(), StoreErrorKind::Full);
    let refused = store.finish(&pending, &owner, held, answer()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Full);
    assert!(matches!(store.begin(&pending, &claim()).await.unwrap(), Begin::Busy { .. }));
    assert_eq!(store.begin(&done, &claim()).await.unwrap(), Begin::Done(answer()));
    assert_eq!(store.release(&given_up, owner.owner, Release::Delete).await.unwrap(), Released::Ok);

    limit("0").await;
    assert_eq!(store.finish(&pending, &owner, held, answer()).await.unwrap(), Finish::Ok);
    acquired(store.begin(&key(), &claim()).await);
}

#[tokio::test]
async fn trap_35_a_server_that_evicts_says_so() {
    let Some(server) = Redis::start(&["--maxmemory-policy", "allkeys-lru"]) else { return };
    let store = redis_at(server.address()).timeout(PATIENT);
    let policy = "allkeys-lru".to_owned();
    assert_eq!(store.eviction().await.unwrap(), Eviction::Possible { policy });

    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let deny = redis::cmd("ACL").arg(&["SETUSER", "default", "-info"]).exec_async(&mut redis).await;
    deny.unwrap();
    assert_eq!(store.eviction().await.unwrap(), Eviction::Unknown);
}
