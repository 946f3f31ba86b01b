//! What has gone wrong in other libraries, on each store.

use std::time::Duration;

use resilience_core::idempotency::{Begin, Finish, OnLostOwner, Release, Released, Renew, Store};
use tests::process::until;

use crate::subjects::{ANSWER, PATIENT, acquired, answer, claim, key, on_each_store, short_claim, take_over};

on_each_store! {
    trap_32_of_many_at_once_exactly_one_runs
    trap_32_of_many_who_take_over_exactly_one_runs
    trap_33_a_record_outlives_its_lease
    trap_34_nothing_of_a_lost_owner_is_accepted
}

const RACERS: usize = 32;

async fn trap_32_of_many_at_once_exactly_one_runs(store: &(impl Store + Clone)) {
    for _ in 0..5 {
        assert_eq!(race(store, key()).await, (1, RACERS - 1));
    }
}

async fn trap_32_of_many_who_take_over_exactly_one_runs(store: &(impl Store + Clone)) {
    for attempt in 2..5 {
        let key = key();
        for _ in 1..attempt {
            take_over(store, &key, &short_claim()).await;
        }
        assert_eq!(race(store, key).await, (attempt, RACERS - 1));
    }
}

/// The attempt of the one who got the record, and how many were told that somebody has it.
async fn race(store: &(impl Store + Clone), key: resilience_core::idempotency::RecordKey) -> (u32, usize) {
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(&key, &claim()).await.unwrap() })
        })
        .collect();
    let (mut winners, mut busy) = (Vec::new(), 0);
    for racer in racers {
        match racer.await.unwrap() {
            Begin::Acquired(held) => winners.push(held.attempt),
            Begin::Busy { .. } => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    (winners[0], busy)
}

/// Were there one time for both, the record would go with its claim, and the work be done twice without anybody noticing.
async fn trap_33_a_record_outlives_its_lease(store: &impl Store) {
    let (key, mut refusing) = (key(), claim());
    let first = short_claim();
    let held = acquired(store.begin(&key, &first).await);
    refusing.on_lost_owner = OnLostOwner::Refuse;
    let abandoned = async || match store.begin(&key, &refusing).await.unwrap() {
        Begin::Abandoned { attempt } => Some(attempt),
        Begin::Busy { .. } => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(until("a lease to be over", PATIENT, abandoned).await, 1);

    assert_eq!(store.finish(&key, &first, held, answer()).await.unwrap(), Finish::Ok);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
}

async fn trap_34_nothing_of_a_lost_owner_is_accepted(store: &impl Store) {
    let key = key();
    let (lost, owner) = (short_claim(), claim());
    let held = acquired(store.begin(&key, &lost).await);
    let taken = take_over(store, &key, &owner).await;
    assert_eq!(taken.attempt, 2);
    assert!(taken.fence > held.fence);

    assert_eq!(store.finish(&key, &lost, held, "lost".into()).await.unwrap(), Finish::Lost { winner: None });
    assert_eq!(store.renew(&key, &lost, held).await.unwrap(), Renew::Lost);
    for how in [Release::Delete, Release::Abandon] {
        assert_eq!(store.release(&key, lost.owner, how).await.unwrap(), Released::Lost);
    }
    assert!(matches!(store.begin(&key, &lost).await.unwrap(), Begin::Busy { attempt: 2, .. }));
    assert_eq!(store.renew(&key, &owner, taken).await.unwrap(), Renew::Ok);
    assert_eq!(store.finish(&key, &owner, taken, answer()).await.unwrap(), Finish::Ok);

    let winner = Some(ANSWER.into());
    assert_eq!(store.finish(&key, &lost, held, "lost".into()).await.unwrap(), Finish::Lost { winner });
    assert_eq!(store.renew(&key, &lost, held).await.unwrap(), Renew::Lost);
    for how in [Release::Delete, Release::Abandon] {
        assert_eq!(store.release(&key, lost.owner, how).await.unwrap(), Released::Lost);
        assert_eq!(store.release(&key, owner.owner, how).await.unwrap(), Released::Lost);
    }
    assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
}
