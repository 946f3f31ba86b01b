//! A gRPC service with generated code, which answers by a script.

#[expect(missing_docs, clippy::missing_errors_doc, unreachable_pub, reason = "generated")]
mod generated {
    include!("../proto/shop.rs");
}

use std::{
    collections::VecDeque,
    future::pending,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{net::TcpListener, sync::Notify};
use tonic::{
    Request, Response, Status, Streaming,
    codegen::tokio_stream::Stream,
    metadata::MetadataMap,
    transport::{Server, server::TcpIncoming},
};

pub use self::generated::{
    Article, Count,
    shop_client::ShopClient,
    shop_server::{Shop, ShopServer},
};
use crate::server::listen;

/// What the shop does with a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It has so many.
    Pieces(u32),
    /// It fails before it has said anything.
    Fail(Status),
    /// It has so many, and then it fails. (A method that answers once says the status only.)
    ThenFail(u32, Status),
    /// It has so many, and then no more is heard of it.
    ThenHang(u32),
    /// It never answers.
    Hang,
}

/// What the shop does once the script is over.
pub const STOCK: u32 = 7;

/// A shop that answers by a script, with [`STOCK`] once that is over. Clones are of the same shop.
#[derive(Clone, Debug, Default)]
pub struct ScriptedShop(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    script: VecDeque<Answer>,
    seen: Vec<Seen>,
    came: Arc<Notify>,
}

/// A call that has come to the shop.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: &'static str,
    /// What was asked for; of a stream, the first.
    pub article: Option<String>,
    /// The metadata, `grpc-timeout` among it.
    pub metadata: MetadataMap,
}

impl Seen {
    /// What the caller said of the time that is left, if the unit is one that long times are written in.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let text = self.metadata.get("grpc-timeout")?.to_str().ok()?;
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number = number.parse().ok()?;
        Some(match unit {
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            _ => return None,
        })
    }
}

impl ScriptedShop {
    /// A shop with a script.
    #[must_use]
    pub fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let inner = Inner { script: script.into_iter().collect(), ..Inner::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Opens it, until the runtime of the test ends.
    ///
    /// # Errors
    ///
    /// If there is no port for it.
    pub async fn open(&self) -> io::Result<SocketAddr> {
        let (listener, address) = listen().await?;
        self.open_at(listener);
        Ok(address)
    }

    /// Opens it there, until the runtime of the test ends.
    pub fn open_at(&self, listener: TcpListener) {
        let server = Server::builder().add_service(ShopServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    }

    /// The calls that have come since this was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.inner().seen)
    }

    /// Waits for the next call to come.
    pub async fn wait_for_a_call(&self) {
        let came = Arc::clone(&self.inner().came);
        came.notified().await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, method: &'static str, article: Option<&Article>, metadata: &MetadataMap) -> Answer {
        let mut inner = self.inner();
        let article = article.map(|article| article.name.clone());
        inner.seen.push(Seen { method, article, metadata: metadata.clone() });
        inner.came.notify_one();
        inner.script.pop_front().unwrap_or(Answer::Pieces(STOCK))
    }
}

async fn once(answer: Answer) -> Result<Response<Count>, Status> {
    match answer {
        Answer::Pieces(pieces) => Ok(Response::new(Count { pieces })),
        Answer::Fail(status) | Answer::ThenFail(_, status) => Err(status),
        Answer::ThenHang(_) | Answer::Hang => pending().await,
    }
}

async fn stream(answer: Answer) -> Result<Response<Counts>, Status> {
    let (pieces, end) = match answer {
        Answer::Pieces(pieces) => (pieces, End::Well),
        Answer::ThenFail(pieces, status) => (pieces, End::Fail(status)),
        Answer::ThenHang(pieces) => (pieces, End::Hang),
        Answer::Fail(status) => return Err(status),
        Answer::Hang => pending().await,
    };
    Ok(Response::new(Counts { next: Some(Count { pieces }), end: Some(end) }))
}

#[tonic::async_trait]
impl Shop for ScriptedShop {
    type WatchStream = Counts;
    type EachStream = Counts;

    async fn stock(&self, request: Request<Article>) -> Result<Response<Count>, Status> {
        once(self.answer("Stock", Some(request.get_ref()), request.metadata())).await
    }

    async fn watch(&self, request: Request<Article>) -> Result<Response<Counts>, Status> {
        stream(self.answer("Watch", Some(request.get_ref()), request.metadata())).await
    }

    async fn sum(&self, request: Request<Streaming<Article>>) -> Result<Response<Count>, Status> {
        let (metadata, _, mut articles) = request.into_parts();
        let first = articles.message().await?;
        let answer = self.answer("Sum", first.as_ref(), &metadata);
        while articles.message().await?.is_some() {}
        once(answer).await
    }

    async fn each(&self, request: Request<Streaming<Article>>) -> Result<Response<Counts>, Status> {
        let (metadata, _, mut articles) = request.into_parts();
        let first = articles.message().await?;
        stream(self.answer("Each", first.as_ref(), &metadata)).await
    }
}

/// One count, and how it goes on.
#[derive(Debug)]
pub struct Counts {
    next: Option<Count>,
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Well,
    Fail(Status),
    Hang,
}

impl Stream for Counts {
    type Item = Result<Count, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(count) = self.next.take() {
            return Poll::Ready(Some(Ok(count)));
        }
        match self.end.take() {
            None | Some(End::Well) => Poll::Ready(None),
            Some(End::Fail(status)) => Poll::Ready(Some(Err(status))),
            Some(End::Hang) => {
                self.end = Some(End::Hang);
                Poll::Pending
            }
        }
    }
}
