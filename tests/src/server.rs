//! A real server on the loopback interface.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::net::TcpListener;

/// A port of our own.
///
/// # Errors
///
/// If the system has none.
pub async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves `router` until the runtime of the test ends.
///
/// # Errors
///
/// If there is no port for it.
pub async fn serve(router: axum::Router) -> io::Result<SocketAddr> {
    let (listener, address) = listen().await?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
