//! What becomes of a call when the store cannot be asked.

use resilience_core::{
    circuit_breaker::State,
    idempotency::{Ending, StoreErrorKind},
};
use resilience_tower::idempotency::{OnStoreError, Ran, Refused, RunError, Settings, Worked};

use crate::script::{ASKED, Case, Do, KEY, MS, OTHER, Op, SECOND, done, first, now, replayed, settle};

fn store(kind: StoreErrorKind) -> RunError<&'static str> {
    RunError::Refused(Refused::Store(kind))
}

#[tokio::test(start_paused = true)]
async fn trap_38_a_store_that_hangs_costs_half_a_second_and_nothing_runs() {
    let case = Case::new(Settings::new());
    case.store.always(Do::Hang);
    let start = now();
    assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Timeout)));
    assert_eq!((now() - start, case.runs()), (500 * MS, 0));
    assert_eq!(case.heard.take(), [Ending::StoreError]);
    assert_eq!(case.store.count(Op::Begin), 1, "there was no time for another");
}

#[tokio::test(start_paused = true)]
async fn a_begin_that_fails_soon_is_sent_once_more_for_the_same_owner() {
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Timeout] {
        let case = Case::new(Settings::new());
        case.store.next(Op::Begin, [Do::Fail(kind)]);
        assert_eq!(done(case.run(KEY, MS).await), first(1));
        let owners = case.store.owners(Op::Begin);
        assert!(owners.len() == 2 && owners[0] == owners[1]);

        case.store.next(Op::Begin, [Do::Fail(kind), Do::Fail(kind), Do::Fail(kind)]);
        assert_eq!(case.run(OTHER, MS).await, Err(store(kind)), "not twice");
        assert_eq!(case.store.count(Op::Begin), 4);
    }
    for kind in [StoreErrorKind::Full, StoreErrorKind::Corrupt, StoreErrorKind::Other] {
        let case = Case::new(Settings::new());
        case.store.next(Op::Begin, [Do::Fail(kind)]);
        assert_eq!(case.run(KEY, MS).await, Err(store(kind)));
        assert_eq!(case.store.count(Op::Begin), 1, "that would not help");
    }
}

#[tokio::test(start_paused = true)]
async fn a_begin_is_sent_once_more_while_half_of_the_time_is_left() {
    for (late, begins) in [(250 * MS, 2), (251 * MS, 1)] {
        let case = Case::new(Settings::new());
        case.store.next(Op::Begin, [Do::FailAfter(late, StoreErrorKind::Unavailable), Do::Hang]);
        let start = now();
        assert!(case.run(KEY, MS).await.is_err());
        assert_eq!(case.store.count(Op::Begin), begins);
        assert_eq!(now() - start, if begins == 2 { 500 * MS } else { late }, "all of it within the limit");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_given_back_in_the_background() {
    let case = Case::new(Settings::new());
    case.store.next(Op::Begin, [Do::Lose]);
    assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Timeout)));
    settle().await;
    // Which attempt it is was asked once more.
    let (begun, released) = (case.store.owners(Op::Begin), case.store.owners(Op::Release));
    assert_eq!((begun.len(), &released[..], begun[0]), (2, &begun[1..], begun[1]));
    assert_eq!(done(case.run(KEY, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn a_further_attempt_that_was_not_begun_does_not_make_the_key_as_good_as_new() {
    let case = Case::new(Settings::new().max_in_flight(1));
    assert!(case.fail(KEY).await.is_err());
    case.store.next(Op::Begin, [Do::Lose]);
    assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Timeout)));
    settle().await;

    let running = case.spawn(OTHER, SECOND).await;
    assert!(matches!(case.run(KEY, MS).await, Err(RunError::Refused(Refused::Rejected(_)))));
    running.await.unwrap().unwrap();

    let released = case.guard.execute(KEY, ASKED, async |run| Worked::release(run.attempt()));
    assert!(matches!(released.await, Ran::Answered(4)));
    assert_eq!(done(case.run(KEY, MS).await), first(5));
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_over_gives_back_what_it_may_have_claimed_without_asking() {
    let case = Case::new(Settings::new().at_most_once());
    case.store.next(Op::Begin, [Do::Lose]);
    assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Timeout)));
    settle().await;
    assert_eq!((case.store.count(Op::Begin), case.store.count(Op::Release)), (1, 1));
    assert_eq!(done(case.run(KEY, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn what_was_surely_not_claimed_is_not_given_back() {
    // Which attempt it is has to be asked first, and the store has come back.
    for (kind, releases) in [
        (StoreErrorKind::Unavailable, 0),
        (StoreErrorKind::Full, 0),
        (StoreErrorKind::Corrupt, 0),
        (StoreErrorKind::Other, 1),
        (StoreErrorKind::Timeout, 1),
    ] {
        let case = Case::new(Settings::new());
        case.store.next(Op::Begin, [Do::Fail(kind), Do::Fail(kind)]);
        assert_eq!(case.run(KEY, MS).await, Err(store(kind)));
        tokio::time::sleep(SECOND).await;
        assert_eq!(case.store.count(Op::Release), releases, "{kind:?}");
    }
    let case = Case::new(Settings::new());
    let both = [Do::Fail(StoreErrorKind::Timeout), Do::Fail(StoreErrorKind::Unavailable)];
    case.store.next(Op::Begin, both);
    assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Unavailable)));
    tokio::time::sleep(SECOND).await;
    assert_eq!(case.store.count(Op::Release), 1, "the first may have been");
}

#[tokio::test(start_paused = true)]
async fn trap_38_an_outage_costs_nothing_after_a_few_calls_and_ends_by_itself() {
    let case = Case::new(Settings::new());
    done(case.run(OTHER, MS).await);
    case.store.always(Do::Hang);
    for _ in 0..5 {
        assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Timeout)));
    }
    let (start, asked) = (now(), case.store.count(Op::Begin));
    for _ in 0..100 {
        assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Unavailable)));
    }
    assert_eq!((now(), case.store.count(Op::Begin), case.runs()), (start, asked, 1));
    assert_eq!(case.guard.store_breaker().snapshot(now()).state, State::Open);

    case.store.always(Do::Pass);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(done(case.run(OTHER, MS).await), replayed(1));
    assert_eq!(case.guard.store_breaker().snapshot(now()).state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_is_still_asked_for_what_it_has() {
    let case = Case::new(Settings::new());
    done(case.run(OTHER, MS).await);
    for _ in 0..30 {
        case.store.next(Op::Begin, [Do::Fail(StoreErrorKind::Full)]);
        assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Full)));
    }
    assert_eq!(done(case.run(OTHER, MS).await), replayed(1));
}

#[tokio::test(start_paused = true)]
async fn open_runs_without_protection_and_says_so() {
    let case = Case::new(Settings::new().on_store_error(OnStoreError::Open));
    for kind in
        [StoreErrorKind::Unavailable, StoreErrorKind::Timeout, StoreErrorKind::Full, StoreErrorKind::Other]
    {
        case.store.next(Op::Begin, [Do::Fail(kind), Do::Fail(kind)]);
        let ran = case.guard.execute(KEY, ASKED, async |run| {
            assert_eq!((run.is_protected(), run.attempt(), run.fence(), run.held()), (false, 1, 0, None));
            Worked::store("ran", "ran")
        });
        assert!(matches!(ran.await, Ran::Unprotected("ran")), "{kind:?}");
        // What is left of the script, if it was not sent twice.
        while case.store.count(Op::Begin) % 2 == 1 {
            let _ = case.guard.execute(KEY, ASKED, async |_| Worked::release("")).await;
        }
        case.heard.take();
    }
    assert_eq!(case.store.count(Op::Finish), 0);
}

#[tokio::test(start_paused = true)]
async fn open_counts_what_it_lets_through_and_survives_a_panic() {
    let case = Case::new(Settings::new().on_store_error(OnStoreError::Open));
    case.store.always(Do::Fail(StoreErrorKind::Unavailable));
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    let panicking = async |_| -> Result<bytes::Bytes, &'static str> { panic!("as told") };
    let refused = case.guard.run(KEY, ASKED, panicking).await.unwrap_err();
    assert_eq!(refused, RunError::Refused(Refused::Panicked));
    assert_eq!(case.heard.take(), [Ending::Unprotected, Ending::Unprotected]);
    assert_eq!((case.store.count(Op::Finish), case.store.count(Op::Release)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn open_is_closed_for_what_cannot_be_read() {
    let case = Case::new(Settings::new().on_store_error(OnStoreError::Open));
    case.store.next(Op::Begin, [Do::Fail(StoreErrorKind::Corrupt)]);
    assert_eq!(case.run(KEY, MS).await, Err(store(StoreErrorKind::Corrupt)));
    assert_eq!((case.runs(), case.heard.take()), (0, vec![Ending::StoreError]));
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_less_patient_show_that_a_store_hangs_and_those_that_leave_at_once_do_not() {
    for (patience, state) in [(250 * MS, State::Open), (249 * MS, State::Closed)] {
        let case = Case::new(Settings::new());
        case.store.always(Do::Hang);
        for _ in 0..5 {
            let calling = case.spawn(KEY, MS).await;
            tokio::time::sleep(patience).await;
            calling.abort();
            settle().await;
        }
        assert_eq!(case.guard.store_breaker().snapshot(now()).state, state, "{patience:?}");
    }
}
