//! Calls that come whether earlier ones are answered or not.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use resilience_core::{Error, Outcome, Rng};
use tests::time;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::stacks::{Fault, Stack};

/// A Poisson process of `rate` calls per second from `callers` of equal share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) callers: usize,
    /// Seconds.
    pub(crate) length: f64,
    pub(crate) seed: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    /// By an attempt that failed or was cut.
    Failed,
    /// The stack did not let it through.
    Refused(Outcome),
}

/// A user's call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Called {
    pub(crate) caller: usize,
    /// Seconds since the beginning.
    pub(crate) at: f64,
    /// Seconds.
    pub(crate) took: f64,
    pub(crate) end: End,
}

impl Load {
    /// Makes the calls, each by `call`, and waits for the last one to end. They are in the order in which they ended.
    pub(crate) async fn drive<F>(self, mut call: impl FnMut(usize) -> F) -> Vec<Called>
    where
        F: Future<Output = Result<(), Error<Fault>>> + Send + 'static,
    {
        let origin = time::now();
        let mut rng = Rng::from_seed(self.seed);
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut calls = JoinSet::new();
        let mut at = 0.0;
        loop {
            at -= (1.0 - rng.unit()).ln() / self.rate;
            if at >= self.length {
                break;
            }
            tokio::time::sleep_until((origin + Duration::from_secs_f64(at)).into()).await;
            let caller = pick(&mut rng, self.callers);
            let (future, log, began) = (call(caller), Arc::clone(&log), time::now());
            calls.spawn(async move {
                let end = match future.await {
                    Ok(()) => End::Answered,
                    Err(Error::Rejected { rejected, .. }) if !rejected.was_sent() => {
                        End::Refused(rejected.outcome())
                    }
                    Err(_) => End::Failed,
                };
                let (at, took) = ((began - origin).as_secs_f64(), (time::now() - began).as_secs_f64());
                log.lock().unwrap().push(Called { caller, at, took, end });
            });
        }
        calls.join_all().await;
        std::mem::take(&mut *log.lock().unwrap())
    }

    /// Makes the calls, each caller with a stack of its own.
    pub(crate) async fn through(self, stacks: &[Stack]) -> Vec<Called> {
        self.drive(|caller| stacks[caller].clone().oneshot(())).await
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to the number of callers"
)]
fn pick(rng: &mut Rng, callers: usize) -> usize {
    (rng.unit() * callers as f64) as usize
}
