//! What is done.

use bytes::Bytes;

use super::{
    Subject,
    trial::{Checked, Trial, lost, same},
};
use crate::idempotency::{Begin, Finish, Release, Released, Renew};

pub(super) async fn what_is_done_answers_everybody<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (owner, _) = trial.finished("done").await?;
    let done = Begin::Done(Bytes::from_static(b"done"));
    for claim in [trial.claim(), trial.refusing(), owner] {
        same(trial.begin(&claim).await?, done.clone())?;
        same(trial.begin(&claim).await?, done.clone())?;
    }
    Ok(())
}

pub(super) async fn what_is_done_stays_as_it_is<S: Subject>(subject: &S) -> Checked {
    let trial = Trial::new(subject);
    let (owner, held) = trial.finished("done").await?;
    for claim in [&trial.claim(), &owner] {
        same(trial.renew(claim, held).await?, Renew::Lost)?;
        for how in [Release::Abandon, Release::Delete] {
            same(trial.release(claim, how).await?, Released::Lost)?;
        }
        let answer = trial.finish(claim, held, "again").await?;
        same(answer == Finish::Ok || answer == lost(Some("done")), true)?;
        trial.is_done("done").await?;
    }
    Ok(())
}

pub(super) async fn a_response_comes_back_byte_by_byte<S: Subject>(subject: &S) -> Checked {
    let every_byte: Vec<u8> = (0..=255).collect();
    for response in [Vec::new(), every_byte.clone(), every_byte.repeat(1024)] {
        let (trial, response) = (Trial::new(subject), Bytes::from(response));
        let (claim, held) = trial.held().await?;
        same(trial.finish_with(&claim, held, response.clone()).await?, Finish::Ok)?;
        let came_back = trial.begin(&trial.claim()).await? == Begin::Done(response.clone());
        same((came_back, response.len()), (true, response.len()))?;
    }
    Ok(())
}
