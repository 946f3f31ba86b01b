//! Who runs, and who does not.

use resilience_core::{
    Rejected,
    idempotency::{Ending, Fingerprint, OnLostOwner},
};
use resilience_tower::{
    drain::Stopped,
    idempotency::{Ran, Refused, RunError, Settings, Worked},
};

use crate::script::{ASKED, Case, KEY, MS, OTHER, Op, SECOND, done, first, now, replayed, settle};

#[tokio::test(start_paused = true)]
async fn the_first_runs_and_later_ones_get_its_result() {
    let case = Case::new(Settings::new());
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    assert_eq!(done(case.run(OTHER, MS).await), first(1));
    assert_eq!(case.runs(), 2);
    assert_eq!(case.heard.take(), [Ending::Stored, Ending::Replayed, Ending::Stored]);
    assert_eq!((case.store.count(Op::Begin), case.store.count(Op::Finish)), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn trap_32_of_many_at_once_one_runs() {
    let case = Case::new(Settings::new().wait_for(10 * SECOND));
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let case = case.clone();
            tokio::spawn(async move { case.run(KEY, SECOND).await })
        })
        .collect();
    let mut fresh = 0;
    for task in tasks {
        let (text, is_replayed) = done(task.await.unwrap());
        assert_eq!(text, "attempt 1");
        fresh += u32::from(!is_replayed);
    }
    assert_eq!((case.runs(), fresh), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn while_one_runs_others_are_told_so_at_once() {
    let case = Case::new(Settings::new());
    let running = case.spawn(KEY, SECOND).await;
    let start = now();
    let refused = case.run(KEY, MS).await.unwrap_err();
    assert!(matches!(refused, RunError::Refused(Refused::InFlight { .. })));
    assert_eq!(now(), start);
    assert_eq!(case.heard.take(), [Ending::InFlight]);
    assert_eq!(done(running.await.unwrap()), first(1));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_for_something_else_is_refused_while_it_runs_and_after() {
    let case = Case::new(Settings::new());
    let running = case.spawn(KEY, SECOND).await;
    let other = Fingerprint::from_bytes([2; 32]);
    let reused = async || case.guard.run(KEY, other, async |_| Err("never made")).await.unwrap_err();
    assert_eq!(reused().await, RunError::Refused(Refused::KeyReused));
    running.await.unwrap().unwrap();
    assert_eq!(reused().await, RunError::Refused(Refused::KeyReused));
    assert_eq!(case.heard.take(), [Ending::Mismatch, Ending::Stored, Ending::Mismatch]);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_and_who_finds_none_may_come_again() {
    let case = Case::new(Settings::new().max_in_flight(1));
    let running = case.spawn(KEY, SECOND).await;
    let refused = case.run(OTHER, MS).await.unwrap_err();
    assert_eq!(
        refused,
        RunError::Refused(Refused::Rejected(Rejected::BulkheadFull { limit: 1, in_flight: 1 }))
    );
    assert_eq!(case.heard.take(), [Ending::Released]);
    settle().await;
    assert_eq!((case.store.count(Op::Begin), case.store.count(Op::Release)), (2, 1));
    assert_eq!(done(running.await.unwrap()), first(1));
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    assert_eq!(done(case.run(OTHER, MS).await), first(1), "its key was given back");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_runs_and_lets_nothing_begin() {
    let case = Case::new(Settings::new());
    done(case.run(OTHER, MS).await);
    let running = case.spawn(KEY, SECOND).await;
    running.abort();
    settle().await;
    assert_eq!(case.guard.in_flight(), 1, "detached");

    let start = now();
    let drained = case.guard.drain(30 * SECOND);
    let new = resilience_core::idempotency::RecordKey::from_bytes([9; 32]);
    let refused = case.run(new, MS).await.unwrap_err();
    assert!(matches!(refused, RunError::Refused(Refused::Rejected(Rejected::Draining { .. }))));
    assert_eq!(done(case.run(OTHER, MS).await), replayed(1), "what is stored is still replayed");

    let drained = drained.await;
    assert_eq!((drained.left, drained.stopped, now() - start), (0, Stopped::Idle, SECOND));
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    case.guard.resume();
    assert_eq!(done(case.run(new, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_while_it_claims_leaves_nothing_behind() {
    let case = Case::new(Settings::new());
    case.store.next(Op::Begin, [crate::script::Do::Late(100 * MS)]);
    let claiming = case.spawn(KEY, MS).await;
    claiming.abort();
    settle().await;
    assert_eq!(case.store.count(Op::Release), 1);
    assert_eq!((case.runs(), case.guard.in_flight()), (0, 0));
    assert_eq!(done(case.run(KEY, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_keys_and_results_is_shown() {
    let case = Case::new(Settings::new());
    let secret = case.guard.run(KEY, ASKED, async |run| {
        let shown = format!("{run:?}");
        assert!(shown.contains("attempt: 1") && !shown.contains("07"), "{shown}");
        Ok::<_, &str>("secret".into())
    });
    let secret = secret.await.unwrap();
    assert!(!format!("{secret:?} {:?}", case.guard).contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn trap_33_a_result_is_kept_for_longer_than_a_claim_lives_and_then_gone() {
    let case = Case::new(Settings::new().lease(10 * SECOND).retain(700 * SECOND));
    assert_eq!(done(case.run(KEY, MS).await), first(1));
    tokio::time::sleep(699 * SECOND).await;
    assert_eq!(done(case.run(KEY, MS).await), replayed(1));
    tokio::time::sleep(SECOND).await;
    assert_eq!(done(case.run(KEY, MS).await), first(1));
}

#[tokio::test(start_paused = true)]
async fn the_settings_are_those_of_the_claim() {
    let settings = Settings::new().lease(11 * SECOND).retain(777 * SECOND).at_most_once();
    let case = Case::new(settings);
    let claim = case.guard.execute(KEY, ASKED, async |run| {
        let claim = run.claim();
        Worked::release((claim.fingerprint, claim.lease, claim.retain, claim.on_lost_owner))
    });
    let Ran::Answered(claim) = claim.await else { panic!() };
    assert_eq!(claim, (ASKED, 11 * SECOND, 777 * SECOND, OnLostOwner::Refuse));
}

#[test]
#[should_panic(expected = "retain is 60s, it must be at least max_execution and lease, 61s")]
fn a_record_that_is_gone_before_its_operation_ends_is_refused() {
    Case::new(Settings::new().retain(60 * SECOND).max_execution(61 * SECOND));
}
