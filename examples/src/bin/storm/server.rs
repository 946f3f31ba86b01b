//! The dependency: an HTTP server on loopback that misbehaves on command.
//!
//! It keeps no queue and no state besides its present behaviour, so from the first moment of the
//! recovery it serves every call at full speed.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    net::TcpSocket,
    sync::watch,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    host::{Host, bind},
    schedule::{Behaviour, Schedule},
};

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
    Up(Host),
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
        let process = Process::Up(Host::start(socket, routes(&shared))?);
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
            Process::Up(host) if down => {
                host.stop().await;
                Process::Down(bind(self.address)?)
            }
            Process::Down(socket) if !down => Process::Up(Host::start(socket, routes(&self.shared))?),
            process => process,
        };
        Ok(())
    }
}

fn routes(shared: &Arc<Shared>) -> Router {
    Router::new().route("/", get(answer)).with_state(Arc::clone(shared))
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
