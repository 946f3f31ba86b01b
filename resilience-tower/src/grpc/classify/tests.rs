use std::time::Duration;

use resilience_core::{Rejected, retry::Reason};
use tonic::{body::Body, metadata::MetadataMap};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// The codes by their numbers, 0 to 16, and one that there is not.
const TABLE: [Verdict; 18] = [
    Verdict::Success,                         // OK
    Verdict::Ignored,                         // CANCELLED
    Verdict::Failure(FailureKind::Fault),     // UNKNOWN
    Verdict::Failure(FailureKind::Permanent), // INVALID_ARGUMENT
    Verdict::Failure(FailureKind::Timeout),   // DEADLINE_EXCEEDED
    Verdict::Failure(FailureKind::Permanent), // NOT_FOUND
    Verdict::Failure(FailureKind::Permanent), // ALREADY_EXISTS
    Verdict::Failure(FailureKind::Permanent), // PERMISSION_DENIED
    Verdict::Failure(FailureKind::Throttled), // RESOURCE_EXHAUSTED
    Verdict::Failure(FailureKind::Permanent), // FAILED_PRECONDITION
    Verdict::Failure(FailureKind::Permanent), // ABORTED
    Verdict::Failure(FailureKind::Permanent), // OUT_OF_RANGE
    Verdict::Failure(FailureKind::Permanent), // UNIMPLEMENTED
    Verdict::Failure(FailureKind::Fault),     // INTERNAL
    Verdict::Failure(FailureKind::Transient), // UNAVAILABLE
    Verdict::Failure(FailureKind::Fault),     // DATA_LOSS
    Verdict::Failure(FailureKind::Permanent), // UNAUTHENTICATED
    Verdict::Failure(FailureKind::Fault),     // not a code
];

fn answer(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let mut builder = Response::builder().status(status);
    for &(name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(()).unwrap()
}

fn judge(response: &Response<()>) -> Verdict {
    ClassifyGrpc.classify(Ok::<_, &()>(response))
}

fn hinted(response: &Response<()>) -> Option<Hint> {
    ClassifyGrpc.hint(Ok::<_, &()>(response))
}

#[test]
fn every_code_is_named_as_grpc_writes_it() {
    for number in 0..17 {
        let code = Code::from_i32(number);
        let mut written = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !written.is_empty() && code != Code::Ok {
                written.push('_');
            }
            written.extend(letter.to_uppercase());
        }
        assert_eq!(name(code), written);
        let (header, status) = (answer(200, &[("grpc-status", &number.to_string())]), Status::new(code, ""));
        assert_eq!(ClassifyGrpc.error_type(Ok::<_, &()>(&header)), Some(name(code)));
        assert_eq!(ClassifyCode.error_type(Err::<&(), _>(&status)), Some(name(code)));
        assert_eq!(ClassifyCode.error_type(Err::<&(), _>(&Error::inner(status))), Some(name(code)));
    }
    let refused = Error::<Status>::from(Rejected::CircuitOpen { retry_after: None });
    assert_eq!(ClassifyCode.error_type(Err::<&(), _>(&refused)), None);
}

#[test]
fn every_code_is_judged_by_the_table() {
    for (number, expected) in (0..).zip(TABLE) {
        let response = answer(200, &[("grpc-status", &number.to_string())]);
        assert_eq!(judge(&response), expected, "in a header: {number}");
        let bad_too = answer(503, &[("grpc-status", &number.to_string())]);
        assert_eq!(judge(&bad_too), expected, "whatever HTTP says: {number}");

        let status = Status::new(Code::from_i32(number), "");
        assert_eq!(ClassifyCode.classify(Err::<&(), _>(&status)), expected, "as a status: {number}");
        let error = Error::inner(status);
        assert_eq!(ClassifyCode.classify(Err::<&(), _>(&error)), expected, "under ours: {number}");
    }
    assert_eq!(judge(&answer(200, &[("grpc-status", "x")])), Verdict::Failure(FailureKind::Fault));
}

#[test]
fn without_a_grpc_status_the_http_status_is_mapped() {
    let table = [
        (200, Code::Ok), // the status is still to come
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (431, Code::Internal),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
    ];
    for status in 100..1000 {
        let expected =
            table.iter().find(|(known, _)| *known == status).map_or(Code::Unknown, |(_, code)| *code);
        assert_eq!(code(&answer(status, &[])), expected, "{status}");
    }
    assert_eq!(judge(&answer(200, &[])), Verdict::Success);
    assert_eq!(judge(&answer(503, &[])), Verdict::Failure(FailureKind::Transient));
}

#[test]
fn errors_are_transient_and_refusals_speak_for_themselves() {
    let error: Result<&Response<()>, &&str> = Err(&"reset");
    assert_eq!(ClassifyGrpc.classify(error), Verdict::Failure(FailureKind::Transient));
    assert_eq!(ClassifyGrpc.hint(error), None);
    let rejected = Rejected::CircuitOpen { retry_after: None };
    let refused = Error::<Status>::from(rejected);
    assert_eq!(ClassifyCode.classify(Err::<&(), _>(&refused)), rejected.verdict());
    assert_eq!(ClassifyCode.hint(Err::<&(), _>(&refused)), None);
    assert_eq!(ClassifyCode.classify(Ok::<_, &Status>(&1)), Verdict::Success);
    assert_eq!(ClassifyCode.classify(Ok::<_, &Error<Status>>(&1)), Verdict::Success);
}

/// `google.rpc.Status` with a `RetryInfo` of seven seconds.
const SEVEN_SECONDS: &[u8] =
    b"\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x07";

#[test]
fn hints_are_taken_in_their_order() {
    let seven = Some(Hint::AtLeast(7000 * MS));
    let details = tonic::metadata::BinaryMetadataValue::from_bytes(SEVEN_SECONDS);
    let details = ("grpc-status-details-bin", std::str::from_utf8(details.as_encoded_bytes()).unwrap());
    let (unavailable, pushback, plain) =
        (("grpc-status", "14"), ("grpc-retry-pushback-ms", "20"), ("retry-after", "3"));

    assert_eq!(hinted(&answer(200, &[unavailable, pushback, details])), Some(Hint::Exactly(20 * MS)));
    assert_eq!(hinted(&answer(200, &[unavailable, details])), seven);
    assert_eq!(hinted(&answer(200, &[unavailable, ("grpc-status-details-bin", "?")])), None);
    assert_eq!(hinted(&answer(200, &[unavailable, plain])), None, "not gRPC's");
    assert_eq!(hinted(&answer(503, &[plain])), Some(Hint::AtLeast(3000 * MS)), "of a proxy");

    let mut metadata = MetadataMap::new();
    let with = |metadata: &MetadataMap| {
        let details = SEVEN_SECONDS.into();
        Status::with_details_and_metadata(Code::Unavailable, "", details, metadata.clone())
    };
    assert_eq!(ClassifyCode.hint(Err::<&(), _>(&with(&metadata))), seven);
    assert_eq!(ClassifyCode.hint(Err::<&(), _>(&Error::inner(with(&metadata)))), seven);
    metadata.insert("grpc-retry-pushback-ms", "-1".parse().unwrap());
    assert_eq!(ClassifyCode.hint(Err::<&(), _>(&with(&metadata))), Some(Hint::Never));
}

#[test]
fn giving_up_is_noted_in_the_extensions() {
    let gave_up = GaveUp { attempts: 3, reason: Reason::MaxAttempts };
    let mut response = answer(200, &[]);
    Classify::<_, ()>::annotate(&ClassifyGrpc, &mut response, gave_up);
    assert_eq!(response.extensions().get(), Some(&gave_up));
}

/// What `tonic`'s own server writes is what is read.
#[test]
fn a_status_of_tonics_own_making_is_read() {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-retry-pushback-ms", "20".parse().unwrap());
    let mut status = Status::with_metadata(Code::ResourceExhausted, "later", metadata);
    let response: Response<Body> = status.clone().into_http();
    let result = Ok::<_, &()>(&response);
    assert_eq!(ClassifyGrpc.classify(result), Verdict::Failure(FailureKind::Throttled));
    assert_eq!(ClassifyGrpc.hint(result), Some(Hint::Exactly(20 * MS)));

    status = Status::with_details(Code::Unavailable, "later", SEVEN_SECONDS.into());
    let response: Response<Body> = status.into_http();
    assert_eq!(ClassifyGrpc.hint(Ok::<_, &()>(&response)), Some(Hint::AtLeast(7000 * MS)));
}

#[test]
fn a_connection_that_was_never_made_has_sent_nothing() {
    let refused = || Status::from_error(Box::new(tonic::ConnectError("refused".into())));
    let was_sent = |status: &Status| Classify::<(), _>::was_sent(&ClassifyCode, Err(status));
    assert!(!was_sent(&refused()));
    assert!(was_sent(&Status::unavailable("down")));
    assert!(!Classify::<(), _>::was_sent(&ClassifyCode, Err(&Error::inner(refused()))));
    assert!(Classify::<(), Status>::was_sent(&ClassifyCode, Ok(&())));
}

#[test]
fn a_fallbacks_answer_is_told_from_others() {
    let mut response = Response::new(());
    let is_fallback = |response: &_| <ClassifyGrpc as Classify<_, ()>>::is_fallback(&ClassifyGrpc, response);
    assert!(!is_fallback(&response));
    let cause = Cause::Failure(FailureKind::Timeout);
    <ClassifyGrpc as Classify<_, ()>>::annotate_fallback(&ClassifyGrpc, &mut response, cause);
    assert!(is_fallback(&response));
    assert_eq!(response.extensions().get(), Some(&cause));
}
