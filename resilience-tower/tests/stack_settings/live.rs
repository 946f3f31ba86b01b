//! What was read is put in force while a stack runs, and state is kept.

use std::time::Instant;

use resilience_core::{Error, FailureKind, Rejected, adaptive::Priority, circuit_breaker::State};
use resilience_tower::stack::{ClientLayer, ClientPatch, ServerLayer, ServerPatch};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{client, server};

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

const TOUCHY: &str = "
    retry = 'off'
    bulkhead = { max_concurrent = 3 }
    circuit_breaker = { consecutive_failures = 2, open_for = '1m', max_open_for = '1m' }
";

#[tokio::test(start_paused = true)]
async fn a_breaker_stays_open_and_permits_stay_out() {
    let layer = ClientLayer::new("test", &client(TOUCHY)).unwrap();
    let handle = layer.handle().clone();
    let mut service = layer.layer(service_fn(|()| async { Err::<(), _>("failed") }));
    for _ in 0..2 {
        assert_eq!(service.ready().await.unwrap().call(()).await, Err(Error::inner("failed")));
    }
    let breaker = handle.policies(&()).circuit_breaker().unwrap().clone();
    assert_eq!(breaker.snapshot(now()).state, State::Open);
    let permit = handle.bulkhead().unwrap().try_acquire(2).unwrap();

    let patch: ClientPatch =
        toml::from_str("bulkhead.max_concurrent = 2\ncircuit_breaker.probes = 1").unwrap();
    handle.reconfigure(&patch.apply_to(handle.settings()).unwrap()).unwrap();

    assert_eq!(breaker.snapshot(now()).state, State::Open);
    assert_eq!(breaker.config().probes(1), breaker.config(), "under the new settings");
    let full = service.ready().await.unwrap().call(()).await;
    assert!(matches!(full, Err(Error::Rejected { rejected: Rejected::BulkheadFull { .. }, .. })), "{full:?}");
    drop(permit);
    let open = service.ready().await.unwrap().call(()).await;
    assert!(matches!(open, Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. })), "{open:?}");
}

#[tokio::test(start_paused = true)]
async fn a_budget_keeps_its_tokens_until_its_settings_change() {
    let settings = "retry_budget.success_paid.capacity = 30";
    let layer = ClientLayer::new("test", &client(settings)).unwrap();
    let handle = layer.handle();
    let tokens = || handle.policies(&()).retry_budget().unwrap().tokens(now());
    let spend = || {
        let budget = handle.policies(&()).retry_budget().unwrap().clone();
        let mut tab = budget.open(now);
        assert!(budget.withdraw(&mut tab, FailureKind::Transient, now));
        budget.close(&mut tab);
    };
    spend();
    let spent = tokens();
    assert!(spent < 30.0);
    for other in ["total_timeout = '3s'", "total_timeout = '4s'"] {
        handle.reconfigure(&client(&format!("{other}\n{settings}"))).unwrap();
        assert_eq!(tokens(), spent, "a budget that is the same keeps what it has");
    }
    handle.reconfigure(&client("retry_budget.success_paid.capacity = 40")).unwrap();
    assert_eq!(tokens(), 40.0, "another one begins");
    spend();
    let spent = tokens();
    handle.reconfigure(&client("total_timeout = '3s'\nretry_budget.success_paid.capacity = 40")).unwrap();
    assert_eq!(tokens(), spent);
    handle.reconfigure(&client("retry_budget = 'off'")).unwrap();
    assert!(handle.policies(&()).retry_budget().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_keeps_its_permits_and_refuses_what_needs_a_new_stack() {
    let settings = server("adaptive = { initial = 3, min = 1 }\nbulkhead.max_concurrent = 5");
    let layer = ServerLayer::new("api", &settings).unwrap();
    let handle = layer.handle();
    let permit = handle.adaptive().unwrap().try_acquire(Priority::default(), now).unwrap();
    let over = |text: &str| {
        let patch: ServerPatch = toml::from_str(text).unwrap();
        handle.reconfigure(&patch.apply_to(handle.settings()).unwrap())
    };
    over("adaptive.max = 2\ntotal_timeout = '250ms'").unwrap();
    let seen = handle.adaptive().unwrap().snapshot();
    assert_eq!((seen.limit, seen.in_flight), (2, 1));

    let before = toml::to_string(&handle.settings()).unwrap();
    for (text, part) in [("bulkhead = 'off'", "bulkhead"), ("max_deadline = '5m'", "max_deadline")] {
        let refused = over(&format!("{text}\ntotal_timeout = '100ms'")).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("`{part}` is")) && refused.contains("make a new stack"),
            "{refused}"
        );
    }
    assert_eq!(toml::to_string(&handle.settings()).unwrap(), before, "nothing has changed");
    assert!(before.contains("total_timeout = \"250ms\""));
    drop(permit);
}
