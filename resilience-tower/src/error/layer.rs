use tower_layer::Layer;

use super::MapError;

/// Turns the error `E` of the service it wraps into [`Error<E>`](resilience_core::Error), which can carry refusals.
///
/// For a service whose requests carry their own context, such as `http::Request`. For any other request use
/// [`TransportLayer`](crate::TransportLayer), which does this too.
///
/// ```
/// use resilience_tower::{ErrorLayer, TimeoutLayer};
/// use std::{convert::Infallible, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::Error<Infallible>> {
/// let service = ServiceBuilder::new()
///     .layer(TimeoutLayer::attempt(Duration::from_secs(1)))
///     .layer(ErrorLayer::new())
///     .service(service_fn(|n: u32| async move { Ok::<_, Infallible>(n + 1) }));
///
/// assert_eq!(service.oneshot(1).await?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorLayer(());

impl ErrorLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ErrorLayer {
    type Service = MapError<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MapError::new(inner)
    }
}
