//! A server that crashes and comes back with what it has acknowledged, and one that has forgotten it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use resilience_core::idempotency::{Begin, Claim, Finish, RecordKey, Renew, Store};
use tests::{
    process::until,
    proxy::Proxy,
    servers::{Postgres, Redis},
};
use tokio::{task::JoinHandle, time::timeout};

use crate::subjects::{
    OnRedis, PATIENT, SECONDS, Subject as _, acquired, answer, claim, key, migrate, postgres_at, redis_at,
    take_over,
};

/// What a store has acknowledged.
#[derive(Debug)]
struct Acknowledged {
    key: RecordKey,
    finished: Option<Bytes>,
}

#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Load {
    /// Returns when there is something to lose.
    async fn has_begun(&self) {
        let enough = async || (self.acknowledged.load(Ordering::SeqCst) >= 100).then_some(());
        until("some records", 2 * PATIENT, enough).await;
    }
}

/// Claims records and finishes every other one until it is told to stop.
fn begin_load<S: Store + Clone>(store: &S, load: &Arc<Load>) -> Vec<JoinHandle<Vec<Acknowledged>>> {
    let worker = |store: S, load: Arc<Load>| async move {
        let mut acknowledged = Vec::new();
        while !load.stop.load(Ordering::SeqCst) {
            let (key, claim) = (key(), claim());
            let call = timeout(SECONDS, store.begin(&key, &claim));
            let Ok(begun) = call.await.expect("a caller was kept waiting") else { continue };
            let Begin::Acquired(held) = begun else { panic!("{begun:?}") };
            let mut finished = None;
            if acknowledged.len() % 2 == 0 {
                let response = Bytes::copy_from_slice(key.as_bytes());
                let call = timeout(SECONDS, store.finish(&key, &claim, held, response.clone()));
                match call.await.expect("a caller was kept waiting") {
                    Ok(Finish::Ok) => finished = Some(response),
                    Ok(other) => panic!("{other:?}"),
                    // It may be there or not.
                    Err(_) => continue,
                }
            }
            acknowledged.push(Acknowledged { key, finished });
            load.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        acknowledged
    };
    (0..4).map(|_| tokio::spawn(worker(store.clone(), Arc::clone(load)))).collect()
}

async fn nothing_is_lost(store: &impl Store, workers: Vec<JoinHandle<Vec<Acknowledged>>>) {
    for worker in workers {
        for Acknowledged { key, finished } in worker.await.unwrap() {
            let claim = claim();
            let found =
                until("the store to be back", PATIENT, async || store.begin(&key, &claim).await.ok()).await;
            match finished {
                Some(response) => assert_eq!(found, Begin::Done(response)),
                None => assert!(matches!(found, Begin::Busy { attempt: 1, .. }), "{found:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_with_an_append_only_file_loses_nothing_when_it_is_killed() {
    let Some(mut server) = Redis::start(&["--appendonly", "yes"]) else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = redis_at(proxy.address());
    let load = Arc::default();
    let workers = begin_load(&store, &load);
    load.has_begun().await;
    tokio::task::block_in_place(|| server.kill());
    load.stop.store(true, Ordering::SeqCst);
    tokio::task::block_in_place(|| server.restart());
    proxy.move_to(server.address());
    proxy.cut();
    nothing_is_lost(&store, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_loses_nothing_when_it_crashes() {
    let Some(mut server) = Postgres::start(&["fsync=on"]).await else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = postgres_at(proxy.address());
    migrate(&server, store.migration()).await;
    let load = Arc::default();
    let workers = begin_load(&store, &load);
    load.has_begun().await;
    server.crash_and_restart().await;
    load.stop.store(true, Ordering::SeqCst);
    proxy.move_to(server.address());
    proxy.cut();
    nothing_is_lost(&store, workers).await;
}

/// A server that has forgotten all: whoever is at work makes its record again.
#[tokio::test]
async fn a_record_that_was_flushed_is_made_again() {
    let Some(OnRedis { server, store }) = OnRedis::start().await else { return };
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut flush = async || redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    let (key, mut owner) = (key(), claim());
    owner.lease = Duration::ZERO;
    acquired(store.begin(&key, &owner).await);
    let owner: Claim = claim();
    let held = take_over(&store, &key, &owner).await;

    flush().await;
    assert_eq!(store.renew(&key, &owner, held).await.unwrap(), Renew::Healed);
    assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { attempt: 2, .. }));
    // With the attempt and the fence that it had.
    assert_eq!(acquired(store.begin(&key, &owner).await), held);

    flush().await;
    assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Healed);
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));

    // Who comes before that owns it, and has the greater fence.
    flush().await;
    let other = claim();
    let newer = acquired(store.begin(&key, &other).await);
    assert!(newer.fence > held.fence);
    assert_eq!(store.renew(&key, &owner, held).await.unwrap(), Renew::Lost);
    assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Lost { winner: None });
}
