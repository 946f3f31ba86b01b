use resilience_core::{Call, CarryContext};
use tracing::Span;

/// What is done to the request of each attempt, inside of its span: see [`Spans::on_attempt`](super::Spans::on_attempt).
///
/// `()` does nothing. A closure `Fn(&Span, &mut Req)` does what it says, and gets the span that it is called in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does nothing to the request `{Req}`",
    note = "it is a closure `Fn(&tracing::Span, &mut {Req})`; the requests of a stack's attempts are in a `Call`"
)]
pub trait OnAttempt<Req> {
    /// Called before the request is sent, in the span of the attempt, if there is one.
    fn on_attempt(&self, request: &mut Req);
}

impl<Req> OnAttempt<Req> for () {
    #[inline]
    fn on_attempt(&self, _: &mut Req) {}
}

impl<Req, F: Fn(&Span, &mut Req)> OnAttempt<Req> for F {
    fn on_attempt(&self, request: &mut Req) {
        self(&Span::current(), request);
    }
}

/// Puts the call context into the request itself, where spans further in find the number of the attempt
/// ([`Context::attempt`](resilience_core::Context::attempt)): into the extensions of an `http::Request`.
///
/// For [`Spans::on_attempt`](super::Spans::on_attempt), alone or as a part of what is done there. It costs what an insertion into
/// extensions costs, three allocations for the first.
///
/// ```
/// use resilience_core::{Call, CarryContext, Context, ErrorsAreFailures};
/// use resilience_metrics::{Telemetry, span::hand_in_context};
///
/// #[derive(Default)]
/// struct GetUser {
///     id: u64,
///     context: Context,
/// }
/// impl CarryContext for GetUser {
///     fn context_mut(&mut self) -> Option<&mut Context> {
///         Some(&mut self.context)
///     }
/// }
///
/// let spans = Telemetry::new("users").spans(ErrorsAreFailures).on_attempt(hand_in_context::<GetUser>);
/// # let _ = spans.layers();
///
/// let mut call = Call::new(GetUser::default());
/// call.context_mut().set_attempt(2);
/// hand_in_context(&tracing::Span::none(), &mut call);
/// assert_eq!(call.request().context.attempt(), 2);
/// ```
pub fn hand_in_context<R: CarryContext>(_: &Span, call: &mut Call<R>) {
    let context = call.context().clone();
    if let Some(to) = call.request_mut().context_mut() {
        *to = context;
    }
}
