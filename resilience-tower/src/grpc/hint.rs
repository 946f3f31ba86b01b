//! What a gRPC server said about trying again.

use std::time::Duration;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderMap;
use prost::Message;
use resilience_core::Hint;

/// Metadata in binary is base64, with padding or without (gRPC over HTTP/2, "Binary-Header").
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The most that a `google.protobuf.Duration` may say: about ten thousand years.
const MAX_SECONDS: u64 = 315_576_000_000;

/// The pushback of gRFC A6: an exact wait. One that is negative or no number means not to try again.
pub(super) fn pushback(metadata: &HeaderMap) -> Option<Hint> {
    let value = metadata.get("grpc-retry-pushback-ms")?;
    let wait = value.to_str().ok().and_then(|value| value.trim().parse().ok());
    Some(wait.map_or(Hint::Never, |ms| Hint::Exactly(Duration::from_millis(ms))))
}

/// The `RetryInfo` among the details that are still base64 in the headers.
pub(super) fn retry_info_header(headers: &HeaderMap) -> Option<Hint> {
    retry_info(&BASE64.decode(headers.get("grpc-status-details-bin")?).ok()?)
}

/// The longest `google.rpc.RetryInfo` in an encoded `google.rpc.Status`.
pub(super) fn retry_info(details: &[u8]) -> Option<Hint> {
    let status = RpcStatus::decode(details).ok()?;
    let infos = status.details.iter().filter(|any| any.is_retry_info());
    infos.filter_map(Any::wait).max().map(Hint::AtLeast)
}

/// The value of `grpc-status-details-bin` that says when to come again.
#[cfg(feature = "idempotency")]
pub(crate) fn retry_info_details(code: i32, message: &str, wait: Duration) -> Option<http::HeaderValue> {
    let delay = Delay {
        seconds: i64::try_from(wait.as_secs()).ok()?,
        nanos: i32::try_from(wait.subsec_nanos()).ok()?,
    };
    let info = RetryInfo { retry_delay: Some(delay) };
    let any =
        Any { type_url: b"type.googleapis.com/google.rpc.RetryInfo".to_vec(), value: info.encode_to_vec() };
    let status = WholeStatus { code, message: message.to_owned(), details: vec![any] };
    http::HeaderValue::from_str(&BASE64.encode(status.encode_to_vec())).ok()
}

/// `google.rpc.Status`.
#[cfg(feature = "idempotency")]
#[derive(Clone, PartialEq, Message)]
struct WholeStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// What is needed of `google.rpc.Status`: its code and message are in headers of their own.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(bytes = "vec", tag = "1")]
    type_url: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Any {
    /// What is before the last slash says where the type is described, and nobody looks there.
    fn is_retry_info(&self) -> bool {
        self.type_url.rsplit(|&byte| byte == b'/').next() == Some(b"google.rpc.RetryInfo")
    }

    fn wait(&self) -> Option<Duration> {
        RetryInfo::decode(&*self.value).ok()?.retry_delay?.wait()
    }
}

impl Delay {
    fn wait(&self) -> Option<Duration> {
        let (seconds, nanos) = (u64::try_from(self.seconds).ok()?, u32::try_from(self.nanos).ok()?);
        let is_valid = seconds <= MAX_SECONDS && nanos < 1_000_000_000;
        is_valid.then(|| Duration::new(seconds, nanos))
    }
}

#[cfg(test)]
mod tests;
