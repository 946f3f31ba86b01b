//! A server on the loopback interface that breaks in a given way, and counts what has arrived.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Notify,
};

use crate::server::listen;

/// What the server does once it has read a request. It then closes the connection, unless it keeps it.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// None: it answers `200 OK` and "ok".
    None,
    /// It answers with this status line and these headers, and no body.
    Answer(&'static str),
    /// It resets the connection in the middle of the head of its answer.
    ResetInHead,
    /// It sends the head and the beginning of the body, and resets the connection when [told to](FaultServer::go_on): what is not yet
    /// read might be lost with the connection.
    ResetInBody,
    /// It closes its half of the connection in the middle of the body, and keeps the other.
    HalfCloseInBody,
    /// It sends the head and the beginning of the body, and no more; it keeps the connection.
    StallInBody,
    /// It never answers, and keeps the connection.
    Silence,
}

/// A server with a [`Fault`], until the runtime of the test ends.
#[derive(Clone, Debug)]
pub struct FaultServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Sequentially consistent, so that nobody has to think about it.
    arrived: AtomicU32,
    go_on: Notify,
}

impl FaultServer {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// If there is no port for it.
    pub async fn start(fault: Fault) -> io::Result<Self> {
        let (listener, address) = listen().await?;
        let server = Self { address, shared: Arc::default() };
        let shared = Arc::clone(&server.shared);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // A client that goes away is nothing to tell of.
                tokio::spawn(async move { serve(connection, fault, &shared).await.ok() });
            }
        });
        Ok(server)
    }

    /// Its host and port: the destination of its requests.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A URL there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The requests whose head has arrived.
    #[must_use]
    pub fn arrived(&self) -> u32 {
        self.shared.arrived.load(Ordering::SeqCst)
    }

    /// Lets a connection that waits for this go on.
    pub fn go_on(&self) {
        self.shared.go_on.notify_one();
    }
}

async fn serve(mut connection: TcpStream, fault: Fault, shared: &Shared) -> io::Result<()> {
    const BEGINNING: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe beginning";
    read_request(&mut connection).await?;
    shared.arrived.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::None => {
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await
        }
        Fault::Answer(head) => {
            let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await
        }
        Fault::ResetInHead => {
            connection.write_all(b"HTTP/1.1 200 O").await?;
            connection.set_zero_linger()
        }
        Fault::ResetInBody => {
            connection.write_all(BEGINNING).await?;
            shared.go_on.notified().await;
            connection.set_zero_linger()
        }
        Fault::HalfCloseInBody => {
            connection.write_all(BEGINNING).await?;
            connection.shutdown().await?;
            keep(connection).await
        }
        Fault::StallInBody => {
            connection.write_all(BEGINNING).await?;
            keep(connection).await
        }
        Fault::Silence => keep(connection).await,
    }
}

/// Until the client closes it.
pub(crate) async fn keep(mut connection: TcpStream) -> io::Result<()> {
    tokio::io::copy(&mut connection, &mut tokio::io::sink()).await.map(|_| ())
}

/// Reads a head, and a body whose length it says or that is chunked.
pub(crate) async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut request = Vec::new();
    while !is_complete(&request) {
        if connection.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn is_complete(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let header = |name| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match header("content-length:").and_then(|length| length.parse().ok()) {
        Some(length) => body.len() >= length,
        None => header("transfer-encoding:").is_none() || body.ends_with("0\r\n\r\n"),
    }
}

/// A port where connections are refused for as long as this is there: it is taken, and nobody listens.
#[derive(Debug)]
pub struct Refusing {
    address: SocketAddr,
    _taken: TcpSocket,
}

impl Refusing {
    /// Takes one.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _taken: socket })
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A URL there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}
