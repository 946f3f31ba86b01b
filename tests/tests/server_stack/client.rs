//! What clients send and see.

use std::net::SocketAddr;

use super::AMPLE;
use http::{HeaderMap, header::CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request over a connection of its own. It gives up some time, so that a test which is broken ends.
pub(crate) fn get(address: SocketAddr, path: &str) -> RequestBuilder {
    Client::builder().no_proxy().timeout(AMPLE).build().unwrap().get(format!("http://{address}{path}"))
}

pub(crate) async fn status(address: SocketAddr, path: &str) -> u16 {
    get(address, path).send().await.unwrap().status().as_u16()
}

/// Everything about an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status and the reason of a problem document.
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        let (_, rest) = self.text.split_once(r#""reason":""#).unwrap();
        (self.status, rest.split_once('"').unwrap().0)
    }
}

/// A connection that has sent this much of a request, and nothing more.
pub(crate) async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes the connection.
pub(crate) async fn read(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has said what it had to say as well.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}
