//! Who may renew a claim, and what that gives.

use super::{
    Subject,
    trial::{Checked, Trial, holds, same},
};
use crate::idempotency::{Begin, Held, Release, Renew};

pub(super) async fn to_renew_gives_the_lease_anew<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.held().await?;
    trial.pass(1).await;
    same(trial.renew(&claim, held).await?, Renew::Ok)?;
    trial.pass(1).await;
    trial.is_busy(1).await?;
    trial.pass(2).await;
    same(trial.acquire(&trial.claim()).await?.attempt, 2)
}

pub(super) async fn to_renew_after_the_lease_is_to_have_it_again<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.held().await?;
    trial.pass(3).await;
    same(trial.renew(&claim, held).await?, Renew::Ok)?;
    trial.is_busy(1).await?;
    same(trial.acquire(&claim).await?, held)
}

pub(super) async fn only_the_owner_renews<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (first, held) = trial.held().await?;
    same(trial.renew(&trial.claim(), held).await?, Renew::Lost)?;
    trial.pass(3).await;
    let second = trial.claim();
    let taken = trial.acquire(&second).await?;
    trial.pass(1).await;
    // The lease of the second is none of the first one's business, however well it knows what is held.
    same(trial.renew(&first, held).await?, Renew::Lost)?;
    same(trial.renew(&first, taken).await?, Renew::Lost)?;
    trial.pass(2).await;
    same(trial.acquire(&trial.claim()).await?.attempt, 3)
}

pub(super) async fn what_is_done_is_not_renewed<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, held) = trial.finished("done").await?;
    same(trial.renew(&claim, held).await?, Renew::Lost)?;
    same(trial.renew(&trial.claim(), held).await?, Renew::Lost)?;
    trial.is_done("done").await
}

pub(super) async fn to_renew_brings_back_what_was_lost<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let first = trial.claim();
    trial.acquire(&first).await?;
    trial.release(&first, Release::Abandon).await?;
    let (claim, held) = trial.held().await?;
    trial.release(&claim, Release::Delete).await?;
    same(trial.renew(&claim, held).await?, Renew::Healed)?;
    same(trial.acquire(&claim).await?, held)?;
    trial.is_busy(2).await?;
    same(trial.renew(&claim, held).await?, Renew::Ok)?;
    let mut other = trial.claim();
    other.fingerprint = crate::idempotency::Fingerprint::from_bytes([2; 32]);
    same(trial.begin(&other).await?, Begin::Mismatch)?;
    // Counted from then on, the lease too, and the fences after it.
    trial.pass(3).await;
    let next = trial.acquire(&trial.claim()).await?;
    same(next.attempt, 3)?;
    holds(next.fence > held.fence, "the fence after a record was brought back is greater than its own")
}

pub(super) async fn to_renew_brings_back_what_has_expired<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut claim = trial.claim();
    (claim.lease, claim.retain) = (trial.units(100), trial.units(2));
    let held = trial.acquire(&claim).await?;
    trial.pass(3).await;
    same(trial.renew(&claim, held).await?, Renew::Healed)?;
    trial.is_busy(1).await?;
    // What an owner says of itself may come from a store that had given out greater fences.
    let (one, ahead) = (trial.claim(), Held::new(7, held.fence + 1_000_000));
    let elsewhere = Trial::new(subject);
    same(elsewhere.renew(&one, ahead).await?, Renew::Healed)?;
    elsewhere.release(&one, Release::Abandon).await?;
    let next = elsewhere.acquire(&elsewhere.claim()).await?;
    same(next.attempt, 8)?;
    holds(next.fence > ahead.fence, "a fence is greater than the one that was brought back")
}
