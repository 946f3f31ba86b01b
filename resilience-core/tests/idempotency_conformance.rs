//! The store in memory against what every store must do, also behind a pointer.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use resilience_core::idempotency::{
    BoxStore, MemoryStore, Store,
    conformance::{self, Subject, cases},
    memory::Config,
};

/// A store and the clock that it goes by, in milliseconds.
struct Lab<S>(S, Arc<AtomicU64>);

impl<S: Store> Subject for Lab<S> {
    type Store = S;

    fn store(&self) -> &S {
        &self.0
    }

    async fn pass(&self, time: Duration) {
        self.1.fetch_add(u64::try_from(time.as_millis()).expect("not that long"), Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn memory() -> Lab<MemoryStore> {
    let (t0, millis) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let clock = Arc::clone(&millis);
    let now = move || t0 + Duration::from_millis(clock.load(Ordering::Relaxed));
    Lab(MemoryStore::new(Config::new(), now), millis)
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn the_store_in_memory_does_what_every_store_must() {
    ready(conformance::run(&memory())).expect_all_passed();
}

#[test]
fn so_it_does_behind_a_pointer() {
    let Lab(store, clock) = memory();
    ready(conformance::run(&Lab(BoxStore::new(Arc::new(store)), clock))).expect_all_passed();
}

#[test]
fn each_case_has_a_name_of_its_own() {
    let names: BTreeSet<_> = cases::<Lab<MemoryStore>>().iter().map(|case| case.name()).collect();
    assert_eq!(names.len(), cases::<Lab<MemoryStore>>().len());
    assert!(names.len() > 30);
}
