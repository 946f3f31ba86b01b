//! A policy of one's own beside those of the library: no calls while a dependency is being worked on.
//!
//! `policy.rs` decides, `layer.rs` brings the decision to a service, and `error.rs` has the error that carries both its refusal and
//! those of the library. The layer goes into both slots of the client's stack, and its handle into the registry, where an
//! operator finds it.
//!
//! ```sh
//! cargo run --release -p examples --bin custom_policy
//! ```

mod error;
mod layer;
mod policy;

use std::{
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use resilience_core::Registry;
use resilience_tower::stack::{ClientLayer, ClientSettings};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn, util::MapErrLayer};

use crate::{
    error::{CallError, ClassifyCall, Outage},
    layer::MaintenanceLayer,
    policy::Maintenance,
};

const WINDOW: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("not as it should be");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let maintenance = Maintenance::new(now());
    let called = Arc::<AtomicU32>::default();
    let dependency = {
        let (called, maintenance) = (Arc::clone(&called), maintenance.clone());
        service_fn(move |request: &'static str| {
            called.fetch_add(1, Ordering::SeqCst);
            let fails = request == "break down";
            if fails {
                // The work begins while the call is on its way.
                maintenance.begin(WINDOW, now());
            }
            async move { if fails { Err(Outage) } else { Ok("done") } }
        })
    };

    let guard = MaintenanceLayer(maintenance.clone());
    let stack = ClientLayer::new("orders", &ClientSettings::new())?
        .classify(ClassifyCall)
        // Around the operation: refused before it costs anything.
        .operation(guard.clone())
        // Around each attempt: a retry does not come into a window that has begun since. The errors from inside become ours.
        .attempt((guard, MapErrLayer::new(CallError::from)));
    let breaker = stack.handle().policies(&()).circuit_breaker().cloned();
    let registry = Registry::new();
    let _registered = [
        registry.register("orders", "maintenance", maintenance)?,
        registry.register("orders", "destinations", stack.handle().destinations().clone())?,
    ];
    let client = stack.layer(dependency);
    let call = async |request| {
        let before = called.load(Ordering::SeqCst);
        let result: Result<&str, CallError> = client.clone().oneshot(request).await;
        let attempts = called.load(Ordering::SeqCst) - before;
        println!(
            "{request:<12} {attempts} attempts: {}",
            match &result {
                Ok(answer) => (*answer).to_owned(),
                Err(error) => error.to_string(),
            }
        );
        (result, attempts)
    };

    let before = call("order").await;
    // What an operator's endpoint does.
    registry.get::<Maintenance>("orders", "maintenance")?.begin(WINDOW, now());
    for row in registry.snapshot(now()) {
        println!(
            "  {}/{}: {}{}",
            row.pipeline,
            row.policy,
            row.state,
            if row.limiting { ", limiting" } else { "" }
        );
    }
    let during = call("order").await;
    sleep(WINDOW + Duration::from_millis(10)).await;
    let into = call("break down").await;
    // The attempt that failed, and not the one that the window refused.
    let failures = breaker.map(|breaker| breaker.snapshot(now()).consecutive_failures);
    sleep(WINDOW + Duration::from_millis(10)).await;
    let after = call("order").await;

    let is_refused = |result| matches!(result, Err(CallError::Maintenance(_)));
    Ok(before == (Ok("done"), 1)
        && (is_refused(during.0) && during.1 == 0)
        && (is_refused(into.0) && into.1 == 1)
        && after == (Ok("done"), 1)
        && failures == Some(1))
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this program")]
fn now() -> Instant {
    Instant::now()
}
