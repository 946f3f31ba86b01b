//! Many who come at once.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use super::{
    Subject,
    trial::{Checked, Trial, lost, same},
};
use crate::idempotency::{Begin, Claim, Finish, Release};

const MANY: usize = 32;

pub(super) async fn of_many_who_begin_one_acquires<S: Subject>(subject: &S) -> Checked {
    one_acquires(&Trial::new(subject), 1).await
}

pub(super) async fn of_many_who_take_over_one_acquires<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (claim, _) = trial.held().await?;
    trial.release(&claim, Release::Abandon).await?;
    one_acquires(&trial, 2).await
}

async fn one_acquires<S: Subject>(trial: &Trial<'_, S>, attempt: u32) -> Checked {
    let claims: Vec<Claim> = (0..MANY).map(|_| trial.claim()).collect();
    let answers = all(claims.iter().map(|claim| trial.begin(claim))).await?;
    let (mut owners, mut busy) = (0, 0);
    for answer in answers {
        match answer {
            Begin::Acquired(held) if held.attempt == attempt => owners += 1,
            Begin::Busy { attempt: told, .. } if told == attempt => busy += 1,
            other => return Err(format!("{other:?} for one of {MANY} who begin at once")),
        }
    }
    same((owners, busy), (1, MANY - 1))
}

pub(super) async fn one_owner_that_begins_many_times_acquires<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let claim = trial.claim();
    let answers = all((0..MANY).map(|_| trial.acquire(&claim))).await?;
    answers.iter().try_for_each(|&held| same(held, answers[0]))
}

pub(super) async fn of_many_who_finish_one_stores<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let mut owners = Vec::new();
    for _ in 0..4 {
        let (claim, held) = trial.held().await?;
        trial.release(&claim, Release::Abandon).await?;
        owners.push((claim, held));
    }
    let responses = ["first", "second", "third", "fourth"];
    let finish = |((claim, held), response)| trial.finish(claim, held, response);
    let answers = all(owners.iter().map(|(claim, held)| (claim, *held)).zip(responses).map(finish)).await?;
    for answer in &answers[..3] {
        let in_time = answer == &lost(Some("fourth"));
        same(in_time || answer == &lost(None), true)?;
    }
    same(&answers[3], &Finish::Ok)?;
    trial.is_done("fourth").await
}

/// Runs all at once, in this task: each has been sent before the answer to any is waited for.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = Checked<T>> + Send>) -> Checked<Vec<T>> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut answers: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        for (future, answer) in running.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                if let Poll::Ready(ready) = future.as_mut().poll(cx)? {
                    *answer = Some(ready);
                }
            }
        }
        if answers.iter().all(Option::is_some) {
            return Poll::Ready(Ok(answers.drain(..).flatten().collect()));
        }
        Poll::Pending
    })
    .await
}
