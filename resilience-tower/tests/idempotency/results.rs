//! How results and releases get into the store when it fails.

use std::time::Duration;

use bytes::Bytes;
use resilience_core::idempotency::{Begin, Claim, Ending, Owner, RecordKey, Store, StoreErrorKind};
use resilience_tower::idempotency::{Refused, RunError, Seal, Settings};

use crate::script::{ASKED, Case, Do, KEY, MS, OTHER, Op, SECOND, done, first, now, replayed};

#[tokio::test(start_paused = true)]
async fn a_caller_waits_once_for_a_store_that_hangs_and_the_result_is_stored_later() {
    let case = Case::new(Settings::new());
    case.store.next(Op::Finish, [Do::Hang, Do::Hang]);
    let start = now();
    assert_eq!(done(case.run(KEY, SECOND).await), first(1));
    assert_eq!(now() - start, SECOND + 500 * MS);
    assert_eq!(case.heard.take(), [Ending::StoreError]);
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));

    let drained = case.guard.drain(30 * SECOND).await;
    assert_eq!(drained.left, 0, "a drain waits for that, too");
    case.guard.resume();
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    assert_eq!(case.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_only_to_be_stored_takes_no_room() {
    let case = Case::new(Settings::new().max_in_flight(1));
    case.store.next(Op::Finish, vec![Do::Fail(StoreErrorKind::Unavailable); 5]);
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    assert_eq!(case.guard.in_flight(), 1);
    assert_eq!(done(case.run(OTHER, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_finish_that_is_lost_does_no_harm() {
    let case = Case::new(Settings::new());
    case.store.next(Op::Finish, [Do::Lose]);
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    tokio::time::sleep(SECOND).await;
    assert_eq!((case.store.count(Op::Finish), case.guard.in_flight()), (2, 0));
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_while_its_result_finds_no_room() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    case.store.next(Op::Finish, vec![Do::Fail(StoreErrorKind::Full); 100]);
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    tokio::time::sleep(90 * SECOND).await;
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));
    let renewals = case.store.count(Op::Renew);
    assert!((8..=9).contains(&renewals), "each third of the lease, not {renewals} times");
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!(done(case.run(KEY, MS).await), replayed(1), "until there was");
    assert_eq!(case.guard.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_given_up_when_the_lease_is_over_and_the_next_one_knows() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    case.store.next(Op::Finish, vec![Do::Fail(StoreErrorKind::Unavailable); 1000]);
    case.store.next(Op::Renew, vec![Do::Fail(StoreErrorKind::Unavailable); 1000]);
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    tokio::time::sleep(29 * SECOND).await;
    assert_eq!(case.guard.in_flight(), 1);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(case.guard.in_flight(), 0);
    let (finishes, renewals) = (case.store.count(Op::Finish), case.store.count(Op::Renew));
    assert!((15..60).contains(&finishes) && renewals > 5, "{finishes} {renewals}");
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(case.store.count(Op::Finish), finishes);
    // The script of a thousand failures holds for the next run, too.
    assert_eq!(done(case.run(KEY, MS).await), first(2));
}

#[tokio::test(start_paused = true)]
async fn no_result_is_renewed_for_longer_than_work_may_take() {
    let case = Case::new(Settings::new().lease(30 * SECOND).max_execution(60 * SECOND));
    case.store.next(Op::Finish, vec![Do::Fail(StoreErrorKind::Full); 1000]);
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(case.guard.in_flight(), 0);
    assert_eq!(done(case.run(KEY, MS).await), first(2));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_goes_on_in_the_background() {
    let case = Case::new(Settings::new());
    case.store.next(Op::Release, [Do::Fail(StoreErrorKind::Unavailable), Do::Hang]);
    assert_eq!(case.fail(KEY).await, Err(RunError::Failed("failed")));
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));
    assert_eq!(case.guard.drain(Duration::from_secs(30)).await.left, 0, "a drain waits for it");
    case.guard.resume();
    assert_eq!(done(case.run(KEY, MS).await), first(2));
    assert_eq!(case.store.count(Op::Release), 3);
}

#[tokio::test(start_paused = true)]
async fn a_release_is_given_up_when_the_lease_is_over() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    case.store.next(Op::Release, vec![Do::Fail(StoreErrorKind::Unavailable); 1000]);
    assert_eq!(case.fail(KEY).await, Err(RunError::Failed("failed")));
    tokio::time::sleep(33 * SECOND).await;
    assert_eq!(case.guard.in_flight(), 0);
    assert!((15..60).contains(&case.store.count(Op::Release)), "{}", case.store.count(Op::Release));
    assert_eq!(done(case.run(KEY, MS).await), first(2));
}

/// Puts the first byte of the record's key in front, and changes all others.
struct Sealed;

impl Seal for Sealed {
    fn seal(&self, record: &RecordKey, response: Bytes) -> Bytes {
        let changed = response.iter().map(|byte| !byte);
        std::iter::once(record.as_bytes()[0]).chain(changed).collect()
    }

    fn open(&self, record: &RecordKey, sealed: Bytes) -> Option<Bytes> {
        let (first, changed) = sealed.split_first()?;
        (*first == record.as_bytes()[0]).then(|| changed.iter().map(|byte| !byte).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_may_be_sealed_and_what_does_not_open_is_refused() {
    let case = Case::new(Settings::new().sealed_by(Sealed));
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    let stored = async |key: RecordKey| match case
        .store
        .inner
        .begin(&key, &Claim::new(ASKED, Owner::random()))
        .await
    {
        Ok(Begin::Done(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    let bytes = stored(KEY).await;
    assert_eq!((bytes[0], bytes[1]), (7, !b'a'));

    // Somebody swaps two records.
    let claim = Claim::new(ASKED, Owner::random());
    let Ok(Begin::Acquired(held)) = case.store.inner.begin(&OTHER, &claim).await else { panic!() };
    case.store.inner.finish(&OTHER, &claim, held, bytes).await.unwrap();
    case.heard.take();
    let refused = case.run(OTHER, MS).await.unwrap_err();
    assert_eq!(refused, RunError::Refused(Refused::Store(StoreErrorKind::Corrupt)));
    assert_eq!(case.heard.take(), [Ending::StoreError]);
}
