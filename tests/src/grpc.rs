//! gRPC calls without generated code: one method, text in and text out.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tonic::{
    Request, Response, Status,
    body::Body,
    client::{Grpc, GrpcService},
    server::NamedService,
    transport::{Channel, Endpoint},
};
use tower::{Service, service_fn};

use crate::text::Text;

/// What a generated server would be, around the function that answers.
#[derive(Clone, Copy)]
pub struct Unary<F>(pub F);

impl<F> NamedService for Unary<F> {
    const NAME: &'static str = "test.Greeter";
}

impl<F, A> Service<http::Request<Body>> for Unary<F>
where
    F: Fn(Request<String>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<String>, Status>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(service_fn(answer), request).await) })
    }
}

impl<F> fmt::Debug for Unary<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unary")
    }
}

/// A channel that connects when it is first used.
///
/// # Panics
///
/// If `url` is none.
#[must_use]
pub fn channel(url: &str) -> Channel {
    let Ok(endpoint) = Endpoint::from_shared(url.to_owned()) else { panic!("`{url}` is no URL") };
    endpoint.connect_lazy()
}

/// What a generated client does.
///
/// # Errors
///
/// As the client and the server say.
pub async fn call<C>(client: C, text: &str) -> Result<String, Status>
where
    C: GrpcService<Body, ResponseBody = Body>,
{
    let mut grpc = Grpc::new(client);
    grpc.ready().await.map_err(|error| Status::unknown(error.into().to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/test.Greeter/Hello");
    let response = grpc.unary(Request::new(text.to_owned()), path, Text).await?;
    Ok(response.into_inner())
}
