//! A span of a call in progress, and what is written into it at the end.

use metrics::SharedString;
use resilience_core::{Classify, Outcome, Refusal, Verdict, on_unwind, retry::Trail, striped::Lease};
use tracing::Span;

use super::{ErrorText, attempts::Attempts};
use crate::attempt;

/// What the spans of a layer share.
pub(super) struct Shared<C, T, H> {
    pub(super) pipeline: SharedString,
    pub(super) classify: C,
    pub(super) text: T,
    pub(super) hook: H,
}

/// Of what it is the span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Operation {
        /// Whether the layer around the attempts counts them; else the trail says how many a retry layer has begun.
        counted: bool,
    },
    Attempt,
}

/// A span of a call in progress.
pub(super) struct Open<C, T, H> {
    span: Span,
    of: Of,
    /// Nothing if the request carries no context, or no operation is traced.
    trail: Option<Trail>,
    shared: Lease<Shared<C, T, H>>,
    panicked: bool,
}

impl<C, T, H> Open<C, T, H> {
    pub(super) const fn new(
        span: Span,
        of: Of,
        trail: Option<Trail>,
        shared: Lease<Shared<C, T, H>>,
    ) -> Self {
        Self { span, of, trail, shared, panicked: false }
    }

    pub(super) const fn span(&self) -> &Span {
        &self.span
    }

    /// Runs `inner` in the span, and writes into it if that panics.
    pub(super) fn run<O>(&mut self, inner: impl FnOnce(&H) -> O) -> O {
        let Self { span, of, shared, panicked, .. } = self;
        on_unwind(
            || span.in_scope(|| inner(&shared.hook)),
            || {
                *panicked = true;
                of.write(span, Outcome::Failure, Some("panic"));
            },
        )
    }

    pub(super) fn answered<R, E>(self, result: Result<&R, &E>)
    where
        C: Classify<R, E>,
        T: ErrorText<E>,
        E: Refusal,
    {
        let outcome = Outcome::of(&self.shared.classify, result);
        let error_type =
            self.of.is_error(outcome).then(|| error_type(&self.shared.classify, outcome, result));
        if let (Some(_), Err(error)) = (error_type, result) {
            if let Some(text) = self.shared.text.text(error) {
                self.span.record("error.message", text);
            }
        }
        self.end(outcome, error_type);
    }

    pub(super) fn cancelled(self) {
        if self.panicked {
            return;
        }
        self.end(Outcome::Cancelled, None);
    }

    fn end(self, outcome: Outcome, error_type: Option<&'static str>) {
        let Self { span, of, trail, .. } = self;
        of.write(&span, outcome, error_type);
        let Some((trail, attempts)) =
            trail.as_ref().and_then(|trail| Some((trail, trail.note::<Attempts>()?)))
        else {
            return;
        };
        match of {
            Of::Operation { counted } => {
                let begun =
                    if counted { Some(attempts.made()) } else { Some(trail.attempts()).filter(|&n| n > 0) };
                if let Some(begun) = begun {
                    span.record("resilience.attempts", begun);
                }
                // Before the operation, as children should, and whoever keeps the context.
                drop(attempts.take_failed());
            }
            Of::Attempt if error_type.is_some() => attempts.set_failed(span),
            Of::Attempt => {}
        }
    }
}

impl Of {
    fn is_error(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Success | Outcome::Fallback | Outcome::Cancelled => false,
            // The other side was asked for what it would not do: no failure of the operation, but of the attempt.
            Outcome::ClientError => matches!(self, Self::Attempt),
            _ => true,
        }
    }

    fn write(self, span: &Span, outcome: Outcome, error_type: Option<&'static str>) {
        let outcome = match self {
            Self::Operation { .. } => outcome.as_str(),
            Self::Attempt => attempt::label(outcome),
        };
        span.record("resilience.outcome", outcome);
        if let Some(error_type) = error_type {
            span.record("error.type", error_type);
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The name of what went wrong.
fn error_type<C, R, E>(classify: &C, outcome: Outcome, result: Result<&R, &E>) -> &'static str
where
    C: Classify<R, E>,
    E: Refusal,
{
    if result.err().and_then(Refusal::rejected).is_some() {
        return outcome.as_str();
    }
    classify.error_type(result).unwrap_or_else(|| match classify.classify(result) {
        Verdict::Failure(kind) => kind.as_str(),
        _ => outcome.as_str(),
    })
}
