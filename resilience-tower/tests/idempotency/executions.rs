//! How an operation runs: who cuts it, who does not, and what its claim does meanwhile.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use resilience_core::idempotency::{Ending, StoreErrorKind};
use resilience_tower::idempotency::{Execution, IdempotencyContext, Refused, RunError, Settings, Worked};

use crate::script::{ASKED, Case, Do, KEY, MS, Op, SECOND, done, first, replayed, settle};

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_cuts_nothing() {
    let case = Case::new(Settings::new());
    let running = case.spawn(KEY, SECOND).await;
    running.abort();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(case.heard.take(), [Ending::Stored]);
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    assert_eq!(case.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_line_a_caller_that_goes_away_cuts_it_and_the_next_one_knows() {
    let case = Case::new(Settings::new().execution(Execution::Inline));
    let running = case.spawn(KEY, SECOND).await;
    assert_eq!(case.guard.in_flight(), 1);
    running.abort();
    settle().await;
    assert_eq!((case.store.count(Op::Release), case.guard.in_flight()), (1, 0));
    assert_eq!(done(case.run(KEY, MS).await), first(2));
}

#[tokio::test(start_paused = true)]
async fn in_line_a_result_is_stored_even_if_nobody_waits_for_that() {
    let case = Case::new(Settings::new().execution(Execution::Inline));
    case.store.next(Op::Finish, [Do::Late(100 * MS)]);
    let running = case.spawn(KEY, SECOND).await;
    tokio::time::sleep(SECOND + 50 * MS).await;
    running.abort();
    tokio::time::sleep(SECOND).await;
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_the_callers_and_the_next_one_is_a_further_attempt() {
    let case = Case::new(Settings::new());
    assert_eq!(case.fail(KEY).await, Err(RunError::Failed("failed")));
    assert_eq!(case.fail(KEY).await, Err(RunError::Failed("failed")));
    assert_eq!(done(case.run(KEY, MS).await), first(3));
    assert_eq!(case.heard.take(), [Ending::Abandoned, Ending::Abandoned, Ending::Stored]);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_never_runs_again_what_nobody_knows_of() {
    let case = Case::new(Settings::new().at_most_once());
    assert_eq!(case.fail(KEY).await, Err(RunError::Failed("failed")));
    let unknown = case.run(KEY, MS).await.unwrap_err();
    assert_eq!(unknown, RunError::Refused(Refused::OutcomeUnknown { attempt: 1 }));
    assert_eq!(case.heard.take(), [Ending::Abandoned, Ending::OutcomeUnknown]);
    assert_eq!(case.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_refusal_and_an_unknown_outcome() {
    for execution in [Execution::Detached, Execution::Inline] {
        let case = Case::new(Settings::new().execution(execution));
        let panicking = async |run: IdempotencyContext| -> Result<Bytes, &'static str> { panic!("{run:?}") };
        let refused = case.guard.run(KEY, ASKED, panicking).await.unwrap_err();
        assert_eq!(refused, RunError::Refused(Refused::Panicked));
        assert_eq!((case.heard.take(), case.guard.in_flight()), (vec![Ending::Abandoned], 0));
        assert_eq!(done(case.run(KEY, MS).await), first(2));
    }
}

#[tokio::test(start_paused = true)]
async fn work_may_say_that_nothing_has_happened() {
    let case = Case::new(Settings::new());
    let released = case.guard.execute(KEY, ASKED, async |_| Worked::release("busy")).await;
    assert!(matches!(released, resilience_tower::idempotency::Ran::Answered("busy")));
    assert_eq!(case.heard.take(), [Ending::Released]);
    assert_eq!(done(case.run(KEY, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_each_third_of_its_lease_while_work_runs() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    let running = case.spawn(KEY, 105 * SECOND).await;
    tokio::time::sleep(95 * SECOND).await;
    assert_eq!(case.store.count(Op::Renew), 9);
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));
    assert_eq!(done(running.await.unwrap()), first(1));
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(case.store.count(Op::Renew), 10, "none after the end");
    assert_eq!(case.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_before_the_lease_is_over() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    case.store.next(Op::Renew, [Do::Fail(StoreErrorKind::Unavailable), Do::Hang, Do::Lose]);
    let running = case.spawn(KEY, 60 * SECOND).await;
    tokio::time::sleep(45 * SECOND).await;
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));
    assert_eq!(done(running.await.unwrap()), first(1));
}

#[tokio::test(start_paused = true)]
async fn renewals_that_fail_come_more_often() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    // At 10 s, and then each two and a half.
    case.store.next(Op::Renew, vec![Do::Fail(StoreErrorKind::Unavailable); 7]);
    let running = case.spawn(KEY, 60 * SECOND).await;
    tokio::time::sleep(31 * SECOND).await;
    assert_eq!(case.store.count(Op::Renew), 8);
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));
    assert_eq!(done(running.await.unwrap()), first(1));
}

#[tokio::test(start_paused = true)]
async fn work_that_hangs_loses_its_key_after_the_longest_execution_and_a_lease() {
    let case = Case::new(Settings::new().lease(30 * SECOND).max_execution(60 * SECOND));
    let hanging = case.spawn(KEY, 10_000 * SECOND).await;
    tokio::time::sleep(75 * SECOND).await;
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::InFlight { .. }))));
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(done(case.run(KEY, MS).await), first(2));
    drop(hanging);
}

/// One owner loses its lease, because the store does not hear of it, and another runs the operation.
#[tokio::test(start_paused = true)]
async fn trap_34_who_was_superseded_sees_it_and_gets_the_winners_result() {
    let case = Case::new(Settings::new().lease(30 * SECOND));
    // Until the lease is over and a little longer.
    case.store.next(Op::Renew, vec![Do::Hang; 9]);
    let seen = Arc::new(Mutex::new((false, 0)));
    let noted = Arc::clone(&seen);
    let work = async move |run: IdempotencyContext| {
        run.superseded().await;
        *noted.lock().unwrap() = (run.is_superseded(), run.fence());
        Ok::<_, &'static str>(Bytes::from("the zombie's"))
    };
    let guard = case.guard.clone();
    let zombie = tokio::spawn(async move { guard.run(KEY, ASKED, work).await });
    tokio::time::sleep(31 * SECOND).await;
    let fences = Arc::new(Mutex::new(0));
    let noted = Arc::clone(&fences);
    let winner = case.guard.run(KEY, ASKED, async move |run: IdempotencyContext| {
        *noted.lock().unwrap() = run.fence();
        Ok(Bytes::from(format!("attempt {}", run.attempt())))
    });
    assert_eq!(done(winner.await), first(2));
    assert_eq!(done(zombie.await.unwrap()), replayed(2));
    let (superseded, fence) = *seen.lock().unwrap();
    assert!(superseded && fence < *fences.lock().unwrap());
    assert_eq!(case.heard.take(), [Ending::Stored, Ending::Superseded, Ending::Replayed]);
    assert_eq!(done(case.run(KEY, MS).await), replayed(2));
}

#[tokio::test(start_paused = true)]
async fn who_was_superseded_by_one_that_still_runs_is_told_so() {
    let case = Case::new(Settings::new().lease(30 * SECOND).max_execution(SECOND));
    let zombie = case.spawn(KEY, 40 * SECOND).await;
    tokio::time::sleep(35 * SECOND).await;
    let winner = case.spawn(KEY, 20 * SECOND).await;
    let refused = zombie.await.unwrap().unwrap_err();
    assert!(matches!(refused, RunError::Refused(Refused::InFlight { .. })));
    assert_eq!(done(winner.await.unwrap()), first(2));
    assert_eq!(case.heard.take(), [Ending::Superseded, Ending::Stored]);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_step_is_the_same_at_each_attempt() {
    let case = Case::new(Settings::new());
    let keys = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let keys = Arc::clone(&keys);
        let work = async move |run: IdempotencyContext| {
            assert!(run.is_protected() && run.held().is_some() && *run.record_key() == KEY);
            assert_eq!(run.claim().fingerprint, ASKED);
            let mut keys = keys.lock().unwrap();
            keys.push((run.attempt(), run.derived_key("a"), run.derived_key("b")));
            Err::<Bytes, _>("failed")
        };
        let _ = case.guard.run(KEY, ASKED, work).await;
    }
    let keys = keys.lock().unwrap();
    assert_eq!((keys[0].0, keys[1].0), (1, 2));
    assert!(keys[0].1 == keys[1].1 && keys[0].2 == keys[1].2 && keys[0].1 != keys[0].2);
}
