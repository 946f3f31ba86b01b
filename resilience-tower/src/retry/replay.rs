//! Requests that can be sent again.

use std::sync::Arc;

use resilience_core::{Call, retry::Safety};

/// A request that can be sent again.
///
/// Implemented for requests of plain types, for `http::Request` (feature `http`) if its body is, for `reqwest::Request` (feature
/// `reqwest`), and for a [`Call`] of any of these. For a type of your own that is `Clone`:
///
/// ```
/// use resilience_tower::retry::Replay;
///
/// #[derive(Clone)]
/// struct GetUser(u64);
///
/// impl Replay for GetUser {
///     fn try_clone(&self) -> Option<Self> {
///         Some(self.clone())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be sent again",
    label = "requests of this type do not implement `Replay`",
    note = "for a type of your own: `impl Replay for {Self} {{ fn try_clone(&self) -> Option<Self> {{ Some(self.clone()) }} }}`",
    note = "for an `http::Request` with a body that streams: put `resilience_tower::http::ReplayBodyLayer` around the retry layer"
)]
pub trait Replay: Sized {
    /// A copy to send later; `None` if there can be none, and then the request is sent once.
    fn try_clone(&self) -> Option<Self>;

    /// Whether this copy still has all there is to send. Asked after each failed attempt, before another is decided on.
    fn is_complete(&self) -> bool {
        true
    }

    /// What sending it twice may do. [`Safety::Idempotent`] by default.
    fn safety(&self) -> Safety {
        Safety::Idempotent
    }
}

impl<R: Replay> Replay for Call<R> {
    #[inline]
    fn try_clone(&self) -> Option<Self> {
        let request = self.request().try_clone()?;
        Some(Self::with_context(request, self.context().clone()))
    }

    #[inline]
    fn is_complete(&self) -> bool {
        self.request().is_complete()
    }

    #[inline]
    fn safety(&self) -> Safety {
        self.request().safety()
    }
}

/// A copy shares it.
impl<R: Replay> Replay for Arc<R> {
    fn try_clone(&self) -> Option<Self> {
        Some(Self::clone(self))
    }

    fn is_complete(&self) -> bool {
        self.as_ref().is_complete()
    }

    fn safety(&self) -> Safety {
        self.as_ref().safety()
    }
}

impl<R: Replay> Replay for Box<R> {
    fn try_clone(&self) -> Option<Self> {
        self.as_ref().try_clone().map(Self::new)
    }

    fn is_complete(&self) -> bool {
        self.as_ref().is_complete()
    }

    fn safety(&self) -> Safety {
        self.as_ref().safety()
    }
}

macro_rules! replay_clones {
    ($($plain:ty),+) => {
        $(impl Replay for $plain {
            #[inline]
            fn try_clone(&self) -> Option<Self> {
                Some(self.clone())
            }
        })+
    };
}

replay_clones!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
replay_clones!(f32, f64, &'static str, String, Vec<u8>);
