use std::fmt;

use tower_layer::Stack;

use super::{AttemptSpanLayer, OperationSpanLayer, SpanLevel, open::Shared};
use crate::{AttemptLayer, OperationLayer, Telemetry};

/// The spans of one pipeline: the settings of two layers, one around operations and one around attempts.
///
/// See the [module](super) for the spans and their fields.
///
/// ```
/// use resilience_core::ErrorsAreFailures;
/// use resilience_metrics::Telemetry;
///
/// // Both slots of a client's stack: `stack::client("payments").operation(operation).attempt(attempt)`.
/// let (operation, attempt) = Telemetry::new("payments").spans(ErrorsAreFailures).layers_with_metrics();
/// # let _ = (operation, attempt);
/// ```
#[derive(Clone)]
pub struct Spans<C, T = (), H = ()> {
    telemetry: Telemetry,
    operation: SpanLevel,
    attempt: SpanLevel,
    classify: C,
    text: T,
    hook: H,
}

impl Telemetry {
    /// Spans of this pipeline. Give it the classifier of the stack.
    pub fn spans<C>(&self, classify: C) -> Spans<C> {
        Spans {
            telemetry: self.clone(),
            operation: SpanLevel::Info,
            attempt: SpanLevel::Debug,
            classify,
            text: (),
            hook: (),
        }
    }
}

impl<C, T, H> Spans<C, T, H> {
    /// The level of operations. [`Info`](SpanLevel::Info) by default: there is one for what a caller asked for.
    #[must_use]
    pub fn operation_level(mut self, level: SpanLevel) -> Self {
        self.operation = level;
        self
    }

    /// The level of attempts. [`Debug`](SpanLevel::Debug) by default: most operations have just one, which takes as long.
    #[must_use]
    pub fn attempt_level(mut self, level: SpanLevel) -> Self {
        self.attempt = level;
        self
    }

    /// Writes what `text` makes of an error into the field `error.message`, where an operation or an attempt has failed with one.
    ///
    /// **Beware.** The text of an error is whatever its authors have put there: `reqwest` puts the URL there, with all that is in its
    /// query, and databases put the values of the statement. By default no text of an error is in a span, only its
    /// [name](resilience_core::Classify::error_type). [`chain`](super::chain) is the text of an error and of its sources.
    ///
    /// ```
    /// use resilience_core::{Error, ErrorsAreFailures};
    /// use resilience_metrics::{Telemetry, span::chain};
    ///
    /// let spans = Telemetry::new("queue").spans(ErrorsAreFailures).record_error_text(chain::<Error<std::io::Error>>);
    /// # let _ = spans;
    /// ```
    #[must_use]
    pub fn record_error_text<U>(self, text: U) -> Spans<C, U, H> {
        let Self { telemetry, operation, attempt, classify, hook, .. } = self;
        Spans { telemetry, operation, attempt, classify, text, hook }
    }

    /// Does something to the request of each attempt before it is sent: above all, writes the trace context into its headers, so that
    /// the server sees which attempt it answers.
    ///
    /// `hook` is called inside of the span of the attempt, and gets it; where attempts are filtered out, it gets the span around.
    /// In a stack the request is in a [`Call`](resilience_core::Call), which knows the number of the attempt.
    ///
    /// With `tracing-opentelemetry` inject `opentelemetry::Context::current()`: also where its layer leaves out attempts that
    /// another layer takes, that is what is exported around the request, and `span.context()` would be empty.
    ///
    /// ```
    /// use resilience_core::{Call, ErrorsAreFailures};
    /// use resilience_metrics::Telemetry;
    /// use tracing::Span;
    ///
    /// type Headers = Vec<(&'static str, String)>; // or an `http::Request`, or a `reqwest::Request`
    ///
    /// let spans = Telemetry::new("payments").spans(ErrorsAreFailures).on_attempt(|span: &Span, call: &mut Call<Headers>| {
    ///     // With OpenTelemetry the propagator writes here.
    ///     let id = span.id().map_or(0, |id| id.into_u64());
    ///     call.request_mut().push(("x-span", format!("{id:x}")));
    /// });
    /// # let _ = spans;
    /// ```
    #[must_use]
    pub fn on_attempt<G>(self, hook: G) -> Spans<C, T, G> {
        let Self { telemetry, operation, attempt, classify, text, .. } = self;
        Spans { telemetry, operation, attempt, classify, text, hook }
    }
}

impl<C: Clone, T: Clone, H: Clone> Spans<C, T, H> {
    /// The layers for both slots of a client's stack: around each operation, and around each attempt.
    ///
    /// They count attempts together: use both, or [`operation_layer`](Self::operation_layer).
    pub fn layers(&self) -> (OperationSpanLayer<C, T>, AttemptSpanLayer<C, T, H>) {
        (OperationSpanLayer::new(self.operation, true, self.shared(())), self.attempt_layer())
    }

    /// [`layers`](Self::layers), each around the layer that counts the same: [`Telemetry::operation_layer`] and
    /// [`Telemetry::attempt_layer`].
    #[expect(clippy::type_complexity, reason = "two layers around two, by name")]
    pub fn layers_with_metrics(
        &self,
    ) -> (Stack<OperationLayer<C>, OperationSpanLayer<C, T>>, Stack<AttemptLayer<C>, AttemptSpanLayer<C, T, H>>)
    where
        C: Send + Sync + 'static,
    {
        let (operation, attempt) = self.layers();
        let Self { telemetry, classify, .. } = self;
        (
            Stack::new(telemetry.operation_layer(classify.clone()), operation),
            Stack::new(telemetry.attempt_layer(classify.clone()), attempt),
        )
    }

    /// The layer around operations alone: for a server's stack, or a client whose attempts are not traced. The number of attempts is
    /// what a retry layer has noted.
    pub fn operation_layer(&self) -> OperationSpanLayer<C, T> {
        OperationSpanLayer::new(self.operation, false, self.shared(()))
    }

    /// [`operation_layer`](Self::operation_layer), around the layer that counts the same: for the slot of a server's stack.
    pub fn operation_layer_with_metrics(&self) -> Stack<OperationLayer<C>, OperationSpanLayer<C, T>>
    where
        C: Send + Sync + 'static,
    {
        Stack::new(self.telemetry.operation_layer(self.classify.clone()), self.operation_layer())
    }

    /// The layer around attempts alone, where something else makes a span of the operation.
    pub fn attempt_layer(&self) -> AttemptSpanLayer<C, T, H> {
        AttemptSpanLayer::new(self.attempt, self.shared(self.hook.clone()))
    }

    fn shared<G>(&self, hook: G) -> Shared<C, T, G> {
        Shared {
            pipeline: self.telemetry.pipeline().clone(),
            classify: self.classify.clone(),
            text: self.text.clone(),
            hook,
        }
    }
}

impl<C, T, H> fmt::Debug for Spans<C, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans")
            .field("pipeline", self.telemetry.pipeline())
            .field("operation", &self.operation)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
