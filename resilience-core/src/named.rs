//! A classifier that has names for errors.

use std::fmt;

use crate::{Classify, Hint, Verdict, fallback::Cause, retry::GaveUp};

/// Another classifier, that also has a [name](Classify::error_type) for each error.
///
/// A classifier does not know every error type, and spans that say no more than `transient` are little help. The name is one of
/// a few that are written in the program, so no text of an error can get into a span by it:
///
/// ```
/// use resilience_core::{Classify, ErrorsAreFailures, NamedErrors};
/// use std::io::{Error, ErrorKind};
///
/// let classify = NamedErrors::new(ErrorsAreFailures, |error: &Error| match error.kind() {
///     ErrorKind::ConnectionRefused => "refused",
///     ErrorKind::ConnectionReset => "reset",
///     _ => "io",
/// });
/// let result: Result<&(), _> = Err(&Error::from(ErrorKind::ConnectionReset));
/// assert_eq!(classify.error_type(result), Some("reset"));
/// ```
#[derive(Clone, Copy, Default)]
pub struct NamedErrors<C, F> {
    classify: C,
    name: F,
}

impl<C, F> NamedErrors<C, F> {
    /// `classify`, and `name` for errors. It is not asked about refusals of our own policies, nor about answers.
    pub const fn new(classify: C, name: F) -> Self {
        Self { classify, name }
    }
}

impl<C: fmt::Debug, F> fmt::Debug for NamedErrors<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedErrors").field("classify", &self.classify).finish_non_exhaustive()
    }
}

impl<C, F, Res, Err> Classify<Res, Err> for NamedErrors<C, F>
where
    C: Classify<Res, Err>,
    F: Fn(&Err) -> &'static str,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        self.classify.classify(result)
    }

    fn hint(&self, result: Result<&Res, &Err>) -> Option<Hint> {
        self.classify.hint(result)
    }

    fn was_sent(&self, result: Result<&Res, &Err>) -> bool {
        self.classify.was_sent(result)
    }

    fn annotate(&self, response: &mut Res, gave_up: GaveUp) {
        self.classify.annotate(response, gave_up);
    }

    fn annotate_fallback(&self, response: &mut Res, cause: Cause) {
        self.classify.annotate_fallback(response, cause);
    }

    fn error_type(&self, result: Result<&Res, &Err>) -> Option<&'static str> {
        match result {
            Ok(_) => self.classify.error_type(result),
            Err(error) => Some((self.name)(error)),
        }
    }

    fn is_fallback(&self, response: &Res) -> bool {
        self.classify.is_fallback(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FailureKind, retry::Reason};

    /// Everything about it can be told from the defaults.
    struct Other;

    impl Classify<Vec<u32>, ()> for Other {
        fn classify(&self, _: Result<&Vec<u32>, &()>) -> Verdict {
            Verdict::Failure(FailureKind::Throttled)
        }

        fn hint(&self, _: Result<&Vec<u32>, &()>) -> Option<Hint> {
            Some(Hint::Never)
        }

        fn was_sent(&self, _: Result<&Vec<u32>, &()>) -> bool {
            false
        }

        fn annotate(&self, response: &mut Vec<u32>, gave_up: GaveUp) {
            response.push(gave_up.attempts);
        }

        fn annotate_fallback(&self, response: &mut Vec<u32>, _: Cause) {
            response.push(0);
        }

        fn error_type(&self, _: Result<&Vec<u32>, &()>) -> Option<&'static str> {
            Some("answer")
        }

        fn is_fallback(&self, response: &Vec<u32>) -> bool {
            response.contains(&0)
        }
    }

    #[test]
    fn all_but_the_names_of_errors_is_that_of_the_other_classifier() {
        let classify = NamedErrors::new(Other, |(): &()| "error");
        let mut response = Vec::new();
        assert_eq!(classify.classify(Err(&())), Verdict::Failure(FailureKind::Throttled));
        assert_eq!(classify.hint(Err(&())), Some(Hint::Never));
        assert!(!classify.was_sent(Err(&())));
        assert!(!classify.is_fallback(&response));
        classify.annotate(&mut response, GaveUp { attempts: 3, reason: Reason::Budget });
        classify.annotate_fallback(&mut response, Cause::Failure(FailureKind::Fault));
        assert_eq!(response, [3, 0]);
        assert!(classify.is_fallback(&response));
        assert_eq!(classify.error_type(Ok(&response)), Some("answer"));
        assert_eq!(classify.error_type(Err(&())), Some("error"));
    }
}
