//! `reqwest`: a guarded client, and what responses and errors mean.
//!
//! A [`Client`] is a `reqwest::Client` under the [client's stack](crate::stack), and is used like one: requests are retried where that is
//! safe, calls end by their deadline, and each host and port has a breaker, a throttle, an adaptive limit and a retry budget of its own.
//!
//! ```
//! # use std::{io::{Read, Write}, net::TcpListener, thread};
//! use resilience_tower::reqwest::Client;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), resilience_core::BoxError> {
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("http://{}/balance", listener.local_addr()?);
//! # let server = thread::spawn(move || {
//! #     for answer in ["HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0", "HTTP/1.1 200 OK\r\ncontent-length: 2"] {
//! #         let (mut connection, _) = listener.accept().unwrap();
//! #         let _ = connection.read(&mut [0; 1024]).unwrap();
//! #         write!(connection, "{answer}\r\nconnection: close\r\n\r\n17").unwrap();
//! #     }
//! # });
//! # let inner = reqwest::Client::builder().no_proxy().build()?;
//! # /*
//! let inner = reqwest::Client::new();
//! # */
//! let client = Client::new("payments", inner);
//! let response = client.get(&url).send().await?; // a 502 first, of which the caller sees nothing
//! assert_eq!(response.text().await?, "17");
//! # server.join().unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent again
//!
//! | request | sent again |
//! |---|---|
//! | `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT`, `DELETE` | yes |
//! | `POST`, `PATCH` | no, unless [`assume_idempotent`](RequestBuilder::assume_idempotent) says so, or nothing was sent (see below) |
//! | with an `Idempotency-Key` | if the policy [says](resilience_core::RetryPolicy::honours_idempotency_keys) that servers honour it |
//! | a body of bytes | yes |
//! | a body that streams | no: it is sent once, and the answer says [why](resilience_core::retry::Reason::NotReplayable) |
//!
//! For bodies that stream and shall be sent again, [`ReplayBodyLayer`](crate::http::ReplayBodyLayer) goes around a stack of
//! `http::Request`s.
//!
//! # Errors
//!
//! There is one error type, [`Error<reqwest::Error>`](resilience_core::Error), and matching tells a refusal from a failure. It stays
//! within reach when the error is boxed, and when it becomes an application's own:
//!
//! ```
//! use resilience_core::{BoxError, Error, Refusal, Rejected};
//!
//! #[derive(Debug)]
//! enum MyError {
//!     Busy(Rejected),
//!     Http(reqwest::Error),
//! }
//!
//! impl From<Error<reqwest::Error>> for MyError {
//!     fn from(error: Error<reqwest::Error>) -> Self {
//!         match error {
//!             Error::Rejected { rejected, .. } => Self::Busy(rejected),
//!             Error::Inner { error, .. } => Self::Http(error),
//!         }
//!     }
//! }
//!
//! let refused: Error<reqwest::Error> = Rejected::CircuitOpen { retry_after: None }.into();
//! let boxed: BoxError = refused.into();
//! assert!(matches!(boxed.rejected(), Some(Rejected::CircuitOpen { .. })));
//! ```
//!
//! No error of a [`Client`] names the URL, which may hold keys and names: [`WithoutUrl`] takes it off. What `reqwest` itself says of a
//! response later does, `error_for_status` above all, until its `without_url()` is called.
//!
//! # What the stack sees
//!
//! **Up to the head of the answer.** The limits on time, the permits and the classification end when the status and headers are there;
//! what `send` returns is a response whose body is still to come. A body that breaks off is an error of `reqwest` when it is read, is not
//! retried, and no breaker hears of it. To bound the time of the body use `reqwest`'s own limits:
//! `ClientBuilder::read_timeout`, which bounds each pause, or [`map`](RequestBuilder::map) with `RequestBuilder::timeout`, which bounds an
//! attempt and the body after it. To bound the number of bodies, take a semaphore of your own, or a stack of `http` requests with a
//! [bulkhead](crate::bulkhead) that holds its permit until the body ends.
//!
//! **Redirects as a part of the attempt.** `reqwest` follows them by itself: what the last hop answers counts for the host of the first
//! one, and the attempt timeout holds for all of them together. A client that should not be surprised by this follows none. Then
//! [`without_redirects`](ClassifyReqwest::without_redirects) says that a connection that could not be made proves that nothing was sent, and
//! even a `POST` is sent again:
//!
//! ```
//! use resilience_tower::reqwest::{Client, ClassifyReqwest};
//! use resilience_tower::stack::{self, Destination};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), reqwest::Error> {
//! let inner = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
//! let layer = stack::client("payments").per(Destination).classify(ClassifyReqwest.without_redirects());
//! let client = Client::with_layer(layer, inner);
//! let error = client.post("http://127.0.0.1:1/").send().await.unwrap_err();
//! assert_eq!(error.gave_up().map(|gave_up| gave_up.attempts), Some(3));
//! # Ok(())
//! # }
//! ```
//!
//! **What `reqwest` repeats by itself** (a request on a kept connection that turned out to be closed, and one that the server's HTTP/2
//! refused) is below the stack, and a part of the attempt. It is known not to have been processed.
//!
//! # As a Tower service
//!
//! A [`Client`] and a `&Client` are services of `reqwest::Request`. A `reqwest::Client` is one too, so the layer goes around it as it
//! is, also for requests [in a `Call`](crate::stack::ClientLayer::calls); its errors then name the URL:
//!
//! ```
//! use resilience_tower::{reqwest::ClassifyReqwest, stack::{self, Destination}};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), resilience_core::BoxError> {
//! let client = ServiceBuilder::new()
//!     .layer(stack::client("payments").per(Destination).classify(ClassifyReqwest))
//!     .service(reqwest::Client::new());
//!
//! let request = reqwest::Request::new(reqwest::Method::GET, "http://127.0.0.1:1/".parse()?);
//! assert!(client.oneshot(request).await.is_err());
//! # Ok(())
//! # }
//! ```

mod classify;
mod client;
mod future;
mod request;
mod without_url;

pub use self::{
    classify::ClassifyReqwest,
    client::{Client, Guarded},
    future::ResponseFuture,
    request::RequestBuilder,
    without_url::{WithoutUrl, WithoutUrlFuture},
};
