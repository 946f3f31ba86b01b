//! Timeout, bulkhead, rate limit, retry with a budget, breaker: as layers of one crate, or of as many as it takes.
//!
//! All have room, a limit that does not expire, three attempts without a pause, and a breaker that opens at half of the calls.

use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, RateLimiter};
use layered::{Execute, Service as _, Stack as _};
use recloser::{AsyncRecloser, Recloser};
use resilience_core::circuit_breaker::Config;
use resilience_core::{Backoff, RetryPolicy, bulkhead};
use resilience_tower::{
    BulkheadLayer, CallLayer, CircuitBreakerLayer, RateLimitLayer, RetryLayer, TimeoutLayer, TransportLayer,
};
use seatbelt::{RecoveryInfo, ResilienceContext};
use tower::filter::FilterLayer;
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::budget::TpsBudget;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_resilience_bulkhead::BulkheadLayer as PeerBulkhead;
use tower_resilience_circuitbreaker::CircuitBreakerConfigBuilder as PeerBreaker;
use tower_resilience_ratelimiter::RateLimiterLayer as PeerRateLimit;
use tower_resilience_retry::RetryLayer as PeerRetry;
use tower_resilience_timelimiter::TimeLimiterLayer as PeerTimeout;

use super::{ROOM, UPSTREAM, bare};
use crate::policies::circuit_breaker::{COUNT_WINDOW, FAILURE_RATE, MIN_CALLS, WINDOW};
use crate::policies::rate_limit::{AMPLE, ample};
use crate::policies::retry::{ATTEMPTS, Attempts, bucket};
use crate::policies::timeout::{LIMIT, seatbelt_clock};
use crate::subject::Subject;
use crate::thread::HOUR;
use crate::upstream::{Answer, Fault};

pub(super) fn subjects() -> Vec<Subject> {
    vec![bare(), resilience(), tower(), tower_resilience(), seatbelt()]
}

fn resilience() -> Subject {
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(TimeoutLayer::total(LIMIT))
        .layer(BulkheadLayer::new(bulkhead::Config::new(ROOM)))
        .layer(RateLimitLayer::new(AMPLE))
        .layer(RetryLayer::new(RetryPolicy::new().max_attempts(ATTEMPTS).backoff(Backoff::none())))
        .layer(CircuitBreakerLayer::new(
            Config::new()
                .time_window(WINDOW)
                .min_calls(MIN_CALLS)
                .failure_rate(FAILURE_RATE)
                .open_for(HOUR, HOUR),
        ))
        .layer(TransportLayer::new());
    Subject::service("resilience", stack.service(UPSTREAM))
}

/// tower has neither a breaker nor a rate limit that refuses. Those that are used beside it are no services: here they stand in
/// a function and in a filter.
fn tower() -> Subject {
    let limiter: Arc<DefaultDirectRateLimiter> = Arc::new(RateLimiter::direct(ample()));
    let is_in_time = move |n: u64| match limiter.check() {
        Ok(()) => Ok(n),
        Err(_) => Err(BoxError::from(Fault)),
    };
    let breaker = AsyncRecloser::from(
        Recloser::custom()
            .closed_len(COUNT_WINDOW as usize)
            .error_rate(FAILURE_RATE as f32)
            .open_wait(HOUR)
            .build(),
    );
    let stack = ServiceBuilder::new()
        .layer(tower::timeout::TimeoutLayer::new(LIMIT))
        .layer(ConcurrencyLimitLayer::new(ROOM as usize))
        .layer(FilterLayer::new(is_in_time))
        .layer(tower::retry::RetryLayer::new(Attempts {
            retries: ATTEMPTS - 1,
            budget: Arc::new(TpsBudget::default()),
        }))
        .map_err(|_: recloser::Error<Fault>| Fault);
    let guarded = service_fn(move |n| breaker.call(UPSTREAM.answer(n)));
    Subject::service("tower, governor, recloser", stack.service(guarded))
}

fn tower_resilience() -> Subject {
    let breaker = PeerBreaker::new()
        .sliding_window_size(COUNT_WINDOW as usize)
        .minimum_number_of_calls(MIN_CALLS as usize)
        .failure_rate_threshold(FAILURE_RATE)
        .wait_duration_in_open(HOUR);
    let rate_limit = PeerRateLimit::builder().limit_for_period(usize::MAX / 2);
    let bulkhead = PeerBulkhead::builder().max_concurrent_calls(ROOM as usize).reject_when_full();
    let retry = PeerRetry::builder()
        .max_attempts(ATTEMPTS as usize)
        .fixed_backoff(Duration::ZERO)
        .budget(bucket(100));
    let stack = ServiceBuilder::new()
        .layer(PeerTimeout::builder().timeout_duration(LIMIT).build())
        .layer(bulkhead.build().expect("a valid configuration"))
        .layer(rate_limit.build().expect("a valid configuration"))
        .layer(retry.build())
        .layer(breaker.build().expect("a valid configuration"));
    Subject::service("tower-resilience", stack.service(UPSTREAM))
}

/// It has no bulkhead, no rate limit and no budget. Through its own service trait, which boxes no future.
fn seatbelt() -> Subject {
    let context = ResilienceContext::new(seatbelt_clock()).name("benches");
    let recovery = |answer: &Answer| match answer {
        Ok(_) => RecoveryInfo::never(),
        Err(Fault) => RecoveryInfo::retry(),
    };
    let stack = (
        seatbelt::timeout::Timeout::layer("timeout", &context).timeout_error(|_| Fault).timeout(LIMIT),
        seatbelt::retry::Retry::layer("retry", &context)
            .clone_input()
            .recovery_with(move |answer: &Answer, _| recovery(answer))
            .max_retry_attempts(ATTEMPTS - 1)
            .base_delay(Duration::ZERO),
        seatbelt::breaker::Breaker::layer("breaker", &context)
            .recovery_with(move |answer: &Answer, _| recovery(answer))
            .rejected_input_error(|_, _| Fault)
            .failure_threshold(FAILURE_RATE as f32)
            .min_throughput(MIN_CALLS)
            .sampling_duration(WINDOW)
            .break_duration(HOUR),
        Execute::new(|n: u64| UPSTREAM.answer(n)),
    );
    let service = stack.into_service();
    Subject::function("seatbelt: timeout, retry, breaker", async move |n| -> Answer {
        service.execute(n).await
    })
}
