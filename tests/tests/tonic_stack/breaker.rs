use std::error::Error as _;

use resilience_core::{
    Context, Rejected,
    circuit_breaker::{Config, State},
};
use tests::{
    shop::{Answer, STOCK, ShopClient},
    time,
};
use tonic::{Code, Status};

use super::{AMPLE, pears, settings, shop, stock, unavailable};

pub(super) fn refusal(status: &Status) -> Option<&Rejected> {
    status.source()?.downcast_ref()
}

/// Opens after two failures in a row.
pub(super) fn quick() -> Config {
    Config::new().time_window(AMPLE).consecutive_failures(2).open_for(AMPLE, AMPLE)
}

#[tokio::test]
async fn it_opens_by_the_status_of_answers_and_the_caller_sees_unavailable_and_why() {
    let settings = settings().retry(None).circuit_breaker(quick());
    let (shop, channel) = shop(&settings, [unavailable(), unavailable()]).await;
    for _ in 0..2 {
        let status = stock(&channel, Context::new()).await.0.unwrap_err();
        assert_eq!(status.message(), "closed for a moment");
        assert!(refusal(&status).is_none());
    }
    let status = stock(&channel, Context::new()).await.0.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(matches!(refusal(&status), Some(Rejected::CircuitOpen { retry_after: Some(_) })), "{status:?}");
    assert_eq!(shop.take().len(), 2);

    // For all methods.
    let watch = ShopClient::new(channel.clone()).watch(pears()).await.unwrap_err();
    assert!(matches!(refusal(&watch), Some(Rejected::CircuitOpen { .. })));

    let policies = channel.handle().policies("");
    let breaker = policies.circuit_breaker().unwrap();
    assert_eq!(breaker.state(time::now()), State::Open);
    breaker.reset();
    assert_eq!(stock(&channel, Context::new()).await.0.unwrap(), STOCK);
}

/// What the caller has done wrong says nothing of the server.
#[tokio::test]
async fn it_stays_closed_for_the_callers_mistakes() {
    let settings = settings().retry(None).circuit_breaker(quick());
    let mistake = || Answer::Fail(Status::invalid_argument("of what?"));
    let (shop, channel) = shop(&settings, [mistake(), mistake(), mistake()]).await;
    for _ in 0..3 {
        assert_eq!(stock(&channel, Context::new()).await.0.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(stock(&channel, Context::new()).await.0.unwrap(), STOCK);
    assert_eq!(shop.take().len(), 4);
}

#[tokio::test]
async fn an_origin_is_a_destination_of_its_own() {
    let (_shop, channel) = shop(&settings(), []).await;
    let origin = "http://pears.example:81".parse().unwrap();
    ShopClient::with_origin(channel.clone(), origin).stock(pears()).await.unwrap();
    assert!(channel.handle().destinations().get("pears.example:81", time::now()).is_some());
    assert!(channel.handle().destinations().get("", time::now()).is_none());
}
