//! A store that does what it is told, and what all tests share.

use std::{
    collections::VecDeque,
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use resilience_core::{
    Event, Observer,
    idempotency::{
        Begin, Claim, Ending, Fingerprint, Finish, Held, MemoryStore, Owner, RecordKey, Release, Released,
        Renew, Store, StoreError, StoreErrorKind, memory,
    },
};
use resilience_tower::idempotency::{Done, Guard, IdempotencyContext, RunError, Settings, memory_store};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) const KEY: RecordKey = RecordKey::from_bytes([7; 32]);
pub(crate) const OTHER: RecordKey = RecordKey::from_bytes([8; 32]);
pub(crate) const ASKED: Fingerprint = Fingerprint::from_bytes([1; 32]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Begin,
    Renew,
    Finish,
    Release,
}

/// What becomes of one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    Pass,
    /// Fails at once, and nothing was done.
    Fail(StoreErrorKind),
    /// The same after a while.
    FailAfter(Duration, StoreErrorKind),
    /// Never answers, and nothing is done.
    Hang,
    /// It is done, and the answer is lost.
    Lose,
    /// It is done, and the answer comes late.
    Late(Duration),
}

#[derive(Debug, Default)]
struct Script {
    next: Vec<(Op, VecDeque<Do>)>,
    always: Option<Do>,
    log: Vec<(Op, Owner)>,
}

/// A memory store that can be told to fail.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    pub(crate) inner: MemoryStore,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        Self { inner: memory_store(memory::Config::new()), script: Arc::default() }
    }

    /// What becomes of the next operations of this kind.
    pub(crate) fn next(&self, op: Op, plan: impl IntoIterator<Item = Do>) {
        self.script.lock().unwrap().next.push((op, plan.into_iter().collect()));
    }

    /// What becomes of all others.
    pub(crate) fn always(&self, what: Do) {
        self.script.lock().unwrap().always = Some(what);
    }

    pub(crate) fn count(&self, op: Op) -> usize {
        self.owners(op).len()
    }

    pub(crate) fn owners(&self, op: Op) -> Vec<Owner> {
        let script = self.script.lock().unwrap();
        script.log.iter().filter(|(done, _)| *done == op).map(|(_, owner)| *owner).collect()
    }

    fn plan(&self, op: Op, owner: Owner) -> Do {
        let mut script = self.script.lock().unwrap();
        script.log.push((op, owner));
        let planned =
            script.next.iter_mut().filter(|(of, _)| *of == op).find_map(|(_, plan)| plan.pop_front());
        planned.or(script.always).unwrap_or(Do::Pass)
    }

    async fn act<T>(
        &self,
        op: Op,
        owner: Owner,
        act: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.plan(op, owner) {
            Do::Pass => act.await,
            Do::Fail(kind) => Err(StoreError::new(kind)),
            Do::FailAfter(late, kind) => {
                tokio::time::sleep(late).await;
                Err(StoreError::new(kind))
            }
            Do::Hang => pending().await,
            Do::Lose => {
                let _ = act.await;
                pending().await
            }
            Do::Late(late) => {
                let result = act.await;
                tokio::time::sleep(late).await;
                result
            }
        }
    }
}

impl Store for Scripted {
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        self.act(Op::Begin, claim.owner, self.inner.begin(key, claim)).await
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        self.act(Op::Renew, claim.owner, self.inner.renew(key, claim, held)).await
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        self.act(Op::Finish, claim.owner, self.inner.finish(key, claim, held, response)).await
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        self.act(Op::Release, owner, self.inner.release(key, owner, how)).await
    }
}

/// Hears how requests ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Ending>>>);

impl Heard {
    /// What was heard since it was last asked.
    pub(crate) fn take(&self) -> Vec<Ending> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        match event {
            Event::Idempotency(ending) => self.0.lock().unwrap().push(*ending),
            other => panic!("{other:?}"),
        }
    }
}

/// A guard on a scripted store, and what becomes of its calls.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) guard: Guard<Scripted, Heard>,
    pub(crate) store: Scripted,
    pub(crate) heard: Heard,
    runs: Arc<AtomicU32>,
}

pub(crate) type Result3 = Result<Done, RunError<&'static str>>;

impl Case {
    pub(crate) fn new(settings: Settings) -> Self {
        let (store, heard) = (Scripted::new(), Heard::default());
        let guard = Guard::with_observer(store.clone(), settings, heard.clone());
        Self { guard, store, heard, runs: Arc::default() }
    }

    /// How often work has begun.
    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    /// Work that takes `time`, and says which attempt it was.
    pub(crate) async fn run(&self, key: RecordKey, time: Duration) -> Result3 {
        let runs = Arc::clone(&self.runs);
        let work = async move |run: IdempotencyContext| {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(time).await;
            Ok(Bytes::from(format!("attempt {}", run.attempt())))
        };
        self.guard.run(key, ASKED, work).await
    }

    /// The same, in a task of its own, which has begun when this returns.
    pub(crate) async fn spawn(&self, key: RecordKey, time: Duration) -> tokio::task::JoinHandle<Result3> {
        let case = self.clone();
        let task = tokio::spawn(async move { case.run(key, time).await });
        settle().await;
        task
    }

    /// Work that fails.
    pub(crate) async fn fail(&self, key: RecordKey) -> Result3 {
        self.guard.run(key, ASKED, async |_| Err("failed")).await
    }
}

/// Lets every task come to where it waits.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// What was done, and whether it was replayed.
#[track_caller]
pub(crate) fn done(result: Result3) -> (String, bool) {
    let done = result.unwrap();
    (String::from_utf8(done.result.to_vec()).unwrap(), done.replayed)
}

pub(crate) fn first(attempt: u32) -> (String, bool) {
    (format!("attempt {attempt}"), false)
}

pub(crate) fn replayed(attempt: u32) -> (String, bool) {
    (format!("attempt {attempt}"), true)
}
