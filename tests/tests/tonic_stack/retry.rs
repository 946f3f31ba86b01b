use std::sync::{Arc, Mutex};

use resilience_core::{Context, Event, Observer, retry::Reason};
use resilience_tower::{
    grpc::{ClassifyChannel, Client, Methods, client_with},
    stack::{ClientLayer, Destination},
};
use tests::{
    grpc::channel,
    shop::{Answer, STOCK, ScriptedShop, ShopClient},
};
use tonic::{
    Code, Request, Status, codegen::tokio_stream, service::interceptor::InterceptedService,
    transport::Channel,
};

use super::{MS, pears, policy, request, settings, shop, stock, unavailable};

const AGAIN: Context = Context::new().assume_idempotent();

#[tokio::test]
async fn a_call_is_made_again_where_anybody_has_said_that_it_may() {
    let all = settings().retry(policy().assume_idempotent(true));
    let cases = [
        ("the call", settings(), AGAIN, Methods::none()),
        ("the policy", all, Context::new(), Methods::none()),
        ("the list", settings(), Context::new(), Methods::from(["shop.Shop/Stock"])),
        ("the list, by service", settings(), Context::new(), Methods::from(["shop.Shop"])),
    ];
    for (who, settings, context, idempotent) in cases {
        let (shop, channel) = shop(&settings, [unavailable(), unavailable()]).await;
        let (answer, trail) = stock(&channel.idempotent(idempotent), context).await;
        assert_eq!(answer.unwrap(), STOCK, "{who}");
        assert_eq!(trail.attempts(), 3, "{who}");
        // The same call each time.
        let seen = shop.take();
        assert_eq!(seen.len(), 3, "{who}");
        assert!(seen.iter().all(|seen| seen.article.as_deref() == Some("pears")), "{who}: {seen:?}");
    }
}

#[tokio::test]
async fn a_call_is_made_once_where_nobody_has() {
    for others in [Methods::none(), Methods::from(["shop.Shop/Watch", "shop.Shops"])] {
        let (shop, channel) = shop(&settings(), [unavailable()]).await;
        let (answer, trail) = stock(&channel.idempotent(others), Context::new()).await;
        let status = answer.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "closed for a moment"));
        assert_eq!(trail.gave_up().unwrap().reason, Reason::Unsafe);
        assert_eq!(shop.take().len(), 1);
    }
}

#[tokio::test]
async fn the_last_status_arrives_when_attempts_run_out_and_others_are_not_repeated() {
    for (code, attempts) in [
        (Code::Unavailable, 3),
        (Code::DeadlineExceeded, 3),
        (Code::Internal, 1),
        (Code::Unknown, 1),
        (Code::InvalidArgument, 1),
        (Code::Aborted, 1),
        (Code::Cancelled, 1),
    ] {
        let script = ["1st", "2nd", "3rd"].map(|text| Answer::Fail(Status::new(code, text)));
        let (shop, channel) = shop(&settings(), script).await;
        let status = stock(&channel, AGAIN).await.0.unwrap_err();
        let last = if attempts == 3 { "3rd" } else { "1st" };
        assert_eq!((status.code(), status.message(), shop.take().len()), (code, last, attempts));
    }
}

#[tokio::test]
async fn each_attempt_has_the_metadata_of_the_call() {
    let (shop, channel) = shop(&settings(), [unavailable()]).await;
    let mut request = request(pears(), AGAIN);
    request.metadata_mut().insert("x-shop", "7".parse().unwrap());
    ShopClient::new(channel).stock(request).await.unwrap();
    let sent: Vec<_> = shop.take().iter().map(|seen| seen.metadata.get("x-shop").cloned()).collect();
    assert_eq!(sent, [Some("7".parse().unwrap()), Some("7".parse().unwrap())]);
}

/// A token may have to be fresh for each attempt; an id is that of the call.
#[tokio::test]
async fn an_interceptor_outside_sees_calls_and_one_inside_attempts() {
    let shop = ScriptedShop::new([unavailable()]);
    let bare = channel(&format!("http://{}", shop.open().await.unwrap()));
    let count = |name: &'static str| {
        let mut times = 0;
        move |mut request: Request<()>| {
            times += 1;
            request.metadata_mut().insert(name, times.to_string().parse().unwrap());
            Ok(request)
        }
    };
    // A clone of a layer counts for itself; so this one is shared.
    let attempts = Arc::new(Mutex::new(count("attempt")));
    let inside = InterceptedService::new(bare, move |request| attempts.lock().unwrap()(request));
    let channel = client_with("shop", &settings(), inside).unwrap();
    let mut client = ShopClient::with_interceptor(channel, count("call"));
    client.stock(request(pears(), AGAIN)).await.unwrap();
    let seen = shop.take();
    let sent = seen
        .iter()
        .map(|seen| ["call", "attempt"].map(|name| seen.metadata.get(name).unwrap().to_str().unwrap()));
    assert_eq!(sent.collect::<Vec<_>>(), [["1", "1"], ["1", "2"]]);
}

/// It would be half of what was said.
#[tokio::test]
async fn a_stream_of_requests_is_sent_once() {
    let articles = || tokio_stream::iter([pears(), pears()]);
    let waiting = || tokio_stream::StreamExt::chain(articles(), tokio_stream::pending());
    let trail = resilience_core::retry::Trail::new();
    let context = || AGAIN.with_trail(trail.clone());

    let (shop, channel) = shop(&settings(), [unavailable(), unavailable(), unavailable()]).await;
    let mut client = ShopClient::new(channel);
    let sum = client.sum(request(articles(), context())).await.unwrap_err();
    assert_eq!((sum.code(), trail.gave_up().unwrap().reason), (Code::Unavailable, Reason::NotReplayable));
    let each = client.each(request(articles(), context())).await.unwrap_err();
    let open = client.each(request(waiting(), context())).await.unwrap_err();
    assert_eq!((each.code(), open.code(), shop.take().len()), (Code::Unavailable, Code::Unavailable, 3));

    // And arrives.
    assert_eq!(client.sum(articles()).await.unwrap().into_inner().pieces, STOCK);
    let mut counts = client.each(waiting()).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, STOCK);
}

#[tokio::test]
async fn a_stream_of_answers_is_asked_for_again_before_it_has_begun() {
    let (shop, channel) = shop(&settings(), [unavailable()]).await;
    let mut counts = ShopClient::new(channel).watch(request(pears(), AGAIN)).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, STOCK);
    assert_eq!(counts.message().await.unwrap(), None);
    assert_eq!(shop.take().len(), 2);
}

#[tokio::test]
async fn a_stream_of_answers_that_has_begun_is_not_asked_for_again() {
    let closing = Answer::ThenFail(3, Status::unavailable("closing"));
    let (shop, channel) = shop(&settings(), [closing]).await;
    let mut counts = ShopClient::new(channel).watch(request(pears(), AGAIN)).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, 3);
    let status = counts.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "closing"));
    assert_eq!(shop.take().len(), 1);
}

/// The events of a stack.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Observer for Events {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

async fn observed(script: Answer) -> (ScriptedShop, Events, Result<(), Status>) {
    let (shop, events) = (ScriptedShop::new([script]), Events::default());
    let layer = ClientLayer::new("shop", &settings())
        .unwrap()
        .per(Destination)
        .classify(ClassifyChannel)
        .with_observer(events.clone());
    let channel: Channel = channel(&format!("http://{}", shop.open().await.unwrap()));
    let mut client = ShopClient::new(Client::with_layer(layer, channel));
    let answer = client.stock(request(pears(), AGAIN)).await.map(drop);
    (shop, events, answer)
}

fn pushing_back(by: &str) -> Answer {
    let mut status = Status::unavailable("later");
    status.metadata_mut().insert("grpc-retry-pushback-ms", by.parse().unwrap());
    Answer::Fail(status)
}

#[tokio::test]
async fn the_server_says_when() {
    let (shop, events, answer) = observed(pushing_back("23")).await;
    answer.unwrap();
    assert_eq!(shop.take().len(), 2);
    let events = events.0.lock().unwrap();
    let scheduled = events.iter().find_map(|event| match event {
        Event::RetryScheduled { after, .. } => Some(*after),
        _ => None,
    });
    assert_eq!(scheduled, Some(23 * MS));
}

#[tokio::test]
async fn the_server_says_never() {
    for never in ["-1", "soon"] {
        let (shop, _, answer) = observed(pushing_back(never)).await;
        assert_eq!(answer.unwrap_err().message(), "later");
        assert_eq!(shop.take().len(), 1);
    }
}
