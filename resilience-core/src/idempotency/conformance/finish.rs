//! Whose response is stored.

use super::{
    Subject,
    trial::{Checked, Trial, lost, same},
};
use crate::idempotency::{Begin, Fingerprint, Finish, Release};

pub(super) async fn to_finish_stores_the_response<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    trial.finished("done").await?;
    trial.is_done("done").await
}

pub(super) async fn to_finish_again_changes_nothing<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.finished("first").await?;
    same(trial.finish(&claim, held, "first").await?, Finish::Ok)?;
    same(trial.finish(&claim, held, "second").await?, Finish::Ok)?;
    trial.is_done("first").await
}

pub(super) async fn to_finish_after_the_lease_stores_the_response<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.held().await?;
    trial.pass(3).await;
    same(trial.finish(&claim, held, "late").await?, Finish::Ok)?;
    trial.is_done("late").await
}

pub(super) async fn to_finish_after_abandoning_stores_the_response<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.held().await?;
    trial.release(&claim, Release::Abandon).await?;
    same(trial.finish(&claim, held, "after all").await?, Finish::Ok)?;
    trial.is_done("after all").await
}

pub(super) async fn only_the_owner_finishes<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.held().await?;
    same(trial.finish(&trial.claim(), held, "stranger").await?, lost(None))?;
    trial.is_busy(1).await?;
    trial.pass(3).await;
    same(trial.finish(&trial.claim(), held, "stranger").await?, lost(None))?;
    same(trial.finish(&claim, held, "owner").await?, Finish::Ok)?;
    same(trial.finish(&trial.claim(), held, "stranger").await?, lost(Some("owner")))?;
    trial.is_done("owner").await
}

pub(super) async fn whoever_was_taken_over_gets_the_response_of_the_winner<S: Subject>(
    subject: &S,
) -> Checked {
    let trial = Trial::new(subject);
    let (zombie, old) = trial.held().await?;
    trial.pass(3).await;
    let (winner, new) = trial.held().await?;
    // However well it knows what is held: it is not the owner.
    for held in [old, new] {
        same(trial.finish(&zombie, held, "zombie").await?, lost(None))?;
    }
    trial.is_busy(2).await?;
    same(trial.finish(&winner, new, "winner").await?, Finish::Ok)?;
    same(trial.finish(&zombie, old, "zombie").await?, lost(Some("winner")))?;
    trial.is_done("winner").await
}

pub(super) async fn nobody_gets_the_response_to_another_request<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (first, held) = trial.held().await?;
    trial.release(&first, Release::Delete).await?;
    let mut other = trial.claim();
    other.fingerprint = Fingerprint::from_bytes([2; 32]);
    let theirs = trial.acquire(&other).await?;
    same(trial.finish(&other, theirs, "to another").await?, Finish::Ok)?;
    same(trial.finish(&first, held, "to this").await?, lost(None))?;
    same(trial.begin(&trial.claim()).await?, Begin::Mismatch)
}

pub(super) async fn to_finish_brings_back_what_was_lost<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.held().await?;
    trial.release(&claim, Release::Delete).await?;
    same(trial.finish(&claim, held, "healed").await?, Finish::Healed)?;
    trial.is_done("healed").await?;
    same(trial.finish(&claim, held, "again").await?, Finish::Ok)?;
    same(trial.finish(&trial.claim(), held, "stranger").await?, lost(Some("healed")))?;
    let mut other = trial.claim();
    other.fingerprint = Fingerprint::from_bytes([2; 32]);
    same(trial.begin(&other).await?, Begin::Mismatch)?;
    trial.is_done("healed").await
}

pub(super) async fn to_finish_brings_back_what_has_expired<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut claim = trial.claim();
    (claim.lease, claim.retain) = (trial.units(100), trial.units(2));
    let held = trial.acquire(&claim).await?;
    trial.pass(3).await;
    same(trial.finish(&claim, held, "healed").await?, Finish::Healed)?;
    trial.is_done("healed").await
}
