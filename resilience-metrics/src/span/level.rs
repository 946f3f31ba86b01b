use tracing::{Level, Span, field::Empty, level_filters::LevelFilter, span};

use crate::logs::TARGET;

/// How much a span matters: whether a subscriber takes it is decided by its filter.
///
/// ```
/// use resilience_core::ErrorsAreFailures;
/// use resilience_metrics::{SpanLevel, Telemetry};
///
/// let spans = Telemetry::new("payments").spans(ErrorsAreFailures).attempt_level(SpanLevel::Info);
/// let (operation, attempt) = spans.layers();
/// # let _ = (operation, attempt);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanLevel {
    /// Never made.
    Off,
    /// At the level `ERROR`.
    Error,
    /// At the level `WARN`.
    Warn,
    /// At the level `INFO`.
    Info,
    /// At the level `DEBUG`.
    Debug,
    /// At the level `TRACE`.
    Trace,
}

/// A span at a level that is only known now: each level is a callsite of its own.
macro_rules! span_at {
    ($level:expr, $name:literal, $($fields:tt)*) => {
        match $level {
            SpanLevel::Off => Span::none(),
            SpanLevel::Error => span!(target: TARGET, Level::ERROR, $name, $($fields)*),
            SpanLevel::Warn => span!(target: TARGET, Level::WARN, $name, $($fields)*),
            SpanLevel::Info => span!(target: TARGET, Level::INFO, $name, $($fields)*),
            SpanLevel::Debug => span!(target: TARGET, Level::DEBUG, $name, $($fields)*),
            SpanLevel::Trace => span!(target: TARGET, Level::TRACE, $name, $($fields)*),
        }
    };
}

impl SpanLevel {
    /// The span of an operation, if anybody wants it.
    pub(super) fn operation(self, pipeline: &str) -> Option<Span> {
        taken(span_at!(
            self,
            "resilience.operation",
            otel.name = pipeline,
            otel.kind = "internal",
            otel.status_code = Empty,
            resilience.pipeline = pipeline,
            resilience.outcome = Empty,
            resilience.attempts = Empty,
            error.type = Empty,
            error.message = Empty,
        ))
    }

    /// The span of an attempt, if anybody wants it.
    pub(super) fn attempt(self, number: u32) -> Option<Span> {
        taken(span_at!(
            self,
            "resilience.attempt",
            otel.kind = "internal",
            otel.status_code = Empty,
            resilience.attempt.number = number,
            resilience.outcome = Empty,
            http.request.resend_count = (number > 1).then(|| number - 1),
            error.type = Empty,
            error.message = Empty,
        ))
    }

    /// What a subscriber has to take at least.
    pub(super) const fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Whether no subscriber takes what needs this: one comparison, and what nearly all calls that are not traced come to.
#[inline]
pub(super) fn is_filtered_out(filter: LevelFilter) -> bool {
    filter > LevelFilter::current()
}

fn taken(span: Span) -> Option<Span> {
    (!span.is_disabled()).then_some(span)
}
