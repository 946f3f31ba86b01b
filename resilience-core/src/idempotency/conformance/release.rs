//! Who may give a record up, and what is left of it.

use super::{
    Subject,
    trial::{Checked, Trial, holds, same},
};
use crate::idempotency::{Begin, Fingerprint, Release, Released};

const BOTH: [Release; 2] = [Release::Abandon, Release::Delete];

pub(super) async fn what_is_deleted_is_as_good_as_new<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, first) = trial.held().await?;
    same(trial.release(&claim, Release::Delete).await?, Released::Ok)?;
    // Whatever it is for, and who refuses too: there is no owner who was lost.
    let mut other = trial.refusing();
    other.fingerprint = Fingerprint::from_bytes([2; 32]);
    let second = trial.acquire(&other).await?;
    same(second.attempt, 1)?;
    holds(second.fence > first.fence, "a key has a greater fence even when its record was deleted")
}

pub(super) async fn what_is_abandoned_is_taken_over<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, first) = trial.held().await?;
    same(trial.release(&claim, Release::Abandon).await?, Released::Ok)?;
    same(trial.release(&claim, Release::Abandon).await?, Released::Ok)?;
    let mut other = trial.claim();
    other.fingerprint = Fingerprint::from_bytes([2; 32]);
    same(trial.begin(&other).await?, Begin::Mismatch)?;
    let second = trial.acquire(&trial.claim()).await?;
    same(second.attempt, 2)?;
    holds(second.fence > first.fence, "the fence of the second owner is the greater one")
}

pub(super) async fn what_is_abandoned_is_refused_or_begun_again_by_its_owner<S: Subject>(
    subject: &S,
) -> Checked {
    let trial = Trial::new(subject);
    let claim = trial.refusing();
    let held = trial.acquire(&claim).await?;
    trial.release(&claim, Release::Abandon).await?;
    same(trial.begin(&trial.refusing()).await?, Begin::Abandoned { attempt: 1 })?;
    same(trial.acquire(&claim).await?, held)?;
    trial.is_busy(1).await
}

pub(super) async fn only_the_owner_releases<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (first, _) = trial.held().await?;
    for how in BOTH {
        same(trial.release(&trial.claim(), how).await?, Released::Lost)?;
        trial.is_busy(1).await?;
    }
    trial.pass(3).await;
    let (_, taken) = trial.held().await?;
    same(taken.attempt, 2)?;
    for how in BOTH {
        same(trial.release(&first, how).await?, Released::Lost)?;
        trial.is_busy(2).await?;
    }
    Ok(())
}

pub(super) async fn to_release_what_is_not_there_does_nothing<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    for how in BOTH {
        same(trial.release(&trial.claim(), how).await?, Released::Gone)?;
    }
    let (claim, _) = trial.held().await?;
    same(trial.release(&claim, Release::Delete).await?, Released::Ok)?;
    for how in BOTH {
        same(trial.release(&claim, how).await?, Released::Gone)?;
    }
    same(trial.acquire(&trial.claim()).await?.attempt, 1)
}

pub(super) async fn to_release_after_the_lease_is_to_give_up<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, _) = trial.held().await?;
    trial.pass(3).await;
    same(trial.release(&claim, Release::Abandon).await?, Released::Ok)?;
    same(trial.release(&claim, Release::Delete).await?, Released::Ok)?;
    same(trial.acquire(&trial.claim()).await?.attempt, 1)
}
