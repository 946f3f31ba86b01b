//! A server that does one thing after the other, and keeps the keys that it has seen.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tests::server::listen;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// This status line and these headers, and no body.
    Answer(&'static str),
    /// The connection is reset, when all of the request has been read.
    Reset,
    /// Nothing, until the client goes.
    Silence,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    /// A server with these acts, the last of which it repeats.
    pub(super) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let (listener, address) = listen().await.unwrap();
        let server = Self { url: format!("http://{address}/charges"), seen: Arc::default() };
        let (seen, mut acts) = (Arc::clone(&server.seen), acts.into_iter().collect::<VecDeque<_>>());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let act = if acts.len() > 1 { acts.pop_front() } else { acts.front().copied() };
                tokio::spawn(serve(connection, act.unwrap(), Arc::clone(&seen)));
            }
        });
        server
    }

    /// The keys of the requests that have come, one for each.
    pub(super) fn keys(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().clone()
    }

    /// The one key of so many requests.
    #[track_caller]
    pub(super) fn one_key_of(&self, requests: usize) -> String {
        let keys = self.keys();
        assert_eq!(keys.len(), requests, "{keys:?}");
        assert!(keys.iter().all(|key| key == &keys[0]), "{keys:?}");
        keys[0].clone().unwrap()
    }
}

async fn serve(mut connection: TcpStream, act: Act, seen: Arc<Mutex<Vec<Option<String>>>>) {
    let mut request = Vec::new();
    let head = loop {
        if connection.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&request);
        // Bodies here are of five bytes, if they are there.
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("GET") || body.len() == 5 => break head.to_owned(),
            _ => {}
        }
    };
    let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned);
    seen.lock().unwrap().push(key);
    match act {
        Act::Answer(head) => {
            let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.ok();
        }
        Act::Reset => connection.set_zero_linger().unwrap(),
        Act::Silence => {
            tokio::io::copy(&mut connection, &mut tokio::io::sink()).await.ok();
        }
    }
}
