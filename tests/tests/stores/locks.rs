//! Whoever wants to take a record over that a transaction is about to finish.

use std::{sync::Arc, time::Duration};

use resilience_core::idempotency::{
    Begin, Claim, Finish, Held, OnLostOwner, RecordKey, Renew, Store, StoreErrorKind,
};
use resilience_stores::postgres::{Connection, Failure, Pool, PostgresStore, Row, Value};
use tests::process::until;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::subjects::{
    OnPostgres, PATIENT, Subject as _, acquired, answer, claim, key, short_claim, take_over,
};

/// Returns when somebody waits for a lock.
async fn somebody_waits(client: &Client) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let waiting = async || (client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(());
    until("somebody to wait for a lock", PATIENT, waiting).await;
}

fn begins(store: &PostgresStore<Pool>, key: RecordKey) -> JoinHandle<Begin> {
    begins_with(store, key, claim())
}

fn begins_with(store: &PostgresStore<Pool>, key: RecordKey, claim: Claim) -> JoinHandle<Begin> {
    let store = store.clone();
    tokio::spawn(async move { store.begin(&key, &claim).await.unwrap() })
}

#[tokio::test]
async fn whoever_would_take_it_over_is_told_that_it_is_busy() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let store = store.lock_wait(Duration::from_millis(50));
    let (key, first, owner) = (key(), short_claim(), short_claim());
    acquired(store.begin(&key, &first).await);
    let held = take_over(&store, &key, &owner).await;
    let mut client = server.client().await;
    let mut transaction = client.transaction().await.unwrap();
    assert_eq!(store.finish_in(&mut transaction, &key, &owner, held, answer()).await.unwrap(), Finish::Ok);

    // It is over its lease, but not to be had: with the attempt that can be seen, and a time after which to ask again.
    let begun = store.begin(&key, &claim()).await.unwrap();
    assert_eq!(begun, Begin::Busy { retry_in: Duration::from_millis(50), attempt: 2 });
    // The others do not wait for ever, either, and say that they did nothing.
    let renewed = store.renew(&key, &owner, held).await.unwrap_err();
    assert_eq!(renewed.kind(), StoreErrorKind::Unavailable);
    let released = store.release(&key, owner.owner, resilience_core::idempotency::Release::Delete).await;
    assert_eq!(released.unwrap_err().kind(), StoreErrorKind::Unavailable);

    transaction.commit().await.unwrap();
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
    assert_eq!(store.renew(&key, &owner, held).await.unwrap(), Renew::Lost);
}

#[tokio::test]
async fn whoever_waits_gets_the_answer_or_the_record() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let store = store.timeout(2 * PATIENT).lock_wait(PATIENT);
    let (mut client, watcher) = (server.client().await, server.client().await);
    for commits in [true, false] {
        let (key, owner) = (key(), short_claim());
        let held = acquired(store.begin(&key, &owner).await);
        let mut transaction = client.transaction().await.unwrap();
        store.finish_in(&mut transaction, &key, &owner, held, answer()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let waiter = begins(&store, key);
        somebody_waits(&watcher).await;
        if commits {
            transaction.commit().await.unwrap();
            assert_eq!(waiter.await.unwrap(), Begin::Done(answer()));
        } else {
            transaction.rollback().await.unwrap();
            let begun = waiter.await.unwrap();
            assert!(
                matches!(begun, Begin::Acquired(taken) if taken.attempt == 2 && taken.fence > held.fence)
            );
        }
    }
}

/// Two who wait for the same lock: the first gets the record, the second finds it taken, though it looked free to both.
#[tokio::test]
async fn of_those_who_wait_one_gets_it() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let store = store.timeout(2 * PATIENT).lock_wait(PATIENT);
    let (mut client, watcher) = (server.client().await, server.client().await);
    let (key, owner) = (key(), short_claim());
    let held = acquired(store.begin(&key, &owner).await);
    let mut transaction = client.transaction().await.unwrap();
    store.finish_in(&mut transaction, &key, &owner, held, answer()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let waiters: Vec<_> = (0..6).map(|_| begins(&store, key)).collect();
    somebody_waits(&watcher).await;
    transaction.rollback().await.unwrap();
    let (mut acquired, mut busy) = (0, 0);
    for waiter in waiters {
        match waiter.await.unwrap() {
            Begin::Acquired(held) => acquired += held.attempt - 1,
            Begin::Busy { attempt: 2, .. } => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((acquired, busy), (1, 5));
}

/// What was seen is asked again when the lock is there: meanwhile the key may have been used, for something else even.
#[tokio::test]
async fn whoever_waits_is_told_what_it_then_finds() {
    const INSERT: &str = "INSERT INTO resilience_idempotency \
        (key, state, fingerprint, owner, attempt, fence, lease_until, expires_at) \
        VALUES ($1, 0, $2, $3, 1, 1, now(), now() + interval '1 hour')";
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let store = store.timeout(2 * PATIENT).lock_wait(PATIENT);
    let (mut client, watcher) = (server.client().await, server.client().await);
    let (taking, mut refusing) = (claim(), claim());
    refusing.on_lost_owner = OnLostOwner::Refuse;
    let abandoned = Begin::Abandoned { attempt: 1 };
    for (claim, fingerprint, told) in [(taking, [8_u8; 32], Begin::Mismatch), (refusing, [7; 32], abandoned)]
    {
        let key = key();
        let transaction = client.transaction().await.unwrap();
        let (name, fingerprint, owner) =
            (key.as_bytes().as_slice(), fingerprint.as_slice(), [1_u8; 16].as_slice());
        transaction.execute(INSERT, &[&name, &fingerprint, &owner]).await.unwrap();
        let waiter = begins_with(&store, key, claim);
        somebody_waits(&watcher).await;
        transaction.commit().await.unwrap();
        assert_eq!(waiter.await.unwrap(), told);
    }
}

/// Between two statements of its owner's `finish` the record is made again, by a renewal.
struct Meddles {
    client: Arc<Client>,
    store: PostgresStore<Pool>,
    record: (RecordKey, Claim, Held),
    statements: u32,
}

impl Connection for Meddles {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        self.statements += 1;
        if self.statements == 2 {
            let (key, claim, held) = &self.record;
            assert_eq!(self.store.renew(key, claim, *held).await.unwrap(), Renew::Healed);
        }
        (&*self.client).row(statement, values).await
    }
}

#[tokio::test]
async fn an_owner_does_not_lose_its_record_to_itself() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let (key, owner, held) = (key(), claim(), Held::new(1, 1));
    let client = Arc::new(server.client().await);
    let record = (key, owner.clone(), held);
    let mut meddles = Meddles { client, store: store.clone(), record, statements: 0 };
    let finish = store.finish_in(&mut meddles, &key, &owner, held, answer()).await.unwrap();
    assert_eq!((finish, meddles.statements), (Finish::Ok, 3));
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
}

/// A database where every transaction is serializable: a race is a failure there, and tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_runs_where_transactions_are_serializable() {
    let settings = ["default_transaction_isolation=serializable"];
    let Some(OnPostgres { server: _server, store }) = OnPostgres::start_with(&settings).await else { return };
    for _ in 0..5 {
        let key = key();
        let racers: Vec<_> = (0..16).map(|_| begins(&store, key)).collect();
        let mut acquired = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Begin::Acquired(_) => acquired += 1,
                Begin::Busy { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(acquired, 1);
    }
}
