//! A process that serves: a thread with a runtime of its own.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread::JoinHandle,
};

use axum::Router;
use tokio::{net::TcpSocket, runtime, sync::oneshot};

const BACKLOG: u32 = 1024;

/// Serves until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Host {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Host {
    /// Serves `routes` on a thread and a runtime of its own.
    ///
    /// With the runtime all its tasks end, and with them every open connection: what the death of a
    /// process looks like from outside.
    pub(crate) fn start(socket: TcpSocket, routes: Router) -> io::Result<Self> {
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    result = serve(listener, routes) => {
                        if let Err(error) = result {
                            eprintln!("the server failed: {error}");
                        }
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("server".into()).spawn(serve)?;
        Ok(Self { stop, thread })
    }

    /// Ends it, and every connection to it.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // Closing thousands of connections takes milliseconds, which the clients must not wait for.
        let _ = tokio::task::spawn_blocking(|| self.thread.join()).await;
    }
}

/// A socket that others cannot take, and that does not listen yet.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // The connections that were cut linger in TIME_WAIT and must not keep the port from coming back.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(listener: TcpListener, routes: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, routes).await
}
