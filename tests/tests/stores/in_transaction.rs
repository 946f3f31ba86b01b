//! The work and its record in one transaction of PostgreSQL.

use std::time::Duration;

use resilience_core::idempotency::{Begin, Claim, Finish, Held, RecordKey, Store};
use resilience_stores::postgres::{FINISH, Pool, PostgresStore};
use tests::{process::until, servers::Postgres};
use tokio_postgres::Client;

use crate::subjects::{
    OnPostgres, OnSqlx, PATIENT, Subject as _, acquired, answer, claim, key, migrate, short_claim, take_over,
};

const CHARGES: &str = "CREATE TABLE charges (cents integer NOT NULL)";
const CHARGE: &str = "INSERT INTO charges VALUES (100)";

async fn charges(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM charges", &[]).await.unwrap().get(0)
}

/// One charge, and its record, together or not at all.
async fn charge(
    client: &mut Client,
    store: &PostgresStore<Pool>,
    key: &RecordKey,
    claim: &Claim,
    held: Held,
) -> Finish {
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(CHARGE, &[]).await.unwrap();
    let finish = store.finish_in(&mut transaction, key, claim, held, answer()).await.unwrap();
    match finish {
        Finish::Lost { .. } => transaction.rollback().await.unwrap(),
        _ => transaction.commit().await.unwrap(),
    }
    finish
}

async fn shop() -> Option<(Postgres, PostgresStore<Pool>, Client)> {
    let OnPostgres { server, store } = OnPostgres::start().await?;
    let store = store.lock_wait(Duration::from_millis(50));
    migrate(&server, CHARGES).await;
    let client = server.client().await;
    Some((server, store, client))
}

#[tokio::test]
async fn trap_34_a_lost_owner_is_rolled_back() {
    let Some((_server, store, mut client)) = shop().await else { return };
    let (key, lost, owner) = (key(), short_claim(), claim());
    let held = acquired(store.begin(&key, &lost).await);
    let taken = take_over(&store, &key, &owner).await;

    // Before the other has finished, and after.
    assert_eq!(charge(&mut client, &store, &key, &lost, held).await, Finish::Lost { winner: None });
    assert_eq!(charges(&client).await, 0);
    assert_eq!(charge(&mut client, &store, &key, &owner, taken).await, Finish::Ok);
    let winner = Some(answer());
    assert_eq!(charge(&mut client, &store, &key, &lost, held).await, Finish::Lost { winner });
    assert_eq!(charges(&client).await, 1);
    // The layer finds it finished.
    assert_eq!(store.finish(&key, &owner, taken, "another".into()).await.unwrap(), Finish::Ok);
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
}

#[tokio::test]
async fn a_connection_that_dies_in_the_transaction_leaves_nothing() {
    let Some((server, store, mut client)) = shop().await else { return };
    let (key, owner) = (key(), claim());
    let held = acquired(store.begin(&key, &owner).await);
    let id: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(CHARGE, &[]).await.unwrap();
    assert_eq!(store.finish_in(&mut transaction, &key, &owner, held, answer()).await.unwrap(), Finish::Ok);

    let other = server.client().await;
    let killed: bool =
        other.query_one("SELECT pg_terminate_backend($1, 10000)", &[&id]).await.unwrap().get(0);
    assert!(killed);
    transaction.commit().await.unwrap_err();
    assert_eq!(charges(&other).await, 0);
    assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { attempt: 1, .. }));
    // It is still its owner's, who may try again.
    let mut client = other;
    assert_eq!(charge(&mut client, &store, &key, &owner, held).await, Finish::Ok);
    assert_eq!(charges(&client).await, 1);
}

/// A record that was reaped or deleted is made again in the transaction, and nobody gets it before that ends.
#[tokio::test]
async fn a_record_that_is_gone_is_made_again_in_the_transaction() {
    let Some((server, store, mut client)) = shop().await else { return };
    let (key, owner) = (key(), claim());
    let held = acquired(store.begin(&key, &owner).await);
    migrate(&server, "TRUNCATE resilience_idempotency").await;
    let mut transaction = client.transaction().await.unwrap();
    let finish = store.finish_in(&mut transaction, &key, &owner, held, answer()).await.unwrap();
    assert_eq!(finish, Finish::Healed);
    assert!(matches!(store.begin(&key, &claim()).await.unwrap(), Begin::Busy { attempt: 1, .. }));
    transaction.commit().await.unwrap();
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
}

#[tokio::test]
async fn the_statement_does_by_itself() {
    let Some((_server, store, mut client)) = shop().await else { return };
    let (key, owner) = (key(), claim());
    acquired(store.begin(&key, &owner).await);
    let finish = async |client: &mut Client, owner: &Claim| {
        let (key, owner) = (key.as_bytes().as_slice(), owner.owner.as_bytes().as_slice());
        client.execute(FINISH, &[&key, &owner, &answer().as_ref()]).await.unwrap()
    };
    assert_eq!(finish(&mut client, &claim()).await, 0);
    assert_eq!(finish(&mut client, &owner).await, 1);
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
}

#[tokio::test]
async fn it_changes_no_setting_of_the_transaction() {
    let Some((_server, store, mut client)) = shop().await else { return };
    let (key, owner) = (key(), claim());
    let held = acquired(store.begin(&key, &owner).await);
    let mut transaction = client.transaction().await.unwrap();
    store.finish_in(&mut transaction, &key, &owner, held, answer()).await.unwrap();
    let lock_timeout: String = transaction.query_one("SHOW lock_timeout", &[]).await.unwrap().get(0);
    assert_eq!(lock_timeout, "0");
}

#[tokio::test]
async fn with_sqlx_as_well() {
    let Some(OnSqlx { server, pool, store }) = OnSqlx::start().await else { return };
    migrate(&server, CHARGES).await;
    let client = server.client().await;
    let (key, lost, owner) = (key(), short_claim(), claim());
    let held = acquired(store.begin(&key, &lost).await);
    let taken = take_over(&store, &key, &owner).await;

    let mut transaction = pool.begin().await.unwrap();
    sqlx::query(CHARGE).execute(&mut *transaction).await.unwrap();
    let late = store.finish_in(&mut *transaction, &key, &lost, held, answer()).await.unwrap();
    assert_eq!(late, Finish::Lost { winner: None });
    transaction.rollback().await.unwrap();

    let mut transaction = pool.begin().await.unwrap();
    sqlx::query(CHARGE).execute(&mut *transaction).await.unwrap();
    let finish = store.finish_in(&mut *transaction, &key, &owner, taken, answer()).await.unwrap();
    assert_eq!(finish, Finish::Ok);
    transaction.commit().await.unwrap();
    assert_eq!(charges(&client).await, 1);
    let done = async || match store.begin(&key, &claim()).await.unwrap() {
        Begin::Done(response) => Some(response),
        _ => None,
    };
    assert_eq!(until("the commit", PATIENT, done).await, answer());
}
