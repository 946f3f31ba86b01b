use http::Response;
use resilience_core::{Classify, Error, FailureKind, Hint, Verdict, fallback::Cause, retry::GaveUp};
use tonic::{Code, Status};

use crate::grpc::{ClassifyGrpc, classify::name, never_connected};

/// Judges what the stack of a [`Client`](super::Client) sees: answers as [`ClassifyGrpc`] does, and errors of the channel.
///
/// An error is `Timeout` if `tonic`'s own timer has fired, and `Transient` otherwise. That no connection could be made proves
/// that nothing was sent, so such a call is made again whatever it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassifyChannel;

impl<B> Classify<Response<B>, Error<Status>> for ClassifyChannel {
    fn classify(&self, result: Result<&Response<B>, &Error<Status>>) -> Verdict {
        match result {
            Ok(_) => ClassifyGrpc.classify(result),
            Err(Error::Rejected { rejected, .. }) => rejected.verdict(),
            Err(Error::Inner { error, .. }) => Verdict::Failure(match error.code() {
                Code::DeadlineExceeded => FailureKind::Timeout,
                _ => FailureKind::Transient,
            }),
        }
    }

    fn hint(&self, result: Result<&Response<B>, &Error<Status>>) -> Option<Hint> {
        ClassifyGrpc.hint(result)
    }

    fn was_sent(&self, result: Result<&Response<B>, &Error<Status>>) -> bool {
        !matches!(result, Err(Error::Inner { error, .. }) if never_connected(error))
    }

    fn error_type(&self, result: Result<&Response<B>, &Error<Status>>) -> Option<&'static str> {
        match result {
            Err(Error::Inner { error, .. }) => Some(name(error.code())),
            _ => ClassifyGrpc.error_type(result),
        }
    }

    fn annotate(&self, response: &mut Response<B>, gave_up: GaveUp) {
        Classify::<_, Error<Status>>::annotate(&ClassifyGrpc, response, gave_up);
    }

    fn annotate_fallback(&self, response: &mut Response<B>, cause: Cause) {
        Classify::<_, Error<Status>>::annotate_fallback(&ClassifyGrpc, response, cause);
    }

    fn is_fallback(&self, response: &Response<B>) -> bool {
        Classify::<_, Error<Status>>::is_fallback(&ClassifyGrpc, response)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resilience_core::{Rejected, retry::Reason};

    use super::*;

    type Judged<'r> = Result<&'r Response<()>, &'r Error<Status>>;

    #[test]
    fn a_refusal_speaks_for_itself() {
        let (limit, elapsed) = (Duration::ZERO, Duration::ZERO);
        for rejected in
            [Rejected::CircuitOpen { retry_after: None }, Rejected::AttemptTimeout { limit, elapsed }]
        {
            let refused = Error::from(rejected);
            let judged: Judged<'_> = Err(&refused);
            assert_eq!(ClassifyChannel.classify(judged), rejected.verdict());
            assert!(ClassifyChannel.was_sent(judged));
        }
    }

    #[test]
    fn an_answer_and_an_error_of_the_channel_are_named_by_their_code() {
        let named = |judged: Judged<'_>| ClassifyChannel.error_type(judged);
        let answer = Response::builder().header("grpc-status", "8").body(()).unwrap();
        assert_eq!(named(Ok(&answer)), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(named(Err(&Error::inner(Status::unavailable("")))), Some("UNAVAILABLE"));
        assert_eq!(named(Err(&Rejected::CircuitOpen { retry_after: None }.into())), None);
    }

    #[test]
    fn notes_go_where_those_of_grpc_go() {
        let judge: &dyn Classify<Response<()>, Error<Status>> = &ClassifyChannel;
        let mut answer = Response::new(());
        assert!(!judge.is_fallback(&answer));
        judge.annotate_fallback(&mut answer, Cause::Failure(FailureKind::Timeout));
        judge.annotate(&mut answer, GaveUp { attempts: 3, reason: Reason::Budget });
        assert!(judge.is_fallback(&answer));
        assert_eq!(answer.extensions().get::<GaveUp>().map(|gave_up| gave_up.attempts), Some(3));
    }
}
