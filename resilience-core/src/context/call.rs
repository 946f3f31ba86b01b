//! Requests with a context.

use super::Context;

/// A request that can carry a [`Context`].
///
/// All methods have defaults that carry none, so that a type of your own needs one line, and four to carry one:
///
/// ```
/// use resilience_core::{CarryContext, Context};
///
/// struct Ping;
/// impl CarryContext for Ping {}
///
/// struct GetUser {
///     id: u64,
///     context: Context,
/// }
/// impl CarryContext for GetUser {
///     fn context(&self) -> Option<&Context> {
///         Some(&self.context)
///     }
///     fn context_mut(&mut self) -> Option<&mut Context> {
///         Some(&mut self.context)
///     }
/// }
///
/// assert!(Ping.context().is_none());
/// assert_eq!(GetUser { id: 7, context: Context::new() }.context().map(Context::attempt), Some(1));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to carry a call context",
    label = "requests of this type do not implement `CarryContext`",
    note = "put `resilience_tower::CallLayer` outermost and `TransportLayer` innermost, which wrap each request in a `Call`; or write `impl CarryContext for {Self} {{}}` for a request type of your own"
)]
pub trait CarryContext {
    /// The context, if there is one.
    fn context(&self) -> Option<&Context> {
        None
    }

    /// The context to write to, made if there is none yet; `None` if this request cannot carry one.
    fn context_mut(&mut self) -> Option<&mut Context> {
        None
    }
}

/// A request and its context, side by side and by value.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{Call, CarryContext, Context};
///
/// let call = Call::with_context("slow report", Context::new().with_attempt_timeout(Duration::from_secs(60)));
/// assert_eq!(*call.request(), "slow report");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<R> {
    request: R,
    context: Context,
}

impl<R> Call<R> {
    /// Wraps `request` with a fresh context.
    #[inline]
    pub const fn new(request: R) -> Self {
        Self::with_context(request, Context::new())
    }

    /// Wraps `request` with the given context.
    #[inline]
    pub const fn with_context(request: R, context: Context) -> Self {
        Self { request, context }
    }

    /// The request.
    #[inline]
    pub const fn request(&self) -> &R {
        &self.request
    }

    /// The request, to change it.
    #[inline]
    pub const fn request_mut(&mut self) -> &mut R {
        &mut self.request
    }

    /// The context.
    #[inline]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The context, to change it.
    #[inline]
    pub const fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Takes both apart.
    #[inline]
    pub fn into_parts(self) -> (R, Context) {
        (self.request, self.context)
    }
}

impl<R> CarryContext for Call<R> {
    #[inline]
    fn context(&self) -> Option<&Context> {
        Some(&self.context)
    }

    #[inline]
    fn context_mut(&mut self) -> Option<&mut Context> {
        Some(&mut self.context)
    }
}

/// In the extensions; writing the first one allocates.
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl<B> CarryContext for http::Request<B> {
    fn context(&self) -> Option<&Context> {
        self.extensions().get()
    }

    fn context_mut(&mut self) -> Option<&mut Context> {
        Some(self.extensions_mut().get_or_insert_default())
    }
}

macro_rules! carry_none {
    ($($plain:ty),+) => {
        $(impl CarryContext for $plain {})+
    };
}

carry_none!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
carry_none!(f32, f64, &'static str, String, Vec<u8>);
