//! A server on the loopback interface that speaks TLS, with a certificate that nobody knows.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use resilience_core::BoxError;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_native_tls::{TlsAcceptor, native_tls};

use crate::{
    faults::{keep, read_request},
    server::listen,
};

/// What the server does with a connection.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// It answers each request with `200 OK`.
    Answers,
    /// It reads the request, and closes the connection.
    HangsUp,
    /// It closes the connection when the client has said hello.
    HangsUpAtHello,
    /// It answers the hello in plain HTTP.
    SpeaksNone,
    /// It never answers the hello.
    Silent,
}

/// The server, until the runtime of the test ends.
#[derive(Clone, Debug)]
pub struct TlsServer {
    address: SocketAddr,
    certificate: String,
    counts: Arc<Counts>,
}

/// Sequentially consistent, so that nobody has to think about it.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU32,
    requests: AtomicU32,
}

impl TlsServer {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// If there is no port for it, or no certificate can be made.
    pub async fn start(manner: Manner) -> Result<Self, BoxError> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = native_tls::Identity::from_pkcs8(certificate.as_bytes(), key.as_bytes())?;
        let acceptor = TlsAcceptor::from(native_tls::TlsAcceptor::new(identity)?);
        let (listener, address) = listen().await?;
        let counts = Arc::<Counts>::default();
        tokio::spawn(accept(listener, manner, acceptor, Arc::clone(&counts)));
        Ok(Self { address, certificate, counts })
    }

    /// Its host and port: the destination of its requests.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A URL there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    /// The certificate, for those who shall trust it.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many requests have arrived.
    #[must_use]
    pub fn arrived(&self) -> u32 {
        self.counts.requests.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, manner: Manner, acceptor: TlsAcceptor, counts: Arc<Counts>) {
    while let Ok((connection, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
        // A client that goes away is nothing to tell of.
        tokio::spawn(async move { serve(connection, manner, &acceptor, &counts).await.ok() });
    }
}

async fn serve(
    mut connection: TcpStream,
    manner: Manner,
    acceptor: &TlsAcceptor,
    counts: &Counts,
) -> io::Result<()> {
    match manner {
        Manner::Answers | Manner::HangsUp => {}
        Manner::HangsUpAtHello => return connection.readable().await,
        Manner::SpeaksNone => {
            connection.readable().await?;
            connection.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
            return keep(connection).await;
        }
        Manner::Silent => return keep(connection).await,
    }
    let mut connection = acceptor.accept(connection).await.map_err(io::Error::other)?;
    read_request(&mut connection).await?;
    counts.requests.fetch_add(1, Ordering::SeqCst);
    if matches!(manner, Manner::Answers) {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        connection.write_all(answer).await?;
    }
    connection.shutdown().await
}
