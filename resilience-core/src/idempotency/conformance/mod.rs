//! What every store must do, as cases that whoever writes one runs against it.
//!
//! A case says one sentence of the documentation of [`Store`] or of its answers. It uses keys of its own, chosen at random,
//! so cases may share a store, also with other runs. None needs a runtime; those who have one may run each case as a test of its own.
//!
//! ```
//! use std::{future::Future, sync::{Arc, Mutex}, time::{Duration, Instant}};
//! use resilience_core::idempotency::{MemoryStore, conformance::{self, Subject}, memory::Config};
//!
//! /// A store, and the clock that it goes by.
//! struct Memory(MemoryStore, Arc<Mutex<Instant>>);
//!
//! impl Subject for Memory {
//!     type Store = MemoryStore;
//!
//!     fn store(&self) -> &MemoryStore {
//!         &self.0
//!     }
//!
//!     // A store with a server would sleep here.
//!     async fn pass(&self, time: Duration) {
//!         *self.1.lock().expect("not poisoned") += time;
//!     }
//! }
//!
//! let clock = Arc::new(Mutex::new(Instant::now()));
//! let now = Arc::clone(&clock);
//! let store = MemoryStore::new(Config::new(), move || *now.lock().expect("not poisoned"));
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     match std::pin::pin!(future).poll(&mut context) {
//! #         std::task::Poll::Ready(done) => done,
//! #         std::task::Poll::Pending => unreachable!("nothing here waits"),
//! #     }
//! # }
//! block_on(conformance::run(&Memory(store, clock))).expect_all_passed();
//! ```

mod begin;
mod done;
mod durations;
mod finish;
mod race;
mod release;
mod renew;
mod retention;
mod trial;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::Store;

/// A store that is tried out.
pub trait Subject: Sync {
    /// Its type.
    type Store: Store;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// Returns when so much time has passed for the store, or a little more: a real clock is slept by, one in the hands of the test is
    /// moved.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// How long the store takes at most to carry out ten operations, even when the machine is busy: leases and the times that records
    /// are kept are a few of these. 500 ms by default. Cases that wait for a lease take two to six of them each.
    fn unit(&self) -> Duration {
        Duration::from_millis(500)
    }
}

/// A sentence that holds for every store.
pub struct Case<S> {
    name: &'static str,
    run: for<'a> fn(&'a S) -> Outcome<'a>,
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

impl<S: Subject> Case<S> {
    /// The sentence, as an identifier.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tries it out.
    ///
    /// # Errors
    ///
    /// What the store did, and what it should have done.
    pub async fn run(&self, subject: &S) -> Result<(), Failure> {
        (self.run)(subject).await.map_err(|what| Failure { case: self.name, what })
    }
}

/// What a store did against the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    case: &'static str,
    what: String,
}

/// What came of all cases.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    failures: Vec<Failure>,
}

impl Report {
    /// The cases that have failed.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Fails the test that this is called in.
    ///
    /// # Panics
    ///
    /// If a case has failed; the text has all of them.
    #[track_caller]
    pub fn expect_all_passed(&self) {
        let all: String = self.failures.iter().map(|failure| format!("\n{failure}")).collect();
        assert!(all.is_empty(), "the store breaks its contract:{all}");
    }
}

/// Tries out all cases, one after the other.
pub async fn run<S: Subject>(subject: &S) -> Report {
    let mut failures = Vec::new();
    for case in cases::<S>() {
        failures.extend(case.run(subject).await.err());
    }
    Report { failures }
}

macro_rules! cases {
    ($($file:ident { $($name:ident)* })*) => {
        vec![$($(Case { name: stringify!($name), run: |subject| Box::pin($file::$name(subject)) },)*)*]
    };
}

/// All cases.
#[must_use]
pub fn cases<S: Subject>() -> Vec<Case<S>> {
    cases! {
        begin {
            an_absent_record_is_claimed
            keys_are_apart_from_each_other
            an_owner_that_begins_again_holds_the_same
            an_owner_that_begins_again_gets_its_lease_anew
            a_live_lease_is_busy_until_it_is_over
            a_lease_that_is_over_is_taken_over
            a_claim_may_refuse_to_take_over
            another_fingerprint_never_matches
            fences_grow_with_each_owner
        }
        race {
            of_many_who_begin_one_acquires
            of_many_who_take_over_one_acquires
            one_owner_that_begins_many_times_acquires
            of_many_who_finish_one_stores
        }
        renew {
            to_renew_gives_the_lease_anew
            to_renew_after_the_lease_is_to_have_it_again
            only_the_owner_renews
            what_is_done_is_not_renewed
            to_renew_brings_back_what_was_lost
            to_renew_brings_back_what_has_expired
        }
        finish {
            to_finish_stores_the_response
            to_finish_again_changes_nothing
            to_finish_after_the_lease_stores_the_response
            to_finish_after_abandoning_stores_the_response
            only_the_owner_finishes
            whoever_was_taken_over_gets_the_response_of_the_winner
            nobody_gets_the_response_to_another_request
            to_finish_brings_back_what_was_lost
            to_finish_brings_back_what_has_expired
        }
        done {
            what_is_done_answers_everybody
            what_is_done_stays_as_it_is
            a_response_comes_back_byte_by_byte
        }
        release {
            what_is_deleted_is_as_good_as_new
            what_is_abandoned_is_taken_over
            what_is_abandoned_is_refused_or_begun_again_by_its_owner
            only_the_owner_releases
            to_release_what_is_not_there_does_nothing
            to_release_after_the_lease_is_to_give_up
        }
        retention {
            a_record_outlives_its_lease
            a_record_is_kept_from_its_first_begin_on
            a_record_that_is_pending_expires_too
            a_record_that_was_brought_back_is_kept_anew
        }
        durations {
            a_lease_of_nothing_is_over_soon
            to_keep_for_nothing_is_to_keep_for_a_moment
            the_longest_times_are_long
        }
    }
}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.what)
    }
}

impl std::error::Error for Failure {}
