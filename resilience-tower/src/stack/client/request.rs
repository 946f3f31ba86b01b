//! What goes into a stack, and where to.

use std::task::{Context, Poll};

use resilience_core::Call;
use tower_service::Service;

use crate::per_key::Key;

/// A request that a stack takes as it is.
///
/// For a request type of your own it is one line: `impl IntoCall for GetUser {}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known as a request of a stack",
    note = "for a type of your own: `impl IntoCall for {Self} {{}}`"
)]
pub trait IntoCall: Sized {
    /// The request with its context: a fresh one by default.
    #[inline]
    fn into_call(self) -> Call<Self> {
        Call::new(self)
    }
}

macro_rules! fresh {
    ($($request:ty),+ $(,)?) => {
        $(impl IntoCall for $request {})+
    };
}

fresh!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
fresh!(f32, f64, &'static str, String, Vec<u8>);

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl IntoCall for reqwest::Request {}

/// A context in the extensions, such as the one that a server has put there with the caller's deadline, is the context of the call.
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl<B> IntoCall for http::Request<B> {
    fn into_call(mut self) -> Call<Self> {
        let context = self.extensions_mut().remove();
        Call::with_context(self, context.unwrap_or_default())
    }
}

/// All requests go to one destination.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneDestination;

impl<Req> Key<Req> for OneDestination {
    type Key = ();

    #[inline]
    fn look<R>(&self, _: &Req, look: impl FnOnce(&()) -> R) -> R {
        look(&())
    }
}

/// Puts each request into a [`Call`], in front of the parts of a stack.
#[derive(Clone, Debug)]
pub struct Plain<S> {
    inner: S,
}

impl<S> Plain<S> {
    pub(in crate::stack) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, Req> Service<Req> for Plain<S>
where
    Req: IntoCall,
    S: Service<Call<Req>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        self.inner.call(request.into_call())
    }
}
