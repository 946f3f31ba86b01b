//! The counters of a fallback, and its outcome.

use http::{Response, StatusCode};
use resilience_core::{
    Call, Error, Event, FailureKind, Observer,
    fallback::{Cause, Ending},
};
use resilience_metrics::Telemetry;
use resilience_tower::{FallbackLayer, http::ClassifyStatus};
use tests::recorded::Recorded;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use super::{Answer, Do, SECOND, call, classify, inner};

const FALLBACKS: &str = "resilience_fallbacks_total";
const SUCCESS: &str = "pipeline=pay,policy=fallback,result=success";
const FAILURE: &str = "pipeline=pay,policy=fallback,result=failure";

#[tokio::test(start_paused = true)]
async fn answers_and_failures_of_a_fallback_are_counted_and_nothing_else() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let observer = telemetry.fallback("fallback");
    assert!(recorded.take().labelled(FALLBACKS).into_iter().eq([(FAILURE, 0), (SUCCESS, 0)]));

    let value = FallbackLayer::value(()).classify(classify).with_observer(observer.clone());
    let value = ServiceBuilder::new().layer(value).service(inner());
    for what in [Do::Answer, Do::Fail, Do::Permanent] {
        assert_eq!(call(&value, what).await.is_ok(), what != Do::Permanent);
    }
    assert!(recorded.take().counted(FALLBACKS).into_iter().eq([(SUCCESS, 1)]));

    let useless = |failed: Answer| failed;
    let useless = FallbackLayer::function(useless).classify(classify).with_observer(observer);
    let useless = ServiceBuilder::new().layer(useless).service(inner());
    assert!(call(&useless, Do::Fail).await.is_err());
    assert!(recorded.take().counted(FALLBACKS).into_iter().eq([(FAILURE, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_not_meant_for_the_fallback_counts_nowhere() {
    let recorded = Recorded::start();
    let observer = Telemetry::new("pay").fallback("fallback");
    let cause = Cause::Failure(FailureKind::Timeout);
    let count = |ending| {
        observer.observe(&Event::Fallback { cause, ending });
        recorded.take().counted(FALLBACKS).into_keys().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(count(Ending::Unsafe), [""; 0]);
    assert_eq!(count(Ending::NotReplayable), [""; 0]);
    assert_eq!(count(Ending::Answered), [SUCCESS]);
    for ending in [Ending::Failed, Ending::Full, Ending::Panicked] {
        assert_eq!(count(ending), [FAILURE], "{ending:?}");
    }
    observer.observe(&Event::LoadShed { waited: SECOND });
    assert!(recorded.take().counted(FALLBACKS).is_empty());
}

/// A fallback further in than the attempts.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_fallback_answered_is_a_success() {
    let recorded = Recorded::start();
    let page = Response::new("from the cache");
    let service = ServiceBuilder::new()
        .layer(Telemetry::new("pay").attempt_layer(ClassifyStatus))
        .layer(FallbackLayer::value(page).classify(ClassifyStatus))
        .service(service_fn(async |_: Call<()>| Err::<Response<_>, _>(Error::inner(()))));
    assert!(service.oneshot(Call::new(())).await.is_ok());
    let attempts = recorded.take();
    let attempts = attempts.counted("resilience_attempts_total");
    assert!(attempts.into_iter().eq([("kind=first,outcome=success,pipeline=pay", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_full_fallback_service_counts_as_a_failure_and_as_a_full_bulkhead() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    // The fallback answers after a second, the first service fails at once.
    let slow = service_fn(async |_: Call<Do>| {
        tokio::time::sleep(SECOND).await;
        Answer::Ok(())
    });
    let layer = FallbackLayer::service(slow).classify(classify).max_concurrent(1);
    let observer = (telemetry.fallback("fallback"), telemetry.bulkhead("fallback", layer.bulkhead()));
    let service = layer.with_observer(observer).layer(inner());

    let (one, other) = tokio::join!(call(&service, Do::Fail), call(&service, Do::Fail));
    assert_eq!((one, other), (Ok(()), Err(Error::inner(Do::Fail))));
    let readings = recorded.take();
    assert!(readings.counted(FALLBACKS).into_iter().eq([(FAILURE, 1), (SUCCESS, 1)]));
    let rejected = readings.counted("resilience_bulkhead_rejected_total");
    assert!(rejected.into_iter().eq([("pipeline=pay,policy=fallback,reason=full", 1)]));
}

/// What the classifier can note on an answer the operation counts by.
#[tokio::test(start_paused = true)]
async fn an_operation_that_a_fallback_answered_has_an_outcome_of_its_own() {
    type Page = Result<Response<&'static str>, Error<()>>;

    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let page = |status: StatusCode, body| {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Page::Ok(response)
    };
    let function = |failed: Page| failed.map(|_| Response::new("from the cache"));
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(FallbackLayer::function(function).classify(ClassifyStatus))
        .layer(telemetry.attempt_layer(ClassifyStatus))
        .service(service_fn(async |call: Call<StatusCode>| page(*call.request(), "fresh")));
    for (status, body) in [
        (StatusCode::OK, "fresh"),
        (StatusCode::SERVICE_UNAVAILABLE, "from the cache"),
        (StatusCode::NOT_FOUND, "fresh"),
    ] {
        let response = service.clone().oneshot(Call::new(status)).await.unwrap();
        assert_eq!(*response.body(), body);
        assert_eq!(response.extensions().get::<Cause>().is_some(), body != "fresh");
    }
    let readings = recorded.take();
    let operations = readings.counted("resilience_operations_total");
    assert!(operations.into_iter().eq([
        ("outcome=client_error,pipeline=pay", 1),
        ("outcome=fallback,pipeline=pay", 1),
        ("outcome=success,pipeline=pay", 1),
    ]));
    let attempts = readings.counted("resilience_attempts_total");
    assert_eq!(attempts.get("kind=first,outcome=failure,pipeline=pay"), Some(&2));
}
