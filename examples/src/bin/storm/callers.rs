//! The three ways to call the dependency.

use std::{future::Future, time::Duration};

use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use resilience_core::{CircuitBreaker, Error, RetryPolicy};
use resilience_metrics::Telemetry;
use resilience_tower::{
    CallLayer, RetryLayer, TimeoutLayer, TransportLayer,
    reqwest::ClassifyReqwest,
    stack::{ClientLayer, ClientSettings},
};
use tower::{
    ServiceBuilder, ServiceExt,
    util::{BoxCloneSyncService, MapRequestLayer},
};

use crate::record::Recorder;

/// How long a caller waits in all, whichever way it calls.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long the layered clients wait for one attempt: a hundred times what a healthy server needs.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(500);

/// Makes one call; clones share everything.
pub(crate) trait Caller: Clone + Send + 'static {
    /// Calls the dependency and says whether a whole answer with status 200 came back.
    fn call(self) -> impl Future<Output = bool> + Send;
}

/// Plain reqwest with a total timeout, as a cautious author writes it.
#[derive(Clone, Debug)]
pub(crate) struct Bare {
    client: Client,
    url: Url,
    recorder: Recorder,
}

impl Bare {
    pub(crate) fn new(url: Url, recorder: Recorder) -> reqwest::Result<Self> {
        Ok(Self { client: client()?, url, recorder })
    }
}

impl Caller for Bare {
    async fn call(self) -> bool {
        self.recorder.attempt();
        match self.client.get(self.url).send().await {
            Ok(response) => whole(response).await,
            Err(_) => false,
        }
    }
}

/// Reqwest in a stack of layers, one of two; what the stacks have in common has the same settings.
#[derive(Clone, Debug)]
pub(crate) struct Layered {
    stack: BoxCloneSyncService<Request, Response, Error<reqwest::Error>>,
    url: Url,
}

impl Layered {
    /// Retries by the default policy, whatever that adds to the load; `seed` draws the pauses.
    pub(crate) fn naive(
        url: Url,
        recorder: Recorder,
        telemetry: &Telemetry,
        seed: u64,
    ) -> reqwest::Result<Self> {
        let retry = retry(seed).without_budget().with_observer(telemetry.retry("retry", None));
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new())
            .layer(telemetry.operation_layer(ClassifyReqwest))
            .layer(TimeoutLayer::total(PATIENCE).with_observer(telemetry.timeout("total")))
            .layer(retry)
            .layer(telemetry.attempt_layer(ClassifyReqwest))
            .layer(TimeoutLayer::attempt(ATTEMPT).with_observer(telemetry.timeout("attempt")))
            .layer(TransportLayer::new())
            .layer(note(recorder))
            .service(client()?);
        Ok(Self { stack: BoxCloneSyncService::new(stack), url })
    }

    /// The client's preset as it comes, with the same two timeouts; `seed` draws all there is to draw.
    pub(crate) fn protected(
        url: Url,
        recorder: Recorder,
        telemetry: &Telemetry,
        seed: u64,
    ) -> reqwest::Result<(Self, CircuitBreaker)> {
        let settings = ClientSettings::new().total_timeout(PATIENCE).attempt_timeout(ATTEMPT).seed(seed);
        let layer = ClientLayer::new("storm", &settings).expect("an attempt is shorter than all of them");
        let layer = layer.classify(ClassifyReqwest);
        let (handle, read) = (layer.handle().clone(), layer.handle().clone());
        let observer = telemetry.client(move || read.snapshot(), handle.bulkhead(), handle.rate_limiter());
        let layer = layer
            .with_observer(observer)
            .operation(telemetry.operation_layer(ClassifyReqwest))
            .attempt(telemetry.attempt_layer(ClassifyReqwest));
        let breaker = handle.policies(&()).circuit_breaker().cloned();
        let breaker = breaker.expect("it has one by default");
        let stack = ServiceBuilder::new().layer(layer).layer(note(recorder)).service(client()?);
        Ok((Self { stack: BoxCloneSyncService::new(stack), url }, breaker))
    }
}

impl Caller for Layered {
    async fn call(self) -> bool {
        match self.stack.oneshot(Request::new(Method::GET, self.url)).await {
            Ok(response) => whole(response).await,
            Err(_) => false,
        }
    }
}

fn retry(seed: u64) -> RetryLayer<ClassifyReqwest> {
    RetryLayer::new(RetryPolicy::default()).classify(ClassifyReqwest).with_seed(seed)
}

/// Notes every attempt that leaves the stack.
fn note(recorder: Recorder) -> MapRequestLayer<impl Fn(Request) -> Request + Clone> {
    MapRequestLayer::new(move |request| {
        recorder.attempt();
        request
    })
}

/// What all callers call with: the difference is what is around it.
fn client() -> reqwest::Result<Client> {
    Client::builder().no_proxy().timeout(PATIENCE).build()
}

/// Whether the whole of an answer with status 200 has come.
pub(crate) async fn whole(response: Response) -> bool {
    response.status() == StatusCode::OK && response.bytes().await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock,
        schedule::{Behaviour, Schedule},
        server::Server,
    };

    fn naive(url: Url, recorder: Recorder) -> Layered {
        Layered::naive(url, recorder, &Telemetry::new("test"), 1).unwrap()
    }

    fn protected(url: Url, recorder: Recorder) -> Layered {
        Layered::protected(url, recorder, &Telemetry::new("test"), 1).unwrap().0
    }

    /// Calls a dead server, one call after the other, and counts the attempts.
    async fn attempts<C: Caller>(calls: u64, caller: impl FnOnce(Url, Recorder) -> C) -> u64 {
        let mut server = Server::start(1).unwrap();
        server.behave(Behaviour::Down).await.unwrap();
        let schedule = Arc::new(Schedule::split(46).unwrap());
        let recorder = Recorder::new(clock::now(), schedule);
        let caller = caller(server.url().parse().unwrap(), recorder.clone());
        for _ in 0..calls {
            assert!(!caller.clone().call().await);
        }
        recorder.read(|log| log.total().attempts)
    }

    #[tokio::test]
    async fn the_bare_client_tries_every_call_once() {
        assert_eq!(attempts(30, |url, recorder| Bare::new(url, recorder).unwrap()).await, 30);
    }

    #[tokio::test]
    async fn the_naive_client_tries_every_call_three_times() {
        assert_eq!(attempts(5, naive).await, 15);
    }

    #[tokio::test]
    async fn the_protected_client_tries_as_often_while_its_breaker_is_closed() {
        assert_eq!(attempts(5, protected).await, 15);
    }

    #[tokio::test]
    async fn refused_calls_of_the_protected_client_are_no_attempts() {
        // The breaker trips at twenty failures in a row, and at half of at least twenty attempts.
        assert_eq!(attempts(30, protected).await, 20);
    }

    #[tokio::test]
    async fn only_a_whole_answer_with_status_200_is_success() {
        let mut server = Server::start(1).unwrap();
        let recorder = Recorder::new(clock::now(), Arc::new(Schedule::split(46).unwrap()));
        let url: Url = server.url().parse().unwrap();
        let bare = Bare::new(url.clone(), recorder.clone()).unwrap();
        let naive = naive(url.clone(), recorder.clone());
        let protected = protected(url, recorder);
        for (errors, success) in [(0.0, true), (1.0, false)] {
            server.behave(Behaviour::Answer { delay: Duration::ZERO, errors }).await.unwrap();
            assert_eq!(bare.clone().call().await, success);
            assert_eq!(naive.clone().call().await, success);
            assert_eq!(protected.clone().call().await, success);
        }
    }
}
