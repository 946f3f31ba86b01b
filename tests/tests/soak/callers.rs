//! Callers with little patience.

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{Call, Context, Deadline};
use tests::time;
use tower::{Service, ServiceExt};

use super::{MS, Stack, dependency::Dependency};

/// Calls again and again while the dependency is ill; panics and cancels on the way.
pub(crate) async fn chaos(stack: Stack, seed: u64, dependency: Dependency) {
    let mut rng = SmallRng::seed_from_u64(seed);
    while dependency.is_ill() {
        let mut stack = stack.clone();
        let mut context = Context::new();
        if rng.random_bool(0.1) {
            context = context.with_deadline(Deadline::after(time::now(), rng.random_range(0..300) * MS));
        }
        let call = Call::with_context((), context);
        match rng.random_range(0..10) {
            // Never called, or never polled.
            0 => drop(stack.ready().await),
            1 => drop(stack.ready().await.unwrap().call(call)),
            // Given up.
            2..5 => {
                let spawned = tokio::spawn(stack.oneshot(call));
                tokio::time::sleep(rng.random_range(0..400) * MS).await;
                spawned.abort();
            }
            // In a task of its own, for the panics.
            _ => drop(tokio::spawn(stack.oneshot(call)).await),
        }
        tokio::time::sleep(rng.random_range(0..20) * MS).await;
    }
}
