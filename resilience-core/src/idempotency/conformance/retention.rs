//! For how long a record is kept: not as long as its lease, and from its first `begin` on.

use super::{
    Subject,
    trial::{Checked, Trial, same},
};
use crate::idempotency::{Begin, Fingerprint, Finish, Release, Renew};

pub(super) async fn a_record_outlives_its_lease<S: Subject>(subject: &S) -> Checked {
    let (pending, done) = (Trial::new(subject), Trial::new(subject));
    pending.held().await?;
    done.finished("done").await?;
    pending.pass(5).await;
    done.is_done("done").await?;
    let mut other = pending.claim();
    other.fingerprint = Fingerprint::from_bytes([2; 32]);
    same(pending.begin(&other).await?, Begin::Mismatch)?;
    same(pending.begin(&pending.refusing()).await?, Begin::Abandoned { attempt: 1 })
}

pub(super) async fn a_record_is_kept_from_its_first_begin_on<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let claim = || {
        let mut claim = trial.claim();
        claim.retain = trial.units(4);
        claim
    };
    let (first, second) = (claim(), claim());
    let held = trial.acquire(&first).await?;
    trial.pass(1).await;
    same(trial.renew(&first, held).await?, Renew::Ok)?;
    trial.acquire(&first).await?;
    trial.release(&first, Release::Abandon).await?;
    let taken = trial.acquire(&second).await?;
    trial.pass(1).await;
    same(trial.finish(&second, taken, "done").await?, Finish::Ok)?;
    trial.is_done("done").await?;
    trial.pass(3).await;
    same(trial.acquire(&claim()).await?.attempt, 1)
}

pub(super) async fn a_record_that_is_pending_expires_too<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut claim = trial.claim();
    (claim.lease, claim.retain) = (trial.units(100), trial.units(2));
    trial.acquire(&claim).await?;
    trial.is_busy(1).await?;
    trial.pass(3).await;
    let mut other = trial.refusing();
    other.fingerprint = Fingerprint::from_bytes([2; 32]);
    same(trial.acquire(&other).await?.attempt, 1)
}

pub(super) async fn a_record_that_was_brought_back_is_kept_anew<S: Subject>(subject: &S) -> Checked {
    let (pending, done) = (Trial::new(subject), Trial::new(subject));
    let mut claim = pending.claim();
    (claim.lease, claim.retain) = (pending.units(1), pending.units(4));
    let held = pending.acquire(&claim).await?;
    done.acquire(&claim).await?;
    pending.pass(5).await;
    same(pending.renew(&claim, held).await?, Renew::Healed)?;
    same(done.finish(&claim, held, "done").await?, Finish::Healed)?;
    pending.pass(2).await;
    same(pending.begin(&pending.refusing()).await?, Begin::Abandoned { attempt: 1 })?;
    done.is_done("done").await?;
    // And not for ever.
    pending.pass(3).await;
    same(pending.acquire(&pending.refusing()).await?.attempt, 1)?;
    same(done.acquire(&done.refusing()).await?.attempt, 1)
}
