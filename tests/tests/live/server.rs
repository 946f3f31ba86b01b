//! A server that can die.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use resilience_metrics::live::Live;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

/// Serves on a thread of its own until it is dropped: then every connection breaks.
pub(crate) struct Server {
    runtime: Option<Runtime>,
    pub(crate) address: SocketAddr,
}

/// A view where its users put it.
pub(crate) fn mounted(live: &Live) -> Router {
    Router::new().nest("/live", live.router())
}

impl Server {
    /// On a port of its own.
    pub(crate) async fn start(app: Router) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), app).await
    }

    /// On the port of one that has died.
    pub(crate) async fn at(address: SocketAddr, app: Router) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listening = runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(listener, app).await });
            address
        });
        let address = listening.await.unwrap();
        Self { runtime: Some(runtime), address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/live", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
