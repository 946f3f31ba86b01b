//! Handlers that wait, and bodies that do.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::routing::{self, MethodRouter};
use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::{Semaphore, mpsc};

/// Lets requests wait in a handler until the test says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { arrived: none(), open: none() }
    }

    /// A handler.
    pub(crate) async fn pass(self) -> &'static str {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        "passed"
    }

    /// One more request is in the handler.
    pub(crate) async fn has_one(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets so many pass, those to come among them.
    pub(crate) fn let_pass(&self, requests: usize) {
        self.open.add_permits(requests);
    }
}

/// A route that answers once, with a body that ends when the sender is dropped.
pub(crate) fn streams() -> (mpsc::Sender<&'static str>, MethodRouter) {
    let (send, receive) = mpsc::channel(1);
    let stream = Arc::new(Mutex::new(Some(Stream(receive))));
    let take = move || stream.lock().unwrap().take().unwrap();
    (send, routing::get(move || async move { axum::body::Body::new(take()) }))
}

struct Stream(mpsc::Receiver<&'static str>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(text.into()))))
    }
}
