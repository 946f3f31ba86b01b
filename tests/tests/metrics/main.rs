//! Names, labels and values of all metrics, as a recorder sees them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod adaptive;
mod breaker;
mod bulkhead;
mod catalogue;
mod drain;
mod fallback;
mod idempotency;
mod in_flight;
mod keyed;
mod late;
mod load_shed;
mod named;
mod names;
mod operation;
mod per_key;
mod prometheus;
mod publish;
mod rate_limit;
mod recorders;
mod retry;
mod stack;
mod steps;
mod throttle;
mod verbose;
mod walk;

use std::{future::pending, panic::resume_unwind, time::Duration};

use resilience_core::{Call, Error, FailureKind, Verdict};
use resilience_tower::retry::Replay;
use tower::{Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What the inner service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Answer,
    AnswerAfter(Duration),
    Fail,
    /// Fails at the first attempt, then answers.
    FailOnce,
    /// Fails through the caller's own fault.
    Permanent,
    Hang,
    Panic,
}

impl Replay for Do {
    fn try_clone(&self) -> Option<Self> {
        Some(*self)
    }
}

type Answer = Result<(), Error<Do>>;

fn inner() -> impl Service<Call<Do>, Response = (), Error = Error<Do>, Future: Send> + Clone + Send {
    service_fn(|call: Call<Do>| async move {
        match *call.request() {
            Do::Answer => Ok(()),
            Do::AnswerAfter(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Do::FailOnce if call.context().attempt() > 1 => Ok(()),
            Do::Fail | Do::FailOnce => Err(Error::inner(Do::Fail)),
            Do::Permanent => Err(Error::inner(Do::Permanent)),
            Do::Hang => pending().await,
            // A panic without its message on the terminal.
            Do::Panic => resume_unwind(Box::new("as told")),
        }
    })
}

fn classify(result: Result<&(), &Error<Do>>) -> Verdict {
    match result {
        Ok(()) => Verdict::Success,
        Err(Error::Inner { error: Do::Permanent, .. }) => Verdict::Failure(FailureKind::Permanent),
        Err(_) => Verdict::Failure(FailureKind::Transient),
    }
}

async fn call<S>(service: &S, what: Do) -> Answer
where
    S: Service<Call<Do>, Response = (), Error = Error<Do>> + Clone,
{
    service.clone().oneshot(Call::new(what)).await
}
