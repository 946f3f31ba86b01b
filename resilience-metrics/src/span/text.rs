use std::{error::Error, fmt::Write as _};

/// The text of an error in a span, if it is to be there: see [`Spans::record_error_text`](super::Spans::record_error_text).
///
/// `()` has none. A closure `Fn(&E) -> String` has what it returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no text of the error `{E}`",
    note = "it is a closure `Fn(&{E}) -> String`; `resilience_metrics::span::chain` is one for errors"
)]
pub trait ErrorText<E> {
    /// The text of `error`.
    fn text(&self, error: &E) -> Option<String>;
}

impl<E> ErrorText<E> for () {
    fn text(&self, _: &E) -> Option<String> {
        None
    }
}

impl<E, F: Fn(&E) -> String> ErrorText<E> for F {
    fn text(&self, error: &E) -> Option<String> {
        Some(self(error))
    }
}

/// The text of an error and of its sources, with a colon between them.
///
/// ```
/// use resilience_core::Error;
/// use resilience_metrics::span::chain;
///
/// let error = Error::inner(std::io::Error::other("the pipe is full"));
/// assert_eq!(chain(&error), "the wrapped service failed: the pipe is full");
/// ```
#[must_use]
pub fn chain<E: Error + ?Sized>(error: &E) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}
