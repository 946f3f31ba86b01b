//! The guarded client over real connections: which attempts are made, and with which key.

use std::time::Duration;

use http::StatusCode;
use resilience_core::{
    Backoff, Call, Error, Rejected, RetryPolicy,
    circuit_breaker::Config,
    idempotency::{IdempotencyKey, OutcomeUnknown},
};
use resilience_tower::{
    idempotency::client::{ClassifyKeyed, IdempotencyKeyLayer},
    reqwest::{ClassifyReqwest, Client, WithoutUrl},
    stack::{self, Calls, ClientLayer, ClientSettings, Destination},
};
use tower::Service;

use super::script::{
    Act::{Answer, Reset, Silence},
    Server,
};

const SECOND: Duration = Duration::from_secs(1);
const CREATED: super::script::Act = Answer("201 Created");

/// Three attempts at once; limits on time that no test waits for.
pub(super) fn settings() -> ClientSettings {
    let policy = RetryPolicy::new().max_attempts(3).backoff(Backoff::none()).throttled_base(Duration::ZERO);
    ClientSettings::new()
        .total_timeout(60 * SECOND)
        .attempt_timeout(10 * SECOND)
        .retry(policy)
        .without_retry_budget()
        .throttle(None)
        .adaptive(None)
        .circuit_breaker(Config::new().consecutive_failures(100).open_for(60 * SECOND, 60 * SECOND))
}

pub(super) trait Stack:
    Service<Call<reqwest::Request>, Response = reqwest::Response, Error = Error<reqwest::Error>> + Clone
{
}

impl<S> Stack for S where
    S: Service<Call<reqwest::Request>, Response = reqwest::Response, Error = Error<reqwest::Error>> + Clone
{
}

pub(super) fn client_of(settings: &ClientSettings, keys: IdempotencyKeyLayer) -> Client<impl Stack + use<>> {
    let layer = ClientLayer::new("charges", settings).unwrap();
    let layer = layer.per(Destination).classify(ClassifyKeyed::new(ClassifyReqwest)).operation(keys);
    Client::with_layer(layer, reqwest::Client::builder().no_proxy().build().unwrap())
}

/// A client of servers that honour keys.
fn client() -> Client<impl Stack> {
    client_of(&settings(), IdempotencyKeyLayer::new().server_honours_keys())
}

type Answered = Result<reqwest::Response, Error<reqwest::Error>>;

async fn charge(client: &Client<impl Stack>, server: &Server) -> Answered {
    client.post(&server.url).body("5 EUR").send().await
}

fn status(answer: &Answered) -> u16 {
    answer.as_ref().unwrap().status().as_u16()
}

/// The key that the caller is told to ask again with.
fn unknown(answer: &Answered) -> Option<String> {
    let note = match answer {
        Ok(response) => response.extensions().get::<OutcomeUnknown>().copied(),
        Err(error) => error.outcome_unknown(),
    };
    note.map(|note| note.key().unwrap().as_str().to_owned())
}

#[tokio::test]
async fn every_attempt_has_the_same_key_and_every_operation_its_own() {
    let server = Server::start([Reset, Answer("502 Bad Gateway"), CREATED]).await;
    let client = client();
    let answer = charge(&client, &server).await;
    assert_eq!((status(&answer), unknown(&answer)), (201, None));
    let first = server.one_key_of(3);
    charge(&client, &server).await.unwrap();
    assert_ne!(server.keys()[3].as_ref(), Some(&first));
}

#[tokio::test]
async fn a_key_makes_nothing_safe_for_a_server_that_does_not_honour_it() {
    let server = Server::start([Reset, CREATED]).await;
    let answer = charge(&client_of(&settings(), IdempotencyKeyLayer::new()), &server).await;
    assert_eq!(unknown(&answer), Some(server.one_key_of(1)));
}

#[tokio::test]
async fn an_attempt_that_timed_out_is_repeated_with_the_same_key() {
    let server = Server::start([Silence, CREATED]).await;
    let settings = settings().attempt_timeout(Duration::from_millis(200));
    let client = client_of(&settings, IdempotencyKeyLayer::new().server_honours_keys());
    assert_eq!(status(&charge(&client, &server).await), 201);
    server.one_key_of(2);
}

#[tokio::test]
async fn an_attempt_that_meets_an_earlier_one_comes_back() {
    let server = Server::start([Reset, Answer("409 Conflict\r\nretry-after: 0"), CREATED]).await;
    assert_eq!(status(&charge(&client(), &server).await), 201);
    server.one_key_of(3);
}

#[tokio::test]
async fn an_earlier_attempt_that_does_not_end_leaves_the_outcome_unknown() {
    let server = Server::start([Answer("409 Conflict\r\nretry-after: 0")]).await;
    let answer = charge(&client(), &server).await;
    assert_eq!(status(&answer), 409);
    assert_eq!(unknown(&answer), Some(server.one_key_of(3)));
}

#[tokio::test]
async fn what_the_server_will_not_take_is_sent_once() {
    for head in ["400 Bad Request", "409 Conflict", "412 Precondition Failed", "422 Unprocessable Content"] {
        let server = Server::start([Answer(head), CREATED]).await;
        let answer = charge(&client(), &server).await;
        assert_eq!((answer.as_ref().unwrap().status().as_str(), unknown(&answer)), (&head[..3], None));
        server.one_key_of(1);
    }
}

#[tokio::test]
async fn a_failure_that_was_stored_ends_the_operation() {
    let stored = Answer("500 Internal Server Error\r\nidempotent-replayed: true");
    let server = Server::start([Answer("500 Internal Server Error"), stored, CREATED]).await;
    let answer = charge(&client(), &server).await;
    assert_eq!((status(&answer), unknown(&answer)), (500, None));
    server.one_key_of(2);
}

#[tokio::test]
async fn failures_to_the_end_leave_the_outcome_unknown() {
    let server = Server::start([Reset]).await;
    let answer = charge(&client(), &server).await;
    assert_eq!(unknown(&answer), Some(server.one_key_of(3)));

    let server = Server::start([Answer("503 Service Unavailable\r\nretry-after: 0")]).await;
    let answer = charge(&client(), &server).await;
    assert_eq!(answer.as_ref().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unknown(&answer), Some(server.one_key_of(3)));
}

#[tokio::test]
async fn a_breaker_that_opens_on_the_way_does_not_hide_that_an_attempt_was_made() {
    let server = Server::start([Reset]).await;
    let breaker = Config::new().consecutive_failures(1).open_for(60 * SECOND, 60 * SECOND);
    let settings = settings().circuit_breaker(breaker);
    let client = client_of(&settings, IdempotencyKeyLayer::new().server_honours_keys());
    for (may_have_run, answer) in
        [(true, charge(&client, &server).await), (false, charge(&client, &server).await)]
    {
        let rejected = matches!(answer, Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }));
        assert!(rejected, "{answer:?}");
        assert_eq!(unknown(&answer), may_have_run.then(|| server.one_key_of(1)));
    }
}

#[tokio::test]
async fn a_key_of_the_callers_own_is_sent_and_told() {
    let server = Server::start([Reset]).await;
    let key = IdempotencyKey::random();
    let answer = client().post(&server.url).idempotency_key(&key).body("5 EUR").send().await;
    assert_eq!(server.one_key_of(3), key.as_str());
    assert_eq!(unknown(&answer).as_deref(), Some(key.as_str()));
}

#[tokio::test]
async fn a_key_that_the_server_may_have_forgotten_is_sent_once() {
    let server = Server::start([Reset]).await;
    // From 2020.
    let key = IdempotencyKey::uuid_v7(Duration::from_secs(1_600_000_000));
    let answer = client().post(&server.url).idempotency_key(&key).body("5 EUR").send().await;
    assert_eq!(server.one_key_of(1), key.as_str());
    assert_eq!(unknown(&answer).as_deref(), Some(key.as_str()));
}

#[tokio::test]
async fn what_may_be_repeated_anyway_has_no_key() {
    let server = Server::start([Reset, Answer("200 OK")]).await;
    let answer = client().get(&server.url).send().await;
    assert_eq!((status(&answer), unknown(&answer)), (200, None));
    assert_eq!(server.keys(), [None, None]);
}

/// The service is one like any other, also around a whole stack that takes calls.
#[tokio::test]
async fn it_goes_around_a_stack_by_hand() {
    let server = Server::start([Reset, CREATED]).await;
    let stack: Calls<_> = stack::client("charges").per(Destination).classify(ClassifyReqwest).calls();
    let client = tower::ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new().server_honours_keys())
        .layer(stack)
        .service(WithoutUrl::new(reqwest::Client::builder().no_proxy().build().unwrap()));
    let request = reqwest::Client::new().post(&server.url).body("5 EUR").build().unwrap();
    let answer = tower::ServiceExt::oneshot(client, Call::new(request)).await;
    assert_eq!(status(&answer), 201);
    server.one_key_of(2);
}
