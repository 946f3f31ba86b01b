//! Who waits for an operation that another runs.

use std::time::Duration;

use bytes::Bytes;
use resilience_core::idempotency::{Begin, Claim, Ending, Owner, Release, Store};
use resilience_tower::idempotency::{Refused, RunError, Settings};

use crate::script::{ASKED, Case, KEY, MS, Op, SECOND, done, first, now, replayed};

fn waiting(limit: Duration) -> Case {
    Case::new(Settings::new().wait_for(limit))
}

#[tokio::test(start_paused = true)]
async fn the_result_of_one_in_this_process_is_there_at_once() {
    let case = waiting(10 * SECOND);
    let running = case.spawn(KEY, 333 * MS).await;
    let start = now();
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    assert_eq!(now() - start, 333 * MS);
    assert_eq!(done(running.await.unwrap()), first(1));
    assert_eq!(case.heard.take(), [Ending::Stored, Ending::Replayed]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_one_that_fails_here_runs_next_at_once() {
    let case = waiting(10 * SECOND);
    let guard = case.guard.clone();
    let failing = tokio::spawn(async move {
        let work = async |_| {
            tokio::time::sleep(333 * MS).await;
            Err::<Bytes, _>("failed")
        };
        guard.run(KEY, ASKED, work).await
    });
    crate::script::settle().await;
    let start = now();
    assert_eq!(done(case.run(KEY, MS).await), first(2));
    assert_eq!(now() - start, 334 * MS);
    assert_eq!(failing.await.unwrap(), Err(RunError::Failed("failed")));
}

/// A claim of another process.
async fn of_another_process(case: &Case) -> (Claim, resilience_core::idempotency::Held) {
    let claim = Claim::new(ASKED, Owner::random());
    match case.store.inner.begin(&KEY, &claim).await.unwrap() {
        Begin::Acquired(held) => (claim, held),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_of_one_in_another_process_is_seen_within_a_quarter_of_a_second() {
    let case = waiting(10 * SECOND);
    let (claim, held) = of_another_process(&case).await;
    let store = case.store.inner.clone();
    let start = now();
    tokio::spawn(async move {
        tokio::time::sleep(2 * SECOND).await;
        store.finish(&KEY, &claim, held, "theirs".into()).await.unwrap();
    });
    assert_eq!(done(case.run(KEY, MS).await), ("theirs".to_owned(), true));
    assert!((2 * SECOND..=2 * SECOND + 250 * MS).contains(&(now() - start)), "{:?}", now() - start);
    // At once, after 25, 50, 100 and 200 ms, and then each 250 ms.
    assert_eq!(case.store.count(Op::Begin), 5 + 7);
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_enough_is_told_so_after_a_last_look() {
    let case = waiting(SECOND);
    of_another_process(&case).await;
    let start = now();
    let refused = case.run(KEY, MS).await.unwrap_err();
    assert!(matches!(refused, RunError::Refused(Refused::InFlight { .. })));
    assert_eq!(now() - start, SECOND);
    assert_eq!(case.heard.take(), [Ending::InFlight]);
    let owners = case.store.owners(Op::Begin);
    assert!(owners.iter().all(|owner| *owner == owners[0]), "one who waits is one owner");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_one_that_has_died_takes_over_when_its_lease_is_over() {
    let case = waiting(60 * SECOND);
    of_another_process(&case).await;
    let start = now();
    assert_eq!(done(case.run(KEY, MS).await), first(2));
    let took = now() - start;
    assert!((30 * SECOND..30 * SECOND + 60 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_waiting_gives_nothing_back() {
    let case = waiting(60 * SECOND);
    let (claim, _) = of_another_process(&case).await;
    let leaving = case.spawn(KEY, MS).await;
    tokio::time::sleep(110 * MS).await;
    leaving.abort();
    crate::script::settle().await;
    assert_eq!(case.store.count(Op::Release), 0);
    case.store.inner.release(&KEY, claim.owner, Release::Delete).await.unwrap();
    assert_eq!(done(case.run(KEY, MS).await), first(1));
}
