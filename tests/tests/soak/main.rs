//! A stack under everything at once, on virtual time: it never refuses for ever.
//!
//! `SOAK_SEED` chooses the run, `SOAK_ROUNDS` its length.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod callers;
mod dependency;
mod operator;
mod watch;

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{
    Call, CircuitBreaker, Error, Rejected,
    circuit_breaker::{Config, Mode, State},
};
use resilience_tower::{CircuitBreakerLayer, TimeoutLayer};
use tests::{
    seed::{number, seed},
    time,
};
use tokio::task::JoinSet;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneService};

use self::{
    dependency::{ClassifyFault, Dependency, Fault},
    operator::Operator,
    watch::Watch,
};

const MS: Duration = Duration::from_millis(1);
const TOTAL: Duration = Duration::from_millis(500);
const ATTEMPT: Duration = Duration::from_millis(300);

type Answer = Result<(), Error<Fault>>;
type Stack = BoxCloneService<Call<()>, (), Error<Fault>>;

struct Soak {
    rng: SmallRng,
    stack: Stack,
    breaker: CircuitBreaker,
    watch: Arc<Watch>,
    dependency: Dependency,
}

impl Soak {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let breaker = CircuitBreaker::with_seed(Config::new(), time::now(), rng.random());
        let watch = Arc::new(Watch::new());
        let dependency = Dependency::new(Arc::clone(&watch), rng.random());
        let stack = ServiceBuilder::new()
            .layer(TimeoutLayer::total(TOTAL))
            .layer(
                CircuitBreakerLayer::with_breaker(breaker.clone())
                    .classify(ClassifyFault)
                    .with_observer(Arc::clone(&watch)),
            )
            .layer(TimeoutLayer::attempt(ATTEMPT))
            .service(dependency.clone());
        Self { rng, stack: BoxCloneService::new(stack), breaker, watch, dependency }
    }

    /// An outage with callers and an operator, and then a healthy dependency under steady traffic.
    async fn round(&mut self) {
        let mut operator = Operator::new(self.breaker.clone(), Arc::clone(&self.watch), self.rng.random());
        operator.reconfigure();
        self.dependency.ail(self.rng.random_range(3..=10));
        let mut callers = JoinSet::new();
        for _ in 0..30 {
            let chaos = callers::chaos(self.stack.clone(), self.rng.random(), self.dependency.clone());
            callers.spawn(chaos);
        }
        if self.rng.random_bool(0.7) {
            for _ in 0..self.rng.random_range(0..12) {
                tokio::time::sleep(self.rng.random_range(1..150) * MS).await;
                operator.meddle();
            }
            tokio::time::sleep(self.rng.random_range(1..300) * MS).await;
        } else {
            // Left alone for long, a breaker opens again and again, and waits longer each time.
            tokio::time::sleep(self.rng.random_range(1..5000) * MS).await;
        }

        // Some callers still wait for answers that will not come, and some of those hold the slots of probes.
        self.dependency.heal();
        operator.leave();
        assert_eq!(self.breaker.snapshot(time::now()).mode, Mode::Automatic);
        if self.rng.random_bool(0.2) {
            // Nobody calls for a while.
            tokio::time::sleep(self.rng.random_range(1..5000) * MS).await;
        }
        self.recover(&operator).await;

        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        assert_eq!(self.dependency.in_flight(), 0, "every call has ended");
        self.watch.assert_nothing_is_wrong();
    }

    /// Calls one after the other. The breaker may not be away from closed for longer than the settings allow; when
    /// nothing bad is in any window any more, it is closed.
    async fn recover(&self, operator: &Operator) {
        let start = time::now();
        let mut closed_at = start;
        let longest = operator.longest_refusal();
        let end = start + operator.longest_window() + ATTEMPT + 2 * longest;
        let mut good_in_a_row = 0_u32;
        while time::now() < end || good_in_a_row < operator.longest_count_window() {
            self.watch.assert_nothing_is_wrong();
            match self.stack.clone().oneshot(Call::new(())).await {
                Ok(()) => good_in_a_row += 1,
                Err(Error::Rejected { rejected: Rejected::CircuitOpen { retry_after }, .. }) => {
                    good_in_a_row = 0;
                    assert!(retry_after.is_some_and(|wait| wait <= longest), "{retry_after:?}");
                }
                Err(other) => panic!("the dependency is well: {other:?}"),
            }
            assert!(time::now() < end + 10 * longest, "it opens again and again");
            if self.breaker.snapshot(time::now()).state == State::Closed {
                closed_at = time::now();
            }
            let not_closed_for = time::now() - closed_at;
            assert!(not_closed_for <= longest, "not closed for {not_closed_for:?}, at most {longest:?}");
            tokio::time::sleep(5 * MS).await;
        }
        assert_eq!(self.breaker.snapshot(time::now()).state, State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn it_never_refuses_for_ever() {
    let mut soak = Soak::new(seed("SOAK_SEED"));
    for _ in 0..number("SOAK_ROUNDS", 250) {
        soak.round().await;
    }
    soak.watch.assert_every_state_was_seen();
}
