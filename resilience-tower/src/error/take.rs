use resilience_core::{BoxError, Error, Refusal, Rejected};

/// An error that can be taken apart into a refusal and everything else.
///
/// Asked by the layers that turn refusals into answers: [`RespondLayer`](crate::http::RespondLayer) and
/// [`StatusLayer`](crate::grpc::StatusLayer). Implemented for [`Error<E>`](Error), of which `E` is left, and for
/// [`BoxError`], of which `BoxError` is left. For an application's own error:
///
/// ```
/// use resilience_core::{Refusal, Rejected};
/// use resilience_tower::error::TakeRefusal;
/// use std::io;
///
/// enum AppError {
///     Refused(Rejected),
///     Io(io::Error),
/// }
/// # impl From<Rejected> for AppError {
/// #     fn from(rejected: Rejected) -> Self {
/// #         Self::Refused(rejected)
/// #     }
/// # }
/// # impl Refusal for AppError {
/// #     fn rejected(&self) -> Option<&Rejected> {
/// #         match self {
/// #             Self::Refused(rejected) => Some(rejected),
/// #             Self::Io(_) => None,
/// #         }
/// #     }
/// # }
///
/// impl TakeRefusal for AppError {
///     type Rest = io::Error;
///
///     fn take_refusal(self) -> Result<Rejected, io::Error> {
///         match self {
///             Self::Refused(rejected) => Ok(rejected),
///             Self::Io(error) => Err(error),
///         }
///     }
/// }
///
/// let refused = AppError::from(Rejected::CircuitOpen { retry_after: None });
/// assert!(refused.take_refusal().is_ok());
/// assert!(AppError::Io(io::ErrorKind::Other.into()).take_refusal().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken apart into a refusal and the rest",
    label = "the wrapped service's error must implement `TakeRefusal`",
    note = "put `resilience_tower::ErrorLayer` (or `TransportLayer`) directly around the innermost service to turn its error `E` into `Error<E>`, or implement `TakeRefusal` for your own error type"
)]
pub trait TakeRefusal: Refusal {
    /// What an error is that is no refusal.
    type Rest;

    /// The refusal.
    ///
    /// # Errors
    ///
    /// What is left, if it is none.
    fn take_refusal(self) -> Result<Rejected, Self::Rest>;
}

impl<E> TakeRefusal for Error<E> {
    type Rest = E;

    fn take_refusal(self) -> Result<Rejected, E> {
        match self {
            Self::Rejected { rejected, .. } => Ok(rejected),
            Self::Inner { error, .. } => Err(error),
        }
    }
}

/// A refusal is looked for along the sources.
impl TakeRefusal for BoxError {
    type Rest = Self;

    fn take_refusal(self) -> Result<Rejected, Self> {
        self.rejected().copied().ok_or(self)
    }
}
