//! A wire to a server that can be cut, slowed down, and lose what comes back.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use crate::server::listen;

/// What the wire does with what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// It passes it on.
    Passes,
    /// Nothing gets through, either way; it is passed on when the wire passes again. Connections stay, and new ones are made.
    Stands,
    /// What the server answers is lost. A connection that has lost something is reset when the wire changes.
    LosesAnswers,
    /// An answer takes so long.
    Slow(Duration),
    /// Connections are reset as soon as they are made.
    Refuses,
}

/// A listener in front of a server, until the runtime of the test ends.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    /// Counts up: connections of an earlier number are reset.
    cut: watch::Sender<u32>,
    /// The same: they stay, and nothing gets through.
    silent: watch::Sender<u32>,
    server: Arc<Mutex<SocketAddr>>,
    asked: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts one that passes everything on to `server`.
    ///
    /// # Errors
    ///
    /// If there is no port for it.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let (listener, address) = listen().await?;
        let server = Arc::new(Mutex::new(server));
        let (wire, cut, silent) =
            (watch::Sender::new(Wire::Passes), watch::Sender::new(0), watch::Sender::new(0));
        let asked = Arc::default();
        let ends = (Arc::clone(&server), Arc::clone(&asked));
        let all = (wire.subscribe(), cut.subscribe(), silent.subscribe());
        tokio::spawn(accept(listener, ends, all));
        Ok(Self { address, wire, cut, silent, server, asked })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many pieces were sent to the server: of small requests on one connection, how many round trips there were.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on.
    pub fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// Resets all connections.
    pub fn cut(&self) {
        self.cut.send_modify(|cut| *cut += 1);
    }

    /// Loses all connections without a word: neither end is told. New ones pass.
    pub fn silence(&self) {
        self.silent.send_modify(|silent| *silent += 1);
    }

    /// New connections go to another server.
    pub fn move_to(&self, server: SocketAddr) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }
}

async fn accept(
    listener: TcpListener,
    (server, asked): (Arc<Mutex<SocketAddr>>, Arc<AtomicU64>),
    (wire, mut cut, mut silent): (watch::Receiver<Wire>, watch::Receiver<u32>, watch::Receiver<u32>),
) {
    while let Ok((near, _)) = listener.accept().await {
        cut.mark_unchanged();
        silent.mark_unchanged();
        let (wire, mut cut, silent, asked) = (wire.clone(), cut.clone(), silent.clone(), Arc::clone(&asked));
        let server = *server.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::spawn(async move {
            // What is dropped is reset.
            let _ = near.set_zero_linger();
            if *wire.borrow() == Wire::Refuses {
                return;
            }
            let Ok(far) = TcpStream::connect(server).await else { return };
            let _ = (far.set_zero_linger(), near.set_nodelay(true), far.set_nodelay(true));
            tokio::select! {
                biased;
                _ = cut.changed() => {}
                () = carry(near, far, wire, silent, &asked) => {}
            }
        });
    }
}

/// Until either end is gone.
async fn carry(
    near: TcpStream,
    far: TcpStream,
    wire: watch::Receiver<Wire>,
    mut silent: watch::Receiver<u32>,
    asked: &AtomicU64,
) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    tokio::select! {
        biased;
        _ = silent.changed() => pending().await,
        _ = questions(&mut from_near, &mut to_far, wire.clone(), asked) => {}
        _ = answers(&mut from_far, &mut to_near, wire) => {}
    }
}

async fn questions(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut wire: watch::Receiver<Wire>,
    asked: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        asked.fetch_add(1, Ordering::SeqCst);
        passes(&mut wire).await;
        to.write_all(&buffer[..length]).await?;
    }
}

async fn answers(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut wire: watch::Receiver<Wire>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        passes(&mut wire).await;
        let now = *wire.borrow_and_update();
        match now {
            // The next answer must not be taken for this one.
            Wire::LosesAnswers => return wire.changed().await.map_err(io::Error::other),
            Wire::Slow(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Returns when something gets through.
async fn passes(wire: &mut watch::Receiver<Wire>) {
    // Its sender is gone when the test is over.
    let _ = wire.wait_for(|wire| *wire != Wire::Stands).await;
}
