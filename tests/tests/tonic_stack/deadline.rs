use std::time::Duration;

use resilience_core::{Context, Deadline, Rejected};
use resilience_tower::call::with_deadline;
use tests::{
    shop::{Answer, STOCK, ShopClient},
    time,
};
use tonic::{Code, Request, Status, codegen::tokio_stream};

use super::{AMPLE, MS, breaker::refusal, pears, request, settings, shop, stock};

const AGAIN: Context = Context::new().assume_idempotent();
/// The pause that the server asks for.
const PAUSE: Duration = Duration::from_millis(20);

fn in_a_moment() -> Answer {
    let mut status = Status::unavailable("in a moment");
    status.metadata_mut().insert("grpc-retry-pushback-ms", PAUSE.as_millis().to_string().parse().unwrap());
    Answer::Fail(status)
}

#[tokio::test]
async fn each_attempt_says_what_is_left_of_the_whole() {
    let (shop, channel) = shop(&settings(), [in_a_moment(), in_a_moment()]).await;
    stock(&channel, AGAIN).await.0.unwrap();
    let said: Vec<_> = shop.take().iter().map(|seen| seen.timeout().unwrap()).collect();
    assert_eq!(said.len(), 3);
    assert!(said[0] <= AMPLE && said[0] > AMPLE / 2, "{said:?}");
    assert!(said[1] <= said[0] - PAUSE && said[2] <= said[1] - PAUSE, "{said:?}");
}

#[tokio::test]
async fn each_attempt_says_no_more_than_the_attempt_has() {
    let (shop, channel) = shop(&settings().attempt_timeout(AMPLE / 6), [in_a_moment()]).await;
    stock(&channel, AGAIN).await.0.unwrap();
    let said: Vec<_> = shop.take().iter().map(|seen| seen.timeout().unwrap()).collect();
    assert_eq!(said, [AMPLE / 6, AMPLE / 6]);

    stock(&channel, AGAIN.with_attempt_timeout(AMPLE / 10)).await.0.unwrap();
    assert_eq!(shop.take()[0].timeout(), Some(AMPLE / 10));
}

/// As tonic's users say it: it is the time for the whole, not for each attempt.
#[tokio::test]
async fn the_callers_own_timeout_is_the_deadline() {
    let (shop, channel) = shop(&settings(), [in_a_moment()]).await;
    let mut own = request(pears(), AGAIN);
    own.set_timeout(AMPLE / 2);
    ShopClient::new(channel).stock(own).await.unwrap();
    let said: Vec<_> = shop.take().iter().map(|seen| seen.timeout().unwrap()).collect();
    assert!(said[0] <= AMPLE / 2 && said[1] <= said[0] - PAUSE, "{said:?}");
}

/// `tonic` keeps the time in `grpc-timeout` too, on both sides, and may be quicker; what is said is the same.
#[tokio::test]
async fn a_server_that_hangs_is_deadline_exceeded_by_the_limit_that_was_meant() {
    let once = settings().retry(None);
    let (_shop, channel) = shop(&once.clone().attempt_timeout(30 * MS), vec![Answer::Hang]).await;
    let late = stock(&channel, AGAIN).await.0.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    let limit = 30 * MS;
    assert!(
        matches!(refusal(&late), Some(Rejected::AttemptTimeout { limit: l, .. }) if *l == limit),
        "{late:?}"
    );

    let (_shop, channel) = shop(&once, vec![Answer::Hang; 3]).await;
    let total = stock(&channel, AGAIN.with_total_timeout(limit)).await.0.unwrap_err();
    let mut own = Request::new(pears());
    own.set_timeout(limit);
    let own = ShopClient::new(channel.clone()).stock(own).await.unwrap_err();
    let deadline = Context::new().with_deadline(Deadline::after(time::now(), limit));
    let handed_on = stock(&channel, deadline).await.0.unwrap_err();
    for late in [total, own, handed_on] {
        assert_eq!(late.code(), Code::DeadlineExceeded);
        let called =
            matches!(refusal(&late), Some(Rejected::DeadlineExceeded { limit: l, .. }) if *l == limit);
        assert!(called, "{late:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_hangs_is_followed_by_another() {
    let settings = settings().attempt_timeout(100 * MS);
    let (shop, channel) = shop(&settings, [Answer::Hang]).await;
    let (answer, trail) = stock(&channel, AGAIN).await;
    assert_eq!((answer.unwrap(), trail.attempts(), shop.take().len()), (STOCK, 2, 2));
}

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let (shop, channel) = shop(&settings(), []).await;
    let over = Deadline::after(time::now(), Duration::ZERO);
    let handed_on = stock(&channel, Context::new().with_deadline(over)).await.0.unwrap_err();
    let mut own = Request::new(pears());
    own.set_timeout(Duration::ZERO);
    let own = ShopClient::new(channel).stock(own).await.unwrap_err();
    for status in [handed_on, own] {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        let source = refusal(&status);
        assert!(matches!(source, Some(Rejected::DeadlineExceeded { called: false, .. })), "{status:?}");
    }
    assert!(shop.take().is_empty());
}

/// A server may hold the time against the whole of the answer, which lasts longer than an attempt at its beginning.
#[tokio::test]
async fn a_stream_says_nothing_of_the_limits_for_its_beginning() {
    let (shop, channel) = shop(&settings(), []).await;
    let articles = || tokio_stream::iter([pears(), pears()]);
    let mut client = ShopClient::new(channel.clone());
    client.each(articles()).await.unwrap();
    client.sum(articles()).await.unwrap();
    client.watch(pears()).await.unwrap();
    let mut listed = ShopClient::new(channel.streaming(["shop.Shop/Watch"]));
    listed.watch(pears()).await.unwrap();
    listed.stock(pears()).await.unwrap();
    let said: Vec<_> =
        shop.take().iter().map(|seen| (seen.method, seen.metadata.contains_key("grpc-timeout"))).collect();
    assert_eq!(said, [("Each", false), ("Sum", false), ("Watch", true), ("Watch", false), ("Stock", true)]);

    // But it does of the caller's own.
    let mut own = Request::new(pears());
    own.set_timeout(AMPLE / 2);
    listed.watch(own).await.unwrap();
    let deadline = Deadline::after(time::now(), AMPLE / 2);
    listed.watch(request(pears(), Context::new().with_deadline(deadline))).await.unwrap();
    with_deadline(Some(deadline), listed.watch(pears())).await.unwrap();
    let seen = shop.take();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        let left = seen.timeout().unwrap();
        assert!(left <= AMPLE / 2 && left > AMPLE / 4, "{left:?}");
    }
}
