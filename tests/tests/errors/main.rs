//! One error type through a whole stack: `S::Error: Refusal` composes, over our own errors and over foreign ones.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod on_a_grpc_server;
mod on_a_server;
mod orders;
mod over_grpc;
mod over_http;

use std::{error::Error, time::Duration};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Long enough never to fire on a machine that is merely busy.
const AMPLE: Duration = Duration::from_secs(60);

/// The first error of type `T` among `error` and its sources.
fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    error.downcast_ref().or_else(|| find(error.source()?))
}
