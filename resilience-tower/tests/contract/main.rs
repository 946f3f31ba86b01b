//! What every layer promises to the Tower services around it: one table of cases, run against every layer.
//!
//! A new layer takes part by implementing `Subject` and adding a line to `suite!` below.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod adapters;
mod cases;
mod inner;
mod subjects;

/// Runs every case against every subject, each as a test of its own.
macro_rules! suite {
    (subjects: $subjects:tt, cases: $cases:tt) => {
        suite!(@subjects $subjects $cases);
    };
    (@subjects [$($(#[$when:meta])? $module:ident: $home:ident::$subject:ident),+ $(,)?] $cases:tt) => {
        $($(#[$when])? mod $module {
            use crate::{$home::$subject, cases};

            suite!(@cases $subject $cases);
        })+
    };
    (@cases $subject:ident [$($case:ident),+ $(,)?]) => {
        $(#[tokio::test(start_paused = true)]
        async fn $case() {
            cases::$case::<$subject>().await;
        })+
    };
}

suite! {
    subjects: [
        attempt_timeout: subjects::AttemptTimeout,
        total_timeout: subjects::TotalTimeout,
        closed_circuit_breaker: subjects::ClosedBreaker,
        half_open_circuit_breaker: subjects::HalfOpenBreaker,
        slow_call_circuit_breaker: subjects::SlowCallBreaker,
        per_key: subjects::PerKey,
        retry: subjects::Retrying,
        retry_in_flight: subjects::RetryingInFlight,
        retry_by_key: subjects::RetryingByKey,
        retry_without_budget: subjects::RetryingWithoutBudget,
        bulkhead: subjects::Bulkheaded,
        queueing_bulkhead: subjects::QueueingBulkhead,
        bulkhead_by_key: subjects::BulkheadByKey,
        calm_throttle: subjects::CalmThrottle,
        refusing_throttle: subjects::RefusingThrottle,
        load_shed: subjects::LoadShedding,
        patient_load_shed: subjects::PatientLoadShedding,
        rate_limit: subjects::RateLimiting,
        rate_limit_waiting: subjects::RateLimitWaiting,
        rate_limit_by_key: subjects::RateLimitByKey,
        rate_limit_by_key_waiting: subjects::RateLimitByKeyWaiting,
        adaptive: subjects::AdaptiveAdmitting,
        adaptive_by_key: subjects::AdaptiveByKey,
        drain: subjects::Draining,
        fallback_by_function: subjects::FallingBackByFunction,
        fallback_by_service: subjects::FallingBackByService,
        operation_metrics: subjects::Operations,
        #[cfg(all(feature = "idempotency", feature = "http"))]
        idempotency_keys_sent: adapters::SendingKeys,
        #[cfg(feature = "idempotency")]
        idempotency_without_a_key: adapters::WithoutKey,
        operation_spans: subjects::TracedOperations,
        attempt_spans: subjects::TracedAttempts,
        context_on_and_off: adapters::ContextOnAndOff,
        mapped_error: adapters::MappedError,
        handed_on: adapters::HandedOn,
        #[cfg(feature = "http")]
        read_deadline: adapters::ReadingDeadline,
        #[cfg(feature = "http")]
        write_deadline: adapters::WritingDeadline,
        #[cfg(feature = "http")]
        respond: adapters::Responding,
        #[cfg(feature = "http")]
        replay_body: adapters::ReplayableBodies,
        #[cfg(feature = "http")]
        correlation: adapters::Correlated,
        #[cfg(feature = "grpc")]
        respond_over_grpc: adapters::RespondingOverGrpc,
        #[cfg(feature = "grpc")]
        status: adapters::Status,
    ],
    cases: [
        answers_and_errors_pass_through,
        an_inner_service_that_cannot_be_cloned_is_enough,
        trap_29_the_readied_instance_is_the_one_that_is_called,
        pending_readiness_passes_through,
        readiness_is_reserved_and_kept,
        a_clone_starts_unready_and_holds_nothing,
        errors_of_poll_ready_pass_through,
        a_refusal_comes_from_call_and_leaves_the_inner_service_alone,
        trap_30_a_refusal_does_not_poison_a_buffer,
        cancelling_before_the_call_frees_everything,
        cancelling_before_the_first_poll_frees_everything,
        cancelling_while_pending_frees_everything,
        a_panic_in_call_passes_through_and_frees_everything,
        a_panic_in_the_future_passes_through_and_frees_everything,
        a_pending_call_is_not_polled_without_being_woken,
        services_of_one_layer_share_its_state,
        everything_public_is_send_and_sync,
    ]
}
