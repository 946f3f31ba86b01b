//! A server that is down, stopped, or cut off: callers are told so, in time, and served again when it is back.

use std::{num::NonZeroUsize, time::Duration};

use resilience_core::idempotency::{Begin, Claim, Held, Release, Store, StoreErrorKind};
use resilience_stores::postgres::{Pool, PostgresStore};
use tests::{
    faults::Refusing,
    process::until,
    proxy::{Proxy, Wire},
    servers::{self, Postgres, Redis},
};
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::subjects::{
    PATIENT, SECONDS, acquired, answer, claim, key, migrate, postgres_at, redis_at, short_claim, take_over,
};

/// What all four operations fail with: not one of them may say that it was done, nor take seconds to say anything.
async fn fails(store: &impl Store, kinds: &[StoreErrorKind]) {
    let (key, claim, held) = (key(), claim(), Held::new(1, 1));
    let failures = async {
        [
            store.begin(&key, &claim).await.unwrap_err(),
            store.renew(&key, &claim, held).await.unwrap_err(),
            store.finish(&key, &claim, held, answer()).await.unwrap_err(),
            store.release(&key, claim.owner, Release::Delete).await.unwrap_err(),
        ]
    };
    for failure in timeout(4 * SECONDS, failures).await.expect("callers were kept waiting") {
        assert!(kinds.contains(&failure.kind()), "{failure:?}");
    }
}

/// A hundred callers at once are answered as soon as one is.
async fn fails_at_once_for_many<S: Store + Clone>(store: &S) {
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(&key(), &claim()).await.unwrap_err() })
        })
        .collect();
    let all = async {
        for caller in callers {
            caller.await.unwrap();
        }
    };
    timeout(SECONDS, all).await.expect("callers were kept waiting");
}

/// A caller may meet a connection that broke in the meantime; then it is served.
async fn serves_again(store: &impl Store) {
    let (key, claim) = (key(), claim());
    let begins = async || store.begin(&key, &claim).await.ok();
    assert!(
        matches!(until("the store to be back", PATIENT, begins).await, Begin::Acquired(held) if held.attempt == 1)
    );
}

async fn trap_38_a_server_that_is_down<S: Store + Clone>(at: impl Fn(std::net::SocketAddr) -> S) {
    let nobody = Refusing::take().unwrap();
    let store = at(nobody.host().parse().unwrap());
    fails(&store, &[StoreErrorKind::Unavailable]).await;
    fails_at_once_for_many(&store).await;
}

async fn trap_38_a_wire_that_is_cut<S: Store + Clone>(store: &S, proxy: &Proxy) {
    use StoreErrorKind::{Timeout, Unavailable};
    serves_again(store).await;

    proxy.set(Wire::Refuses);
    proxy.cut();
    fails(store, &[Timeout, Unavailable]).await;
    fails_at_once_for_many(store).await;
    proxy.set(Wire::Passes);
    serves_again(store).await;

    // New connections are made, and nothing comes through them.
    proxy.set(Wire::Stands);
    fails(store, &[Timeout, Unavailable]).await;
    fails_at_once_for_many(store).await;
    proxy.set(Wire::Passes);
    serves_again(store).await;

    // A connection that was silently lost is not asked for ever.
    proxy.set(Wire::LosesAnswers);
    fails(store, &[Timeout, Unavailable]).await;
    proxy.set(Wire::Passes);
    serves_again(store).await;
}

/// One caller finds out that the way is gone, and no other.
async fn trap_38_connections_that_were_silently_lost(store: &impl Store, proxy: &Proxy) {
    // Several connections, of a store that has several.
    let some = [(); 6].map(|()| (key(), claim()));
    let [a, b, c, d, e, f] = some.each_ref().map(|(key, claim)| store.begin(key, claim));
    let begun = tokio::join!(a, b, c, d, e, f);
    assert!(begun.0.is_ok() && begun.1.is_ok() && begun.5.is_ok());

    proxy.silence();
    let lost = timeout(SECONDS, store.begin(&key(), &claim())).await.expect("a caller was kept waiting");
    assert_eq!(lost.unwrap_err().kind(), StoreErrorKind::Timeout);
    acquired(store.begin(&key(), &claim()).await);
}

/// Connections that are known to be closed are not tried one after the other.
async fn connections_that_were_closed_are_left(store: &impl Store, proxy: &Proxy) {
    let some = [(); 6].map(|()| (key(), claim()));
    let [a, b, c, d, e, f] = some.each_ref().map(|(key, claim)| store.begin(key, claim));
    let begun = tokio::join!(a, b, c, d, e, f);
    assert!(begun.0.is_ok() && begun.1.is_ok() && begun.5.is_ok());

    proxy.cut();
    let mut failures = 0;
    while store.begin(&key(), &claim()).await.is_err() {
        failures += 1;
    }
    // That they are closed may not have been noticed at once.
    assert!(failures <= 1, "{failures} callers met a closed connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_redis_behind_a_wire_that_is_silently_lost() {
    let Some(server) = Redis::start(&[]) else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = redis_at(proxy.address()).timeout(2 * SECONDS / 5);
    trap_38_connections_that_were_silently_lost(&store, &proxy).await;
    connections_that_were_closed_are_left(&store, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_postgres_behind_a_wire_that_is_silently_lost() {
    let Some(server) = Postgres::start(&[]).await else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = postgres_at(proxy.address()).timeout(2 * SECONDS / 5);
    migrate(&server, store.migration()).await;
    trap_38_connections_that_were_silently_lost(&store, &proxy).await;
    connections_that_were_closed_are_left(&store, &proxy).await;
}

/// Who got no connection has sent nothing, and need not wonder.
#[tokio::test]
async fn whoever_waits_for_a_connection_is_told_that_nothing_was_sent() {
    let Some(server) = Postgres::start(&[]).await else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let pool = Pool::new(servers::postgres::config(proxy.address()), NoTls).size(NonZeroUsize::MIN);
    let store = PostgresStore::new(pool).timeout(SECONDS);
    migrate(&server, store.migration()).await;
    acquired(store.begin(&key(), &claim()).await);

    let store = store.timeout(Duration::from_millis(500));
    proxy.set(Wire::Stands);
    let (keys, claims) = ([key(), key()], [claim(), claim()]);
    let (sent, waits) = tokio::join!(store.begin(&keys[0], &claims[0]), store.begin(&keys[1], &claims[1]));
    assert_eq!(sent.unwrap_err().kind(), StoreErrorKind::Timeout);
    assert_eq!(waits.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

/// A reply is lost: the operation was carried out, and may be sent again.
async fn an_answer_that_was_lost(store: &impl Store, proxy: &Proxy) {
    let (key, claim, known) = (key(), claim(), self::key());
    // The server knows both scripts: else the answer that is lost is that it does not.
    let begun = again(async || store.begin(&known, &claim).await.ok()).await;
    assert!(matches!(begun, Begin::Acquired(_)));
    again(async || store.finish(&known, &claim, Held::new(1, 1), answer()).await.ok()).await;

    proxy.set(Wire::LosesAnswers);
    assert_eq!(store.begin(&key, &claim).await.unwrap_err().kind(), StoreErrorKind::Timeout);
    proxy.set(Wire::Passes);
    let held = again(async || store.begin(&key, &claim).await.ok()).await;
    let Begin::Acquired(held) = held else { panic!("{held:?}") };
    assert_eq!(held.attempt, 1);

    proxy.set(Wire::LosesAnswers);
    assert_eq!(store.finish(&key, &claim, held, answer()).await.unwrap_err().kind(), StoreErrorKind::Timeout);
    proxy.set(Wire::Passes);
    again(async || store.finish(&key, &claim, held, "another".into()).await.ok()).await;
    assert_eq!(store.begin(&key, &self::claim()).await.unwrap(), Begin::Done(answer()));
}

async fn again<T>(ask: impl AsyncFnMut() -> Option<T>) -> T {
    until("the store to be back", PATIENT, ask).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_redis_that_is_down() {
    trap_38_a_server_that_is_down(redis_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_postgres_that_is_down() {
    trap_38_a_server_that_is_down(postgres_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_redis_behind_a_wire_that_is_cut() {
    let Some(server) = Redis::start(&[]) else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = redis_at(proxy.address());
    trap_38_a_wire_that_is_cut(&store, &proxy).await;
    an_answer_that_was_lost(&store, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_postgres_behind_a_wire_that_is_cut() {
    let Some(server) = Postgres::start(&[]).await else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = postgres_at(proxy.address());
    migrate(&server, store.migration()).await;
    trap_38_a_wire_that_is_cut(&store, &proxy).await;
    an_answer_that_was_lost(&store, &proxy).await;
}

/// A stopped server carries out later what it was sent; only one owner comes of it.
async fn stopped_for_longer_than_a_lease(store: &impl Store, stop: impl Fn(), go_on: impl Fn()) {
    let key = key();
    let mut lost: Claim = short_claim();
    lost.lease = Duration::from_millis(100);
    let held = acquired(store.begin(&key, &lost).await);

    stop();
    let owner = claim();
    tokio::time::sleep(2 * lost.lease).await;
    let refused = timeout(SECONDS, store.begin(&key, &owner)).await.expect("a caller was kept waiting");
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Timeout);
    fails(store, &[StoreErrorKind::Timeout, StoreErrorKind::Unavailable]).await;
    go_on();

    let taken = take_over(store, &key, &owner).await;
    assert_eq!(taken.attempt, 2);
    assert!(taken.fence > held.fence);
    assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { attempt: 2, .. }));
    let late = store.finish(&key, &lost, held, answer()).await.unwrap();
    assert_eq!(late, resilience_core::idempotency::Finish::Lost { winner: None });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_redis_stopped_for_longer_than_a_lease() {
    let Some(server) = Redis::start(&[]) else { return };
    let store = redis_at(server.address());
    let process = server.process();
    stopped_for_longer_than_a_lease(&store, || process.signal("STOP"), || process.signal("CONT")).await;
}

/// The process that is stopped is the one that the store's connection talks to: its pool has a single one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_38_postgres_stopped_for_longer_than_a_lease() {
    let Some(server) = Postgres::start(&[]).await else { return };
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = postgres_at(proxy.address());
    migrate(&server, store.migration()).await;
    // All its processes at once are behind this wire.
    let (stop, go_on) = (|| proxy.set(Wire::Stands), || proxy.set(Wire::Passes));
    stopped_for_longer_than_a_lease(&store, stop, go_on).await;
}

/// As long as the server is not there, and then is: a process need not be started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lets_nobody_in_is_asked_again() {
    let Some(server) = Redis::start(&["--requirepass", "other"]) else { return };
    let store =
        resilience_stores::redis::RedisStore::connect(&format!("redis://:secret@{}/", server.address()));
    let store = store.unwrap();
    fails(&store, &[StoreErrorKind::Unavailable]).await;

    let client = redis::Client::open(format!("redis://:other@{}/", server.address())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let set = redis::cmd("CONFIG").arg(&["SET", "requirepass", "secret"]).exec_async(&mut connection).await;
    set.unwrap();
    serves_again(&store).await;
}
