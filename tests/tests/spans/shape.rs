//! Which spans there are, in what, from when to when.

use std::task::{Context, Waker};

use resilience_core::{Call, ErrorsAreFailures, retry::Trail};
use resilience_metrics::Telemetry;
use resilience_tower::RetryLayer;
use tests::traced::{SpanSeen, Traced};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tracing::level_filters::LevelFilter;

use super::{Do, Inner, MS, call, classify, policy, service, spans, stack, verdict};

fn all_closed(spans: &[SpanSeen]) -> bool {
    spans.iter().all(|span| span.closed.is_some())
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_its_attempts_in_it() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert_eq!(call(&service(&spans()), Do::FailFirst(1)).await, Ok(2));
    let seen = traced.spans();
    let shape: Vec<_> = seen.iter().map(|span| (span.name, span.target.as_str(), span.parent)).collect();
    assert_eq!(
        shape,
        [
            ("resilience.operation", "resilience", None),
            ("resilience.attempt", "resilience", Some(0)),
            ("resilience.attempt", "resilience", Some(0)),
        ]
    );
    assert!(all_closed(&seen));
}

#[tokio::test(start_paused = true)]
async fn what_is_inside_is_called_polled_and_dropped_in_the_span_of_its_attempt() {
    let traced = Traced::start(LevelFilter::TRACE);
    let all = ["resilience.attempt", "resilience.operation"];
    for what in [Do::Answer, Do::Fail, Do::Hang] {
        let _ = tokio::time::timeout(MS, call(&service(&spans()), what)).await;
        for (message, around) in traced.take_events() {
            assert_eq!(around, all, "{what:?} {message}");
        }
    }
    assert!(all_closed(&traced.spans()));
}

/// Exporters take the moment when a span was left last for its end.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_its_spans_only_then_and_a_failed_attempt_before_the_pause() {
    let traced = Traced::start(LevelFilter::TRACE);
    let service = service(&spans());
    let entered = || traced.spans().iter().map(|span| span.entered).collect::<Vec<_>>();
    let mut hanging = Box::pin(call(&service, Do::Hang));
    assert!(tokio::time::timeout(MS, hanging.as_mut()).await.is_err());
    let before = entered();
    drop(hanging);
    let after: Vec<_> = before.iter().map(|times| times + 1).collect();
    assert_eq!((before.len(), entered()), (2, after));

    assert_eq!(call(&service, Do::FailFirst(1)).await, Ok(2));
    assert_eq!(entered()[3], 2, "called and polled");
}

#[tokio::test(start_paused = true)]
async fn a_panic_closes_every_span() {
    let traced = Traced::start(LevelFilter::TRACE);
    for what in [Do::PanicInCall, Do::PanicInFuture] {
        let service = service(&spans());
        let task = tokio::spawn(async move { call(&service, what).await });
        assert!(task.await.unwrap_err().is_panic());
    }
    let seen = traced.spans();
    assert_eq!(seen.len(), 4);
    assert!(all_closed(&seen));
    assert!(tracing::Span::current().is_none(), "nobody is left inside of one");
}

#[tokio::test(start_paused = true)]
async fn a_span_ends_with_the_answer_and_not_with_the_future() {
    let traced = Traced::start(LevelFilter::TRACE);
    let mut answering = Box::pin(call_kept(&service(&spans()), Do::Answer));
    assert_eq!(answering.as_mut().await, Ok(1));
    assert!(all_closed(&traced.spans()));
    drop(answering);
}

/// A future that can be looked at after its end.
fn call_kept<S: Service<Call<Do>> + Clone>(service: &S, what: Do) -> S::Future {
    let mut service = service.clone();
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(ready.is_ready());
    service.call(Call::new(what))
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_an_attempt_makes_none() {
    let traced = Traced::start(LevelFilter::TRACE);
    let client =
        stack().slots(spans().layers()).classify(verdict).calls().layer(service_fn(|what: Do| async move {
            if what == Do::Fail { Err(super::Failed(what)) } else { Ok(1) }
        }));
    let send = || client.clone().oneshot(Call::new(Do::Fail));
    assert!(send().await.is_err() && send().await.is_err());
    let made: Vec<_> = traced
        .named("resilience.operation")
        .iter()
        .map(|span| {
            (span.field("resilience.attempts").to_owned(), span.field("resilience.outcome").to_owned())
        })
        .collect();
    let [two, none] =
        [("2", "circuit_open"), ("0", "circuit_open")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(made, [two, none]);
    assert_eq!(traced.named("resilience.attempt").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_layer_around_operations_alone_counts_what_the_retry_layer_has_begun() {
    let traced = Traced::start(LevelFilter::TRACE);
    let service = ServiceBuilder::new()
        .layer(spans().operation_layer())
        .layer(RetryLayer::new(policy()).classify(verdict))
        .service(Inner);
    assert_eq!(call(&service, Do::FailFirst(1)).await, Ok(2));
    assert_eq!(traced.named("resilience.operation")[0].field("resilience.attempts"), "2");
}

/// A server makes no attempts, and says nothing of them.
#[tokio::test(start_paused = true)]
async fn a_layer_around_operations_alone_says_nothing_where_nobody_counts() {
    let traced = Traced::start(LevelFilter::TRACE);
    let service = ServiceBuilder::new().layer(spans().operation_layer()).service(Inner);
    assert_eq!(call(&service, Do::Answer).await, Ok(1));
    let fields = &traced.spans()[0].fields;
    assert_eq!(fields["resilience.outcome"], "success");
    assert!(!fields.contains_key("resilience.attempts"));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_context_has_spans_all_the_same() {
    let traced = Traced::start(LevelFilter::TRACE);
    let (operation, attempt) = Telemetry::new("pay").spans(ErrorsAreFailures).layers();
    let service = ServiceBuilder::new()
        .layer(operation)
        .layer(attempt)
        .service(service_fn(|_: u32| async { Ok::<_, resilience_core::BoxError>(()) }));
    assert!(service.oneshot(7).await.is_ok());
    let seen = traced.spans();
    assert_eq!((seen.len(), seen[1].parent), (2, Some(0)));
    assert!(!seen[0].fields.contains_key("resilience.attempts"));
    assert_eq!(seen[1].field("resilience.attempt.number"), "1");
}

/// The caller's own trail is written as if nobody traced.
#[tokio::test(start_paused = true)]
async fn a_trail_of_the_callers_own_is_kept() {
    let _traced = Traced::start(LevelFilter::TRACE);
    let trail = Trail::new();
    let context = resilience_core::Context::new().with_trail(trail.clone());
    let failed = service(&spans()).oneshot(Call::with_context(Do::Fail, context)).await.unwrap_err();
    assert_eq!((trail.attempts(), trail.gave_up()), (3, failed.gave_up()));
}

/// Two pipelines, one in an attempt of the other, whose calls share a context.
#[tokio::test(start_paused = true)]
async fn attempts_of_a_pipeline_within_another_are_its_own() {
    let traced = Traced::start(LevelFilter::TRACE);
    let (outer_operation, outer_attempt) = Telemetry::new("outer").spans(classify()).layers();
    let (inner_operation, inner_attempt) = Telemetry::new("inner").spans(classify()).layers();
    let inner = ServiceBuilder::new()
        .layer(inner_operation)
        .layer(RetryLayer::new(policy()).classify(verdict))
        .layer(inner_attempt)
        .service(service_fn(|call: Call<Do>| async move {
            if call.context().trail().unwrap().attempts() == 1 {
                Err(resilience_core::Error::inner(super::Failed(*call.request())))
            } else {
                Ok(call.context().attempt())
            }
        }));
    let outer = ServiceBuilder::new().layer(outer_operation).layer(outer_attempt).service(inner);
    assert_eq!(call(&outer, Do::Answer).await, Ok(2));
    let attempts = |pipeline: &str| {
        let seen = traced.named("resilience.operation");
        let span = seen.iter().find(|span| span.field("resilience.pipeline") == pipeline);
        span.unwrap().field("resilience.attempts").to_owned()
    };
    assert_eq!((attempts("outer").as_str(), attempts("inner").as_str()), ("1", "2"));
}
