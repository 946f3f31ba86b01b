//! Who acquires a record, and what the others are told.

use super::{
    Subject,
    trial::{Checked, Trial, holds, same},
};
use crate::idempotency::{Begin, Fingerprint, Held, RecordKey, Release};

pub(super) async fn an_absent_record_is_claimed<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    same(trial.acquire(&trial.claim()).await?.attempt, 1)?;
    trial.is_busy(1).await
}

pub(super) async fn keys_are_apart_from_each_other<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    trial.finished("this").await?;
    for at in [0, 31] {
        let mut bytes = *trial.key.as_bytes();
        bytes[at] ^= 1;
        let other = trial.under(RecordKey::from_bytes(bytes));
        let (claim, held) = other.held().await?;
        other.finish(&claim, held, "that").await?;
    }
    trial.is_done("this").await
}

pub(super) async fn an_owner_that_begins_again_holds_the_same<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (first, held) = trial.held().await?;
    same(trial.acquire(&first).await?, held)?;
    trial.release(&first, Release::Abandon).await?;
    let second = trial.claim();
    let taken = trial.acquire(&second).await?;
    same(trial.acquire(&second).await?, taken)?;
    // Also when the lease is over: nobody else has come.
    trial.release(&second, Release::Abandon).await?;
    same(trial.acquire(&second).await?, taken)
}

pub(super) async fn an_owner_that_begins_again_gets_its_lease_anew<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, _) = trial.held().await?;
    trial.pass(1).await;
    trial.acquire(&claim).await?;
    trial.pass(1).await;
    // Two units after the first time, one after the second.
    trial.is_busy(1).await
}

pub(super) async fn a_live_lease_is_busy_until_it_is_over<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut first = trial.claim();
    first.lease = trial.units(4);
    trial.acquire(&first).await?;
    let Begin::Busy { retry_in, .. } = trial.begin(&trial.claim()).await? else {
        return Err("the lease has hardly begun, and nobody else is told so".to_owned());
    };
    holds(trial.units(3) < retry_in && retry_in <= trial.units(4), "nearly all of the lease is left")?;
    trial.pass(2).await;
    let Begin::Busy { retry_in: then, .. } = trial.begin(&trial.claim()).await? else {
        return Err("half of the lease is left, and nobody else is told so".to_owned());
    };
    holds(trial.units(1) < then && then <= trial.units(2), "half of the lease is left")?;
    trial.pass(3).await;
    same(trial.acquire(&trial.claim()).await?.attempt, 2)
}

pub(super) async fn a_lease_that_is_over_is_taken_over<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (_, first) = trial.held().await?;
    trial.pass(3).await;
    let second = trial.acquire(&trial.claim()).await?;
    same(second.attempt, 2)?;
    holds(second.fence > first.fence, "the fence of the second owner is the greater one")?;
    trial.is_busy(2).await
}

pub(super) async fn a_claim_may_refuse_to_take_over<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    same(trial.acquire(&trial.refusing()).await?.attempt, 1)?;
    trial.is_busy(1).await?;
    trial.pass(3).await;
    for _ in 0..2 {
        same(trial.begin(&trial.refusing()).await?, Begin::Abandoned { attempt: 1 })?;
    }
    // Who was refused has changed nothing.
    same(trial.acquire(&trial.claim()).await?.attempt, 2)?;
    trial.is_busy(2).await
}

pub(super) async fn another_fingerprint_never_matches<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (owner, held) = trial.held().await?;
    let (mut other, mut refusing, mut same_owner) = (trial.claim(), trial.refusing(), owner.clone());
    for claim in [&mut other, &mut refusing, &mut same_owner] {
        // The last bit is another.
        let mut bytes = *claim.fingerprint.as_bytes();
        bytes[31] ^= 1;
        claim.fingerprint = Fingerprint::from_bytes(bytes);
    }
    let never = async || -> Checked {
        for claim in [&other, &refusing, &same_owner] {
            same(trial.begin(claim).await?, Begin::Mismatch)?;
        }
        Ok(())
    };
    never().await?;
    trial.is_busy(1).await?;
    trial.pass(3).await;
    never().await?;
    trial.release(&owner, Release::Abandon).await?;
    never().await?;
    // Nobody of those has changed anything.
    same(trial.acquire(&owner).await?, held)?;
    trial.finish(&owner, held, "done").await?;
    never().await?;
    trial.is_done("done").await
}

pub(super) async fn fences_grow_with_each_owner<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut last: Option<Held> = None;
    for attempt in 1..=10 {
        let (claim, held) = trial.held().await?;
        same(held.attempt, attempt)?;
        holds(
            last.is_none_or(|last| last.fence < held.fence),
            "each owner has a greater fence than the last",
        )?;
        last = Some(held);
        trial.release(&claim, Release::Abandon).await?;
    }
    Ok(())
}
