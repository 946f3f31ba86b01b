use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use resilience_core::{CarryContext, Deadline};
use tower_layer::Layer;
use tower_service::Service;

use super::under::Under;

thread_local! {
    /// The deadline of what is being polled on this thread.
    static DEADLINE: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// Hands the deadline of a call on to the calls that are made while its handler runs. On a server, directly around the handler.
///
/// Calls take it over that go through an [`InheritLayer`](super::InheritLayer), and nobody has to pass anything along:
///
/// ```
/// use resilience_core::{Call, Context, Deadline};
/// use resilience_tower::{CallLayer, TimeoutLayer, TransportLayer, call::{HandOnLayer, InheritLayer}};
/// use std::{convert::Infallible, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::Error<Infallible>> {
/// let client = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(InheritLayer::new())
///     .service(service_fn(async |outgoing: Call<&'static str>| {
///         Ok::<_, Infallible>(outgoing.context().deadline().map(Deadline::limit))
///     }));
/// let server = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_secs(5)))
///     .layer(HandOnLayer::new())
///     .layer(TransportLayer::new())
///     .service(service_fn(move |_: ()| client.clone().oneshot("ping")));
///
/// assert_eq!(server.oneshot(()).await?, Some(Duration::from_secs(5)));
/// # Ok(())
/// # }
/// ```
///
/// What is handed on is the total deadline and nothing else of the call context.
///
/// It goes with the handler's future, from thread to thread, and not beyond it: **not into what `tokio::spawn` starts**, nor
/// into the worker of a `Buffer`, nor into the body of a response that is read after the handler has returned. For those, ask
/// [`inherited`] while the handler runs, and put the other future under [`with_deadline`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HandOnLayer(());

impl HandOnLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for HandOnLayer {
    type Service = HandOn<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HandOn { inner }
    }
}

/// The service of [`HandOnLayer`].
#[derive(Clone, Debug)]
pub struct HandOn<S> {
    inner: S,
}

impl<S, Req> Service<Req> for HandOn<S>
where
    S: Service<Req>,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = WithDeadline<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let mut deadline = nearer(request.context().and_then(|context| context.deadline()));
        // `call` may make calls itself.
        let under = Under::new(&DEADLINE, &mut deadline);
        let inner = Some(self.inner.call(request));
        drop(under);
        WithDeadline { inner, deadline }
    }
}

/// The deadline that was handed on to the code that asks: by a [`HandOnLayer`] around it, or by [`with_deadline`].
#[must_use]
pub fn inherited() -> Option<Deadline> {
    DEADLINE.try_with(Cell::get).unwrap_or_default()
}

/// Runs `future` under a deadline: calls that it makes through an [`InheritLayer`](super::InheritLayer) take it over.
///
/// One that is [inherited] where this function is called stays, if it is earlier; with `None` it is just that one. The future
/// itself is not cut.
///
/// ```
/// use resilience_tower::call::{inherited, with_deadline};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // In a handler, which runs under a deadline:
/// let deadline = inherited();
/// let task = tokio::spawn(with_deadline(deadline, async { inherited() }));
/// assert_eq!(task.await.unwrap(), deadline);
/// # }
/// ```
pub fn with_deadline<F: Future>(deadline: Option<Deadline>, future: F) -> WithDeadline<F> {
    WithDeadline { inner: Some(future), deadline: nearer(deadline) }
}

/// The earlier one of this deadline and the one that is inherited here.
#[inline]
fn nearer(deadline: Option<Deadline>) -> Option<Deadline> {
    match (deadline, inherited()) {
        (Some(deadline), Some(inherited)) => Some(deadline.min(inherited)),
        (deadline, inherited) => deadline.or(inherited),
    }
}

pin_project! {
    /// A future that runs under a deadline, of [`HandOn`] or [`with_deadline`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the inner future, under the same deadline.
    ///
    /// # Panics
    ///
    /// If it is polled again after it has completed.
    #[must_use = "futures do nothing unless polled"]
    pub struct WithDeadline<F> {
        // Nothing once it has completed: it is dropped under its deadline.
        #[pin]
        inner: Option<F>,
        deadline: Option<Deadline>,
    }

    impl<F> PinnedDrop for WithDeadline<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.inner.is_some() {
                let _under = Under::new(&DEADLINE, this.deadline);
                this.inner.set(None);
            }
        }
    }
}

impl<F: Future> Future for WithDeadline<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            panic!("a future under a deadline was polled after it had completed");
        };
        let _under = Under::new(&DEADLINE, this.deadline);
        let output = ready!(inner.poll(cx));
        this.inner.set(None);
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for WithDeadline<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithDeadline").finish_non_exhaustive()
    }
}
