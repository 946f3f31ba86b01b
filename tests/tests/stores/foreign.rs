//! What is no record of ours in Redis: it is left as it is. And a record from a server whose clock was another.

use std::{ops::Range, time::Duration};

use redis::aio::MultiplexedConnection;
use resilience_core::idempotency::{
    Begin, Held, OnLostOwner, RecordKey, Release, Renew, Store, StoreErrorKind,
};
use tests::servers::Redis;

use crate::subjects::{OnRedis, Subject as _, acquired, answer, claim, key, redis_at, short_claim};

async fn connection(server: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

fn name(key: &RecordKey) -> String {
    let hexadecimal: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("idem:i1:{hexadecimal}")
}

/// What each operation says to it.
async fn all_refuse(store: &impl Store, key: &RecordKey, kind: StoreErrorKind) {
    let (claim, held) = (claim(), Held::new(1, 1));
    for failure in [
        store.begin(key, &claim).await.unwrap_err(),
        store.renew(key, &claim, held).await.unwrap_err(),
        store.finish(key, &claim, held, answer()).await.unwrap_err(),
        store.release(key, claim.owner, Release::Delete).await.unwrap_err(),
    ] {
        assert_eq!(failure.kind(), kind, "{failure:?}");
    }
}

#[tokio::test]
async fn what_is_no_record_is_corrupt_and_left_as_it_is() {
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let mut redis = connection(&server).await;
    let key = key();
    acquired(store.begin(&key, &claim()).await);
    let record: Vec<u8> = redis::cmd("GET").arg(name(&key)).query_async(&mut redis).await.unwrap();
    assert_eq!(record.len(), 78);

    let another_version = [b"2", &record[1..]].concat();
    let another_state = [&record[..1], b"x", &record[2..]].concat();
    let too_short = record[..77].to_vec();
    for value in [b"something else".to_vec(), another_version, another_state, too_short] {
        let _: () = redis::cmd("SET").arg(name(&key)).arg(&value).query_async(&mut redis).await.unwrap();
        all_refuse(&store, &key, StoreErrorKind::Corrupt).await;
        let left: Vec<u8> = redis::cmd("GET").arg(name(&key)).query_async(&mut redis).await.unwrap();
        assert_eq!(left, value);
    }

    let _: () = redis::cmd("DEL").arg(name(&key)).query_async(&mut redis).await.unwrap();
    let _: () = redis::cmd("LPUSH").arg(name(&key)).arg("an item").query_async(&mut redis).await.unwrap();
    all_refuse(&store, &key, StoreErrorKind::Corrupt).await;
    let left: i64 = redis::cmd("LLEN").arg(name(&key)).query_async(&mut redis).await.unwrap();
    assert_eq!(left, 1);
}

/// As an empty string reads like nothing at all.
#[tokio::test]
async fn an_empty_string_is_not_overwritten() {
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let mut redis = connection(&server).await;
    let (key, claim, held) = (key(), claim(), Held::new(1, 1));
    let _: () = redis::cmd("SET").arg(name(&key)).arg("").query_async(&mut redis).await.unwrap();
    for failure in [
        store.begin(&key, &claim).await.unwrap_err(),
        store.renew(&key, &claim, held).await.unwrap_err(),
        store.finish(&key, &claim, held, answer()).await.unwrap_err(),
    ] {
        assert_eq!(failure.kind(), StoreErrorKind::Corrupt);
    }
}

/// Adds to the number at this place of a record.
async fn set_ahead(redis: &mut MultiplexedConnection, key: &RecordKey, place: Range<usize>, by: u64) -> u64 {
    let mut record = get(redis, key).await;
    let then = u64::from_be_bytes(record[place.clone()].try_into().unwrap()) + by;
    record[place].copy_from_slice(&then.to_be_bytes());
    redis::cmd("SET").arg(name(key)).arg(&record).arg("KEEPTTL").exec_async(redis).await.unwrap();
    then
}

async fn get(redis: &mut MultiplexedConnection, key: &RecordKey) -> Vec<u8> {
    redis::cmd("GET").arg(name(key)).query_async(redis).await.unwrap()
}

/// The server's clock was an hour ahead when the record was claimed, and is not any more.
#[tokio::test]
async fn a_clock_that_was_set_back_keeps_nobody_waiting_for_longer_than_a_lease() {
    const FENCE: Range<usize> = 6..14;
    const LEASE_UNTIL: Range<usize> = 14..22;
    const HOUR: u64 = 3_600_000;
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let mut redis = connection(&server).await;
    let (key, mut first) = (key(), claim());
    first.lease = Duration::from_secs(20);
    let held = acquired(store.begin(&key, &first).await);
    assert_eq!(get(&mut redis, &key).await[FENCE], held.fence.to_be_bytes());
    let busy = async || match store.begin(&key, &claim()).await.unwrap() {
        Begin::Busy { retry_in, attempt: 1 } => retry_in,
        other => panic!("{other:?}"),
    };

    let fence = set_ahead(&mut redis, &key, FENCE, 1000 * HOUR).await;
    let ahead = set_ahead(&mut redis, &key, LEASE_UNTIL, HOUR).await;
    let retry_in = busy().await;
    assert!(retry_in <= first.lease && retry_in > Duration::ZERO, "{retry_in:?}");
    // It was written down: the next one does not begin to wait anew.
    assert_ne!(get(&mut redis, &key).await[LEASE_UNTIL], ahead.to_be_bytes());
    assert!(busy().await <= retry_in);

    // The lease is the one that was asked for last.
    first.lease = Duration::from_secs(10);
    assert_eq!(store.renew(&key, &first, held).await.unwrap(), Renew::Ok);
    set_ahead(&mut redis, &key, LEASE_UNTIL, HOUR).await;
    assert!(busy().await <= first.lease);

    store.release(&key, first.owner, Release::Abandon).await.unwrap();
    assert_eq!(acquired(store.begin(&key, &claim()).await).fence, fence + 1);
}

/// So that of two servers which both believe to be the primary, the one that goes on gives out the greater fences.
#[tokio::test]
async fn a_fence_is_the_time_of_the_claim() {
    let Some(OnRedis { server: _server, store }) = OnRedis::start().await else { return };
    let (key, first) = (key(), claim());
    let held = acquired(store.begin(&key, &first).await);
    store.release(&key, first.owner, Release::Abandon).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let next = acquired(store.begin(&key, &claim()).await);
    assert!(next.fence >= held.fence + 5_000, "{} after {}", next.fence, held.fence);
}

/// A server for several programs: each has keys of its own.
#[tokio::test]
async fn stores_with_other_prefixes_have_other_records() {
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let (key, claim) = (key(), claim());
    let other = redis_at(server.address()).prefix("shop:orders");
    acquired(store.begin(&key, &claim).await);
    acquired(other.begin(&key, &self::claim()).await);
    let mut redis = connection(&server).await;
    let mut names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    names.sort_unstable();
    assert_eq!(names, [name(&key), name(&key).replace("idem:", "shop:orders:")]);
}

/// A record goes when its time is over, whatever was written to it in the meantime.
#[tokio::test]
async fn no_operation_keeps_a_record_for_longer() {
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let mut redis = connection(&server).await;
    let (key, mut owner) = (key(), short_claim());
    owner.retain = Duration::from_secs(100);
    let held = acquired(store.begin(&key, &owner).await);
    let set = redis::cmd("PEXPIRE").arg(name(&key)).arg(50_000).exec_async(&mut redis).await;
    set.unwrap();
    let mut kept =
        async || -> i64 { redis::cmd("PTTL").arg(name(&key)).query_async(&mut redis).await.unwrap() };
    acquired(store.begin(&key, &owner).await);
    assert!((1..=50_000).contains(&kept().await));
    store.renew(&key, &owner, held).await.unwrap();
    assert!((1..=50_000).contains(&kept().await));
    store.release(&key, owner.owner, Release::Abandon).await.unwrap();
    assert!((1..=50_000).contains(&kept().await));
    owner = claim();
    let held = acquired(store.begin(&key, &owner).await);
    assert!((1..=50_000).contains(&kept().await));
    store.finish(&key, &owner, held, answer()).await.unwrap();
    assert!((1..=50_000).contains(&kept().await));
    assert_eq!(owner.on_lost_owner, OnLostOwner::TakeOver);
}
