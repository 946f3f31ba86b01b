//! Upper bounds of buckets, in seconds unless said otherwise.

/// For the latency of calls over a network: what OpenTelemetry advises for the durations of HTTP and RPC.
///
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>
pub const LATENCY_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// For waits, which are to be short: from a tenth of a millisecond to five seconds.
pub const WAIT_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// For services that answer in less than a millisecond: a part of what gRPC prescribes for the latency of calls.
///
/// <https://github.com/grpc/proposal/blob/master/A66-otel-stats.md>
pub const FINE_SECONDS: &[f64] = &[
    0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

/// Retries of one operation: the shape of an attempt count.
pub(super) const RETRIES: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0];

/// Parts of a whole.
pub(super) const RATIO: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
