//! The shortest and the longest times.

use std::time::Duration;

use super::{
    Subject,
    trial::{Checked, Trial, same},
};
use crate::idempotency::{Begin, Finish, Renew};

pub(super) async fn a_lease_of_nothing_is_over_soon<S: Subject>(subject: &S) -> Checked {
    for lease in [Duration::ZERO, Duration::from_nanos(1)] {
        let trial = Trial::new(subject);
        let mut claim = trial.claim();
        claim.lease = lease;
        let held = trial.acquire(&claim).await?;
        same(trial.renew(&claim, held).await?, Renew::Ok)?;
        trial.pass(1).await;
        same(trial.begin(&trial.refusing()).await?, Begin::Abandoned { attempt: 1 })?;
        same(trial.finish(&claim, held, "done").await?, Finish::Ok)?;
        trial.is_done("done").await?;
    }
    Ok(())
}

pub(super) async fn to_keep_for_nothing_is_to_keep_for_a_moment<S: Subject>(subject: &S) -> Checked {
    for retain in [Duration::ZERO, Duration::from_nanos(1)] {
        let trial = Trial::new(subject);
        let mut claim = trial.claim();
        claim.retain = retain;
        same(trial.acquire(&claim).await?.attempt, 1)?;
        trial.pass(1).await;
        same(trial.acquire(&trial.refusing()).await?.attempt, 1)?;
    }
    Ok(())
}

pub(super) async fn the_longest_times_are_long<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut claim = trial.claim();
    (claim.lease, claim.retain) = (Duration::MAX, Duration::MAX);
    let held = trial.acquire(&claim).await?;
    trial.pass(1).await;
    trial.is_busy(1).await?;
    same(trial.acquire(&claim).await?, held)?;
    same(trial.renew(&claim, held).await?, Renew::Ok)?;
    trial.is_busy(1).await?;
    same(trial.finish(&claim, held, "done").await?, Finish::Ok)?;
    trial.pass(1).await;
    trial.is_done("done").await
}
