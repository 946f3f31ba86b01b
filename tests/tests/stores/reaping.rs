//! What PostgreSQL keeps, and what the reaper deletes.

use std::time::Duration;

use resilience_core::idempotency::{
    Begin, Claim, Fingerprint, Finish, Held, Release, Released, Renew, Store,
};
use tests::process::until;
use tokio_postgres::Client;

use crate::subjects::{
    OnPostgres, PATIENT, SECONDS, Subject as _, acquired, answer, claim, key, migrate, short_claim,
};

async fn rows(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM resilience_idempotency", &[]).await.unwrap().get(0)
}

fn kept_for_nothing() -> Claim {
    let mut claim = claim();
    claim.retain = Duration::ZERO;
    claim
}

#[tokio::test]
async fn trap_35_only_what_was_kept_for_its_time_is_reaped() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let client = server.client().await;
    let (pending, stale, done, owner) = (key(), key(), key(), claim());
    acquired(store.begin(&pending, &owner).await);
    acquired(store.begin(&stale, &short_claim()).await);
    let held = acquired(store.begin(&done, &owner).await);
    assert_eq!(store.finish(&done, &owner, held, answer()).await.unwrap(), Finish::Ok);
    for _ in 0..5 {
        let (key, claim) = (key(), kept_for_nothing());
        let held = acquired(store.begin(&key, &claim).await);
        // Done or not makes no difference, nor does a lease that is not over.
        if store.finish(&key, &claim, held, answer()).await.unwrap() == Finish::Healed {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(rows(&client).await, 8);

    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.reap(2).await.unwrap(), 2);
    assert_eq!(rows(&client).await, 6);
    let (one, two) = tokio::join!(store.reap(1000), store.reap(1000));
    assert_eq!(one.unwrap() + two.unwrap(), 3);
    assert_eq!(store.reap(1000).await.unwrap(), 0);
    assert_eq!(rows(&client).await, 3);
    assert!(matches!(store.begin(&pending, &claim()).await.unwrap(), Begin::Busy { .. }));
    assert_eq!(acquired(store.begin(&stale, &claim()).await).attempt, 2);
    assert_eq!(store.begin(&done, &claim()).await.unwrap(), Begin::Done(answer()));
}

#[tokio::test]
async fn a_record_that_somebody_holds_is_left_for_the_next_time() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let mut client = server.client().await;
    acquired(store.begin(&key(), &kept_for_nothing()).await);
    let transaction = client.transaction().await.unwrap();
    let held = transaction.query("SELECT FROM resilience_idempotency FOR UPDATE", &[]).await.unwrap();
    acquired(store.begin(&key(), &kept_for_nothing()).await);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let reaped = tokio::time::timeout(SECONDS, store.reap(1000)).await.expect("it waits for a lock");
    assert_eq!((held.len(), reaped.unwrap()), (1, 1));
    transaction.commit().await.unwrap();
    assert_eq!(store.reap(1000).await.unwrap(), 1);
}

/// Whether it was reaped yet or not.
#[tokio::test]
async fn what_was_kept_for_its_time_is_gone() {
    let Some(OnPostgres { server: _server, store }) = OnPostgres::start().await else { return };
    let (key, mut first) = (key(), kept_for_nothing());
    let held = acquired(store.begin(&key, &first).await);
    tokio::time::sleep(Duration::from_millis(5)).await;
    for how in [Release::Delete, Release::Abandon] {
        assert_eq!(store.release(&key, first.owner, how).await.unwrap(), Released::Gone);
    }
    // Another request with the same key, by the same owner even: it is a new record.
    first.fingerprint = Fingerprint::from_bytes([8; 32]);
    first.retain = PATIENT;
    let again = acquired(store.begin(&key, &first).await);
    assert_eq!(again.attempt, 1);
    assert!(again.fence > held.fence);
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Mismatch);
    let mut other = claim();
    other.fingerprint = first.fingerprint;
    assert!(matches!(store.begin(&key, &other).await.unwrap(), Begin::Busy { attempt: 1, .. }));
    assert_eq!(store.reap(1).await.unwrap(), 0);
}

/// An owner that outlives its record makes it again, whoever had it in the meantime and was not reaped either.
#[tokio::test]
async fn what_has_expired_is_made_again_as_a_whole() {
    let Some(OnPostgres { server: _server, store }) = OnPostgres::start().await else { return };
    for finishes in [false, true] {
        let (key, owner, held) = (key(), claim(), Held::new(7, 1 << 40));
        let mut other = kept_for_nothing();
        (other.fingerprint, other.lease) = (Fingerprint::from_bytes([8; 32]), Duration::ZERO);
        let theirs = acquired(store.begin(&key, &other).await);
        store.finish(&key, &other, theirs, "theirs".into()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        if finishes {
            assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Healed);
            assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
        } else {
            assert_eq!(store.renew(&key, &owner, held).await.unwrap(), Renew::Healed);
            assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { attempt: 7, .. }));
            assert_eq!(acquired(store.begin(&key, &owner).await), held);
        }
        assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Ok);
    }
}

/// A record goes when its time is over, whatever was written to it in the meantime.
#[tokio::test]
async fn no_operation_keeps_a_record_for_longer() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    let client = server.client().await;
    let until = async || -> String {
        let kept = "SELECT expires_at::text FROM resilience_idempotency";
        client.query_one(kept, &[]).await.unwrap().get(0)
    };
    let (key, owner) = (key(), claim());
    let held = acquired(store.begin(&key, &owner).await);
    let first = until().await;
    acquired(store.begin(&key, &owner).await);
    assert_eq!(until().await, first);
    store.renew(&key, &owner, held).await.unwrap();
    assert_eq!(until().await, first);
    store.release(&key, owner.owner, Release::Abandon).await.unwrap();
    assert_eq!(until().await, first);
    let other = claim();
    let held = acquired(store.begin(&key, &other).await);
    assert_eq!(until().await, first);
    store.finish(&key, &other, held, answer()).await.unwrap();
    assert_eq!(until().await, first);
}

#[tokio::test]
async fn a_table_may_have_another_name_and_be_made_twice() {
    let Some(OnPostgres { server, store }) = OnPostgres::start().await else { return };
    migrate(&server, store.migration()).await;
    let other = store.clone().table("orders.keys");
    migrate(&server, "CREATE SCHEMA orders").await;
    migrate(&server, other.migration()).await;
    migrate(&server, other.migration()).await;
    let (key, owner) = (key(), claim());
    let held = acquired(other.begin(&key, &owner).await);
    assert_eq!(other.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Ok);
    acquired(store.begin(&key, &owner).await);
    assert_eq!(other.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
    assert_eq!(other.reap(1).await.unwrap(), 0);
}

/// No update of a living record touches an index: that would cost more than the update itself.
#[tokio::test]
async fn updates_stay_on_their_page() {
    let Some(OnPostgres { server, store }) = OnPostgres::start_with(&["autovacuum=off"]).await else {
        return;
    };
    for _ in 0..50 {
        let (key, owner) = (key(), claim());
        let held = acquired(store.begin(&key, &owner).await);
        store.renew(&key, &owner, held).await.unwrap();
        store.finish(&key, &owner, held, answer()).await.unwrap();
    }
    let client = server.client().await;
    let counted =
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'resilience_idempotency'";
    let all = async || {
        let row = client.query_one(counted, &[]).await.unwrap();
        let (updates, hot): (i64, i64) = (row.get(0), row.get(1));
        (updates == 100).then_some(hot)
    };
    assert_eq!(until("the statistics", PATIENT, all).await, 100);
}
