//! The dependency: an HTTP server on loopback that misbehaves on command.
//!
//! It keeps no queue and no state besides its present behaviour, so from the first moment of the
//! recovery it serves every call at full speed.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    net::TcpSocket,
    runtime,
    sync::{oneshot, watch},
    time::{sleep, sleep_until, timeout},
};

use crate::schedule::{Behaviour, Schedule};

const BACKLOG: u32 = 1024;
const LONGEST_HANG: Duration = Duration::from_secs(30);

/// A dependency with a port of its own, which it keeps through its outages.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    process: Process,
}

#[derive(Debug)]
struct Shared {
    behaviour: watch::Sender<Behaviour>,
    dice: Mutex<SmallRng>,
}

/// The serving half, which can die and be started again.
#[derive(Debug)]
enum Process {
    Up {
        stop: oneshot::Sender<()>,
        thread: JoinHandle<()>,
    },
    /// The socket is bound and does not listen: connections are refused, and nobody else can take the port.
    Down(TcpSocket),
    /// Between the two.
    Moving,
}

impl Server {
    /// Starts a healthy server on a free port of the loopback interface.
    pub(crate) fn start(seed: u64) -> io::Result<Self> {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        let healthy = Behaviour::Answer { delay: Duration::ZERO, errors: 0.0 };
        let shared = Arc::new(Shared {
            behaviour: watch::Sender::new(healthy),
            dice: Mutex::new(SmallRng::seed_from_u64(seed)),
        });
        let process = Process::spawn(socket, Arc::clone(&shared))?;
        Ok(Self { address, shared, process })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Goes through the phases of `schedule`, of which the first begins at `start`.
    pub(crate) async fn play(&mut self, schedule: &Schedule, start: Instant) -> io::Result<()> {
        for span in schedule.spans() {
            sleep_until((start + span.start).into()).await;
            self.behave(span.phase.behaviour).await?;
        }
        Ok(())
    }

    pub(crate) async fn behave(&mut self, behaviour: Behaviour) -> io::Result<()> {
        self.shared.behaviour.send_replace(behaviour);
        let down = behaviour == Behaviour::Down;
        self.process = match std::mem::replace(&mut self.process, Process::Moving) {
            Process::Up { stop, thread } if down => {
                drop(stop);
                // Closing thousands of connections takes milliseconds, which the clients must not wait for.
                let _ = tokio::task::spawn_blocking(|| thread.join()).await;
                Process::Down(bind(self.address)?)
            }
            Process::Down(socket) if !down => Process::spawn(socket, Arc::clone(&self.shared))?,
            process => process,
        };
        Ok(())
    }
}

impl Process {
    /// Serves on a thread and a runtime of its own.
    ///
    /// With the runtime all its tasks end, and with them every open connection: what the death of a
    /// process looks like from outside.
    fn spawn(socket: TcpSocket, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    result = serve(listener, shared) => {
                        if let Err(error) = result {
                            eprintln!("the server failed: {error}");
                        }
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("server".into()).spawn(serve)?;
        Ok(Self::Up { stop, thread })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // The connections that were cut linger in TIME_WAIT and must not keep the port from coming back.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = Router::new().route("/", get(answer)).with_state(shared);
    axum::serve(listener, routes).await
}

async fn answer(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    let behaviour = *shared.behaviour.borrow();
    match behaviour {
        Behaviour::Answer { delay, errors } => {
            let failed = shared.dice.lock().random_bool(errors);
            sleep(delay).await;
            if failed {
                (StatusCode::INTERNAL_SERVER_ERROR, "out of luck\n")
            } else {
                (StatusCode::OK, "hello\n")
            }
        }
        Behaviour::Hang | Behaviour::Down => {
            let mut watch = shared.behaviour.subscribe();
            let over = watch.wait_for(|behaviour| matches!(behaviour, Behaviour::Answer { .. }));
            let _ = timeout(LONGEST_HANG, over).await;
            (StatusCode::SERVICE_UNAVAILABLE, "lost in the hang\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_dead_server_refuses_connections_and_returns_on_its_port() {
        let mut server = Server::start(1).unwrap();
        let url = server.url();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);

        server.behave(Behaviour::Down).await.unwrap();
        let refused = TcpStream::connect(server.address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(client.get(&url).send().await.unwrap_err().is_connect());

        server.behave(Behaviour::Answer { delay: Duration::ZERO, errors: 1.0 }).await.unwrap();
        assert_eq!(client.get(&url).send().await.unwrap().status(), 500);
    }

    #[tokio::test]
    async fn a_dying_server_cuts_the_calls_it_holds() {
        let mut server = Server::start(1).unwrap();
        server.behave(Behaviour::Hang).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = tokio::spawn(client.get(server.url()).send());
        while server.shared.behaviour.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        server.behave(Behaviour::Down).await.unwrap();
        assert!(call.await.unwrap().is_err());
    }
}
