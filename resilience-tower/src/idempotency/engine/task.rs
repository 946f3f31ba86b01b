//! The task that an operation runs in.

use std::future::Future;

use tokio::task::JoinHandle;

use crate::call;
#[cfg(feature = "http")]
use crate::http::correlation;

/// Starts a task which finds what its caller does: the deadline that was handed on, and the correlation id.
pub(super) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    // The one that is inherited here.
    let work = call::with_deadline(None, work);
    #[cfg(feature = "http")]
    let work = correlation::under(correlation::inherited(), work);
    tokio::spawn(work)
}
