//! What is in a span at its end, for each way to end.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use http::{Response, StatusCode};
use resilience_core::{Call, Error, Rejected, Verdict};
use resilience_metrics::{Telemetry, span::chain};
use resilience_tower::{FallbackLayer, http::ClassifyStatus};
use tests::traced::{SpanSeen, Traced};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::level_filters::LevelFilter;

use super::{Do, Failed, MS, call, classify, service, spans};

/// The fields that are about the end.
fn ending(span: &SpanSeen) -> [&str; 3] {
    ["resilience.outcome", "otel.status_code", "error.type"].map(|name| span.field(name))
}

fn endings(seen: &[SpanSeen]) -> Vec<[&str; 3]> {
    seen.iter().map(ending).collect()
}

#[tokio::test(start_paused = true)]
async fn from_the_beginning_there_is_what_is_known_then() {
    let traced = Traced::start(LevelFilter::TRACE);
    let service = service(&spans());
    let answering = call(&service, Do::FailFirst(1));
    tokio::pin!(answering);
    assert!(poll(answering.as_mut()).is_pending());
    let fields = |place: usize| {
        let seen = traced.spans().remove(place);
        seen.fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(fields(0), ["otel.kind=internal", "otel.name=pay", "resilience.pipeline=pay"]);
    tokio::time::advance(10 * MS).await;
    assert_eq!(answering.await, Ok(2));
    let attempt = [
        "http.request.resend_count=1",
        "otel.kind=internal",
        "resilience.attempt.number=2",
        "resilience.outcome=success",
    ];
    assert_eq!(fields(2), attempt);
    assert_eq!(traced.spans()[1].field("http.request.resend_count"), "");
    assert_eq!(traced.spans()[1].field("resilience.attempt.number"), "1");
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_recovered_is_no_error_although_its_attempt_is() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert_eq!(call(&service(&spans()), Do::FailFirst(1)).await, Ok(2));
    let recovered = [["success", "", ""], ["failure", "ERROR", "reset"], ["success", "", ""]];
    assert_eq!(endings(&traced.spans()), recovered);
    assert_eq!(traced.spans()[0].field("resilience.attempts"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_error_with_its_name() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(call(&service(&spans()), Do::Fail).await.is_err());
    assert_eq!(endings(&traced.spans()), [["failure", "ERROR", "reset"]; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_callers_fault_is_an_error_of_the_attempt_alone() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(call(&service(&spans()), Do::Permanent).await.is_err());
    let expected = [["client_error", "", ""], ["failure", "ERROR", "not_found"]];
    assert_eq!(endings(&traced.spans()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_has_its_own_name() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(call(&service(&spans()), Do::Hang).await.is_err());
    assert_eq!(endings(&traced.spans()), [["timeout", "ERROR", "timeout"]; 4]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_is_no_error() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(tokio::time::timeout(MS, call(&service(&spans()), Do::Hang)).await.is_err());
    assert_eq!(endings(&traced.spans()), [["cancelled", "", ""]; 2]);
    assert_eq!(traced.spans()[0].field("resilience.attempts"), "1");
}

/// The classifier says that it says nothing.
#[tokio::test(start_paused = true)]
async fn what_is_ignored_is_no_error() {
    let traced = Traced::start(LevelFilter::TRACE);
    let spans = Telemetry::new("pay").spans(|_: Result<&u32, &Error<Failed>>| Verdict::Ignored);
    assert!(call(&service(&spans), Do::Permanent).await.is_err());
    assert_eq!(endings(&traced.spans()), [["cancelled", "", ""]; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_no_cancellation() {
    for what in [Do::PanicInCall, Do::PanicInFuture] {
        let traced = Traced::start(LevelFilter::TRACE);
        let service = service(&spans());
        assert!(tokio::spawn(async move { call(&service, what).await }).await.is_err());
        assert_eq!(endings(&traced.spans()), [["failure", "ERROR", "panic"]; 2], "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_with_the_name_of_its_outcome() {
    let traced = Traced::start(LevelFilter::TRACE);
    for rejected in [
        Rejected::BulkheadFull { limit: 1, in_flight: 1 },
        Rejected::Throttled { per_mille: 500 },
        Rejected::NotReady { waited: MS },
    ] {
        let (operation, attempt) = spans().layers();
        let service = ServiceBuilder::new()
            .layer(operation)
            .layer(attempt)
            .service(service_fn(move |_: Call<Do>| async move { Err::<u32, _>(Error::from(rejected)) }));
        assert!(call(&service, Do::Answer).await.is_err());
        let outcome = rejected.outcome().as_str();
        let seen = traced.spans();
        let last = &seen[seen.len() - 2..];
        assert_eq!(endings(last), [[outcome, "ERROR", outcome], ["failure", "ERROR", outcome]]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_named_by_its_status_and_a_fallbacks_is_no_error() {
    let traced = Traced::start(LevelFilter::TRACE);
    let (operation, attempt) = Telemetry::new("pay").spans(ClassifyStatus).layers();
    let function = |_| Ok::<_, Error<()>>(Response::new("from the cache"));
    let service = ServiceBuilder::new()
        .layer(operation)
        .layer(FallbackLayer::function(function).classify(ClassifyStatus))
        .layer(attempt)
        .service(service_fn(async |call: Call<StatusCode>| {
            let mut response = Response::new("fresh");
            *response.status_mut() = *call.request();
            Ok(response)
        }));
    assert!(service.oneshot(Call::new(StatusCode::BAD_GATEWAY)).await.is_ok());
    assert_eq!(endings(&traced.spans()), [["fallback", "", ""], ["failure", "ERROR", "502"]]);
}

/// Without a name of its own it has that of its kind.
#[tokio::test(start_paused = true)]
async fn an_error_without_a_name_has_that_of_its_kind() {
    let traced = Traced::start(LevelFilter::TRACE);
    let spans = Telemetry::new("pay").spans(super::verdict);
    assert!(call(&service(&spans), Do::Fail).await.is_err());
    assert_eq!(endings(&traced.spans()), [["failure", "ERROR", "transient"]; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_text_of_an_error_is_there_only_when_asked_for_and_only_of_errors() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(call(&service(&spans()), Do::Permanent).await.is_err());
    assert!(traced.spans().iter().all(|span| span.field("error.message").is_empty()));

    let traced = Traced::start(LevelFilter::TRACE);
    let spans = Telemetry::new("pay").spans(classify()).record_error_text(chain::<Error<Failed>>);
    assert!(call(&service(&spans), Do::Permanent).await.is_err());
    let texts: Vec<_> = traced.spans().iter().map(|span| span.field("error.message").to_owned()).collect();
    assert_eq!(texts, ["", "the wrapped service failed: told to Permanent"]);
}
