use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind as catch},
    pin::pin,
    task::Poll,
};

/// What `work` comes to, or nothing if it panics. Its message has gone where messages of panics go.
pub(super) async fn catch_unwind<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    // What was broken by the panic is in `work`, which is not polled again.
    poll_fn(|cx| match catch(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}
