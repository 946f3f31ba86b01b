//! Spans of operations and of their attempts, through the [`tracing`] facade.
//!
//! [`Telemetry::spans`](crate::Telemetry::spans) has the settings and makes the layers:
//!
//! ```text
//! resilience.operation   INFO   what the caller asked for, retries and pauses included
//!  ├─ resilience.attempt DEBUG  one call of what is wrapped
//!  │   └─ (a client's span, made further in)
//!  └─ resilience.attempt DEBUG  follows from the one before
//! ```
//!
//! A span at a level that no subscriber takes costs about a nanosecond and no allocation. Everything has the target `resilience`, so a
//! filter says `resilience=debug` to see attempts too.
//!
//! # Fields
//!
//! | operation | attempt | value |
//! |---|---|---|
//! | `otel.name`, `resilience.pipeline` | | the name of the pipeline |
//! | `otel.kind` | `otel.kind` | `internal`: the span of a send is the client's |
//! | `otel.status_code` | `otel.status_code` | `ERROR`, or nothing |
//! | `error.type` | `error.type` | of an error: the [name of the failure](resilience_core::Classify::error_type), or the outcome of a refusal, or `panic` |
//! | `error.message` | `error.message` | nothing, unless [asked for](Spans::record_error_text) |
//! | `resilience.outcome` | `resilience.outcome` | the value of the `outcome` label of the metric |
//! | `resilience.attempts` | | how many attempts were made |
//! | | `resilience.attempt.number` | the first is 1 |
//! | | `http.request.resend_count` | of a retry: how many attempts there were before |
//!
//! An operation is an error if it failed, timed out or was refused. One that recovered is none, whatever its attempts were; nor is one
//! that was answered by a fallback, that the caller gave up, or that was the caller's own fault (`client_error`). An attempt is an
//! error if it failed in any way, the caller's fault included. Nothing is ever marked as `OK`: that is for the application to say.
//!
//! What the spans of a call have to tell each other goes along in its [context](resilience_core::Context). A request that carries none
//! has spans, but no number of attempts and no links; `http` requests carry it in their extensions.
//! The span of a failed attempt is kept until the next one has begun, or the operation is over, so that it can be pointed to: for a
//! subscriber that goes by when a span is closed and not by when it was left, the pause belongs to it.
//!
//! # Order
//!
//! | outermost first | |
//! |---|---|
//! | operation | [`OperationSpanLayer`]: the slot `operation` of a stack |
//! | retry | each attempt is made in here |
//! | attempt | [`AttemptSpanLayer`]: the slot `attempt` of a stack |
//! | propagation | [`Spans::on_attempt`], or a layer of one's own further in |
//! | transport | |
//!
//! The other way round, with propagation outside of the retry layer, all attempts of an operation have the same trace context, and
//! nobody can tell from a trace which of them a server has answered. Where attempts are filtered out, propagation sees the operation.
//!
//! The layers enter their span around `call` and each time the response is polled or dropped, so what is made further in, spans and
//! lines of a log alike, is inside of it. What is spawned onto another task is not.
//!
//! # No request data
//!
//! Of a request, nothing at all is in a span; of an error, its name. What a pipeline is called is public.

mod attempt;
mod attempts;
mod future;
mod hook;
mod level;
mod open;
mod operation;
mod spans;
mod text;

pub use self::{
    attempt::{AttemptSpan, AttemptSpanLayer},
    future::ResponseFuture,
    hook::{OnAttempt, hand_in_context},
    level::SpanLevel,
    operation::{OperationSpan, OperationSpanLayer},
    spans::Spans,
    text::{ErrorText, chain},
};
