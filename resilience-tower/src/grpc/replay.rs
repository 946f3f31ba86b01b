//! gRPC requests that can be sent again.

use tonic::Request;

use crate::retry::{Replay, Safety};

/// For layers around a generated client. A copy has the message, metadata and extensions of the original.
///
/// Whether a call may be made twice only its author knows, so it is [`Safety::Unsafe`]: say it for all with
/// [`RetryPolicy::assume_idempotent`](resilience_core::RetryPolicy::assume_idempotent), or for one with
/// [`Context::assume_idempotent`](resilience_core::Context::assume_idempotent).
///
/// ```
/// use resilience_tower::retry::{Replay, Safety};
/// use tonic::Request;
///
/// let mut request = Request::new("2 pears");
/// request.metadata_mut().insert("x-shop", "7".parse()?);
/// let copy = request.try_clone().ok_or("a message can be copied")?;
/// assert_eq!((*copy.get_ref(), copy.metadata().get("x-shop")), ("2 pears", request.metadata().get("x-shop")));
/// assert_eq!(request.safety(), Safety::Unsafe);
/// # Ok::<_, resilience_core::BoxError>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
impl<T: Clone> Replay for Request<T> {
    fn try_clone(&self) -> Option<Self> {
        let mut copy = Self::new(self.get_ref().clone());
        copy.metadata_mut().clone_from(self.metadata());
        copy.extensions_mut().clone_from(self.extensions());
        Some(copy)
    }

    fn safety(&self) -> Safety {
        Safety::Unsafe
    }
}
