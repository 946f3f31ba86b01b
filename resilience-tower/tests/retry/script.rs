//! A dependency that answers by a script and remembers each attempt.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use resilience_core::{Call, Classify, Error, Event, FailureKind, Hint, Observer, Verdict};
use tower::Service;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What the dependency does with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Answer,
    Fail(FailureKind),
    Hint(FailureKind, Hint),
    /// Fails, and nothing was sent.
    Refuse,
}

pub(crate) use FailureKind::{PeerOverloaded, Permanent, Throttled, Timeout, Transient};

/// The error of the dependency: what it did.
pub(crate) type Failure = Error<Does>;

/// One attempt as the dependency saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) at: Instant,
}

/// The dependency. Clones share the script, and the log of what they were asked.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    script: Arc<Mutex<VecDeque<Does>>>,
    /// After the script.
    then: Does,
    log: Arc<Mutex<Vec<Attempt>>>,
    is_ready: bool,
}

impl Scripted {
    pub(crate) fn new(script: impl IntoIterator<Item = Does>, then: Does) -> Self {
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        Self { script, then, log: Arc::default(), is_ready: false }
    }

    pub(crate) fn always(does: Does) -> Self {
        Self::new([], does)
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.log.lock().unwrap().clone()
    }

    /// The pauses between the attempts.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.attempts().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

impl<R> Service<Call<R>> for Scripted {
    type Response = &'static str;
    type Error = Failure;
    type Future = Ready<Result<&'static str, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "an instance was called that was not readied");
        let number = call.context().attempt();
        self.log.lock().unwrap().push(Attempt { number, at: now() });
        ready(match self.script.lock().unwrap().pop_front().unwrap_or(self.then) {
            Does::Answer => Ok("answer"),
            failure => Err(Error::inner(failure)),
        })
    }
}

/// Reads the failure as it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsTold;

impl Classify<&'static str, Failure> for AsTold {
    fn classify(&self, result: Result<&&'static str, &Failure>) -> Verdict {
        match result {
            Err(Error::Inner { error: Does::Fail(kind) | Does::Hint(kind, _), .. }) => {
                Verdict::Failure(*kind)
            }
            Err(_) => Verdict::Failure(Transient),
            Ok(_) => Verdict::Success,
        }
    }

    fn hint(&self, result: Result<&&'static str, &Failure>) -> Option<Hint> {
        match result {
            Err(Error::Inner { error: Does::Hint(_, hint), .. }) => Some(*hint),
            _ => None,
        }
    }

    fn was_sent(&self, result: Result<&&'static str, &Failure>) -> bool {
        !matches!(result, Err(Error::Inner { error: Does::Refuse, .. }))
    }
}

/// Remembers every event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}
