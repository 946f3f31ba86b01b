//! Spans that nobody in the whole process takes: the way of a call then depends on what all threads together take, so this binary
//! has one test only.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use resilience_core::{Backoff, Call, Error, ErrorsAreFailures, RetryPolicy};
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, RetryLayer};
use tests::traced::Traced;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::{Span, level_filters::LevelFilter};

#[tokio::test(start_paused = true)]
async fn attempts_that_nobody_takes_are_still_counted_and_prepared() {
    let prepared = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&prepared);
    let spans =
        Telemetry::new("pay").spans(ErrorsAreFailures).on_attempt(move |span: &Span, _: &mut Call<u32>| {
            let is_operation =
                span.metadata().is_some_and(|metadata| metadata.name() == "resilience.operation");
            count.fetch_add(if is_operation { 100 } else { 1 }, Ordering::Relaxed);
        });
    let (operation, attempt) = spans.layers();
    let service =
        ServiceBuilder::new()
            .layer(CallLayer::new())
            .layer(operation)
            .layer(RetryLayer::new(RetryPolicy::new().backoff(Backoff::none())))
            .layer(attempt)
            .service(service_fn(async |call: Call<u32>| {
                if call.context().attempt() < 3 { Err(Error::inner("down")) } else { Ok(()) }
            }));
    for (level, seen, hooked) in [
        (LevelFilter::WARN, &[][..], 3),
        (LevelFilter::INFO, &["resilience.operation"], 300),
        (
            LevelFilter::DEBUG,
            &["resilience.operation", "resilience.attempt", "resilience.attempt", "resilience.attempt"],
            3,
        ),
    ] {
        let traced = Traced::start(level);
        assert_eq!(service.clone().oneshot(7).await, Ok(()));
        let spans = traced.spans();
        assert_eq!(spans.iter().map(|span| span.name).collect::<Vec<_>>(), seen);
        assert!(spans.iter().take(1).all(|span| span.field("resilience.attempts") == "3"), "{spans:?}");
        assert_eq!(prepared.swap(0, Ordering::Relaxed), hooked, "{level}");
    }
}
