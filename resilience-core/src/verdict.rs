//! What an attempt's result means: one classification for every policy and every metric.

use std::fmt;

use crate::{Hint, fallback::Cause, retry::GaveUp};

/// What one attempt came to.
///
/// Breaker, retry, budget and metrics read the same verdict, so a result never counts as a failure
/// for one of them and as a success for another by accident.
///
/// ```
/// use resilience_core::{FailureKind, Verdict};
///
/// assert!(Verdict::Failure(FailureKind::Timeout).is_failure());
/// assert!(!Verdict::Ignored.is_failure());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The dependency did what it was asked.
    Success,
    /// The attempt failed, in the given way.
    Failure(FailureKind),
    /// Says nothing about the dependency: counted nowhere, and a probe slot it held is given back.
    Ignored,
}

impl Verdict {
    /// Whether this is a failure of any kind, [`FailureKind::Permanent`] included.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failure(_))
    }
}

/// How an attempt failed.
///
/// The kinds differ in what may be done about them: see each variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum FailureKind {
    /// Likely gone on the next try: a reset connection, HTTP 408, 500, 502, 504, gRPC `UNAVAILABLE`.
    Transient,
    /// A defect on the other side: gRPC `INTERNAL`, `UNKNOWN`, or a panic further in. A failure of the dependency, and not
    /// worth a retry.
    Fault,
    /// The dependency asked this caller to slow down: HTTP 429, gRPC `RESOURCE_EXHAUSTED`.
    Throttled,
    /// The dependency is short of capacity for everybody: HTTP 503.
    PeerOverloaded,
    /// No answer in time.
    Timeout,
    /// The request itself was refused: most of HTTP 4xx. The dependency is well; asking again is useless.
    Permanent,
}

impl FailureKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 6] =
        [Self::Transient, Self::Fault, Self::Throttled, Self::PeerOverloaded, Self::Timeout, Self::Permanent];

    /// The value of the `reason` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Fault => "fault",
            Self::Throttled => "throttled",
            Self::PeerOverloaded => "peer_overloaded",
            Self::Timeout => "timeout",
            Self::Permanent => "permanent",
        }
    }
}

/// Turns the result of an attempt into a [`Verdict`].
///
/// Pure and cheap: it may be asked more than once about the same result. A closure
/// `Fn(Result<&Res, &Err>) -> Verdict` is a classifier. Layers do not ask it about refusals of our own policies
/// (see [`Rejected::verdict`](crate::Rejected::verdict)). The other methods have defaults that are right for results which say
/// no more than that.
///
/// ```
/// use resilience_core::{Classify, FailureKind, Verdict};
///
/// let even_is_good = |result: Result<&u32, &String>| match result {
///     Ok(n) if n % 2 == 0 => Verdict::Success,
///     Ok(_) => Verdict::Failure(FailureKind::Permanent),
///     Err(_) => Verdict::Failure(FailureKind::Transient),
/// };
/// assert_eq!(even_is_good.classify(Ok(&4)), Verdict::Success);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not classify `Result<{Res}, {Err}>`",
    label = "not a classifier of this service's results",
    note = "a classifier is a type that implements `Classify<{Res}, {Err}>`, or a closure `Fn(Result<&{Res}, &{Err}>) -> Verdict`"
)]
pub trait Classify<Res, Err> {
    /// Says what `result` came to.
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict;

    /// What the other side said about trying again, where it did. `None` by default.
    ///
    /// Asked of failures only.
    fn hint(&self, result: Result<&Res, &Err>) -> Option<Hint> {
        let _ = result;
        None
    }

    /// Whether the request may have reached the other side. `true` by default.
    ///
    /// `false` only where the result proves that nothing was sent, as a refused connection does: then even a request
    /// that must not be repeated is sent again. Asked of failures only.
    fn was_sent(&self, result: Result<&Res, &Err>) -> bool {
        let _ = result;
        true
    }

    /// Notes on a bad answer that a retry layer has given up on it. Does nothing by default.
    ///
    /// Errors take the note themselves: see [`Refusal::set_gave_up`](crate::Refusal::set_gave_up).
    fn annotate(&self, response: &mut Res, gave_up: GaveUp) {
        let _ = (response, gave_up);
    }

    /// Notes on an answer that a fallback gave it, and why. Does nothing by default.
    fn annotate_fallback(&self, response: &mut Res, cause: Cause) {
        let _ = (response, cause);
    }

    /// A name for a failure, for spans: the status of an answer (`503`, `UNAVAILABLE`), or the class of an error (`connect`).
    /// `None` by default: then it is the name of the [kind](FailureKind::as_str).
    ///
    /// Of a small, fixed set, and never the text of an error, which may hold what nobody else should read. Asked of failures
    /// only; a refusal of ours has the name of its [outcome](crate::Outcome).
    fn error_type(&self, result: Result<&Res, &Err>) -> Option<&'static str> {
        let _ = result;
        None
    }

    /// Whether an answer has the note that a fallback gave it. `false` by default: then metrics count it as a plain success.
    fn is_fallback(&self, response: &Res) -> bool {
        let _ = response;
        false
    }
}

impl<F, Res, Err> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> Verdict,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        self(result)
    }
}

/// Another classifier, that also knows which errors prove that nothing was sent.
///
/// A classifier does not know every transport. Where an error says for sure that the request never left, even one that
/// must not be repeated may be sent again:
///
/// ```
/// use resilience_core::{Classify, ErrorsAreFailures, UnsentIf};
/// use std::io::{Error, ErrorKind};
///
/// let classify = UnsentIf::new(ErrorsAreFailures, |error: &Error| error.kind() == ErrorKind::ConnectionRefused);
/// let result: Result<&(), _> = Err(&Error::from(ErrorKind::ConnectionRefused));
/// assert!(!classify.was_sent(result));
/// ```
#[derive(Clone, Copy, Default)]
pub struct UnsentIf<C, F> {
    classify: C,
    unsent: F,
}

impl<C, F> UnsentIf<C, F> {
    /// `classify`, and `unsent` for errors: whether nothing was sent. It must not be true of a request that may have been
    /// received, such as one whose answer was a redirect that was followed.
    pub const fn new(classify: C, unsent: F) -> Self {
        Self { classify, unsent }
    }
}

impl<C: fmt::Debug, F> fmt::Debug for UnsentIf<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsentIf").field("classify", &self.classify).finish_non_exhaustive()
    }
}

impl<C, F, Res, Err> Classify<Res, Err> for UnsentIf<C, F>
where
    C: Classify<Res, Err>,
    F: Fn(&Err) -> bool,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        self.classify.classify(result)
    }

    fn hint(&self, result: Result<&Res, &Err>) -> Option<Hint> {
        self.classify.hint(result)
    }

    fn was_sent(&self, result: Result<&Res, &Err>) -> bool {
        self.classify.was_sent(result) && !result.is_err_and(&self.unsent)
    }

    fn error_type(&self, result: Result<&Res, &Err>) -> Option<&'static str> {
        self.classify.error_type(result)
    }

    fn annotate(&self, response: &mut Res, gave_up: GaveUp) {
        self.classify.annotate(response, gave_up);
    }

    fn annotate_fallback(&self, response: &mut Res, cause: Cause) {
        self.classify.annotate_fallback(response, cause);
    }

    fn is_fallback(&self, response: &Res) -> bool {
        self.classify.is_fallback(response)
    }
}

/// Every `Ok` is a success, every `Err` a [transient](FailureKind::Transient) failure.
///
/// The default of every layer: right for services whose errors are errors. An HTTP client needs more,
/// because a 500 is an `Ok` there.
///
/// ```
/// use resilience_core::{Classify, ErrorsAreFailures, FailureKind, Verdict};
///
/// let result: Result<&(), &&str> = Err(&"down");
/// assert_eq!(ErrorsAreFailures.classify(result), Verdict::Failure(FailureKind::Transient));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorsAreFailures;

impl<Res, Err> Classify<Res, Err> for ErrorsAreFailures {
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(_) => Verdict::Failure(FailureKind::Transient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fallback's answer is odd.
    struct Odd;

    impl Classify<u32, ()> for Odd {
        fn classify(&self, _: Result<&u32, &()>) -> Verdict {
            Verdict::Success
        }

        fn annotate_fallback(&self, response: &mut u32, _: Cause) {
            *response |= 1;
        }

        fn is_fallback(&self, response: &u32) -> bool {
            response % 2 == 1
        }

        fn error_type(&self, result: Result<&u32, &()>) -> Option<&'static str> {
            result.err().map(|()| "empty")
        }
    }

    #[test]
    fn another_classifiers_note_of_a_fallback_is_kept() {
        let classify = UnsentIf::new(Odd, |_: &()| true);
        let mut response = 6;
        assert!(!classify.is_fallback(&response));
        classify.annotate_fallback(&mut response, Cause::Failure(FailureKind::Fault));
        assert!(response == 7 && classify.is_fallback(&response));
        assert_eq!((classify.error_type(Err(&())), classify.error_type(Ok(&6))), (Some("empty"), None));
    }

    #[test]
    fn all_is_in_the_order_of_the_discriminants() {
        for (index, kind) in FailureKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
