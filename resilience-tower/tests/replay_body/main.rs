//! Bodies that stream and are sent again.

#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod lock;
mod model;
mod script;

use std::{convert::Infallible, error::Error as _, io, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::Full;
use resilience_core::{Call, Context};
use resilience_tower::{
    http::{ReplayBody, ReplayBodyLayer, ReplayError},
    retry::Replay,
};
use tower::{Layer, ServiceExt, service_fn};

use script::{Got, Plain, Says, Script, Step, Wakes, data, next, poll, rest, text, trailers};

fn copy<B>(body: &ReplayBody<B>) -> ReplayBody<B> {
    body.try_clone().unwrap()
}

fn three() -> Script {
    Script::new([data("one"), data("two"), data("three"), Step::Trailers(trailers())])
}

#[test]
fn an_early_answer_leaves_the_rest_of_the_body_to_the_next_attempt() {
    let mut first = ReplayBody::new(three(), 100);
    let mut second = copy(&first);
    assert_eq!(next(&mut first), text("one"));

    assert_eq!(next(&mut second), text("one"), "what the first has sent");
    assert_eq!(next(&mut first), Got::Superseded, "still there, and over");
    assert_eq!(next(&mut second), text("two"), "what the first has left");
    assert_eq!(next(&mut first), Got::Superseded);
    assert_eq!(rest(&mut second), [text("three"), Got::Trailers(trailers()), Got::End]);
}

/// In the order in which the retry layer sends them: the original, a copy of the copy, the copy.
#[test]
fn a_handle_that_is_first_polled_too_late_does_not_come_back() {
    let mut first = ReplayBody::new(three().saying(Says::Exactly, false), 100);
    let mut third = copy(&first);
    assert!(third.is_complete(), "a second attempt is announced");
    let mut second = copy(&third);
    assert_eq!(next(&mut second), text("one"));
    assert_eq!(next(&mut first), Got::Superseded);
    assert_eq!(first.size_hint().exact(), None);

    let mut late = copy(&third);
    assert!(third.is_complete());
    assert_eq!(next(&mut third), text("one"));
    assert_eq!((next(&mut late), next(&mut second)), (Got::Superseded, Got::Superseded));
    assert_eq!(rest(&mut third)[..2], [text("two"), text("three")], "and the last is not disturbed");

    let mut first = ReplayBody::new(three(), 100);
    let (mut second, announced) = (copy(&first), copy(&first));
    assert!(announced.is_complete());
    assert_eq!((next(&mut second), next(&mut first)), (text("one"), text("one")), "not before it has begun");
}

#[test]
fn whoever_waits_for_an_attempt_that_is_over_is_woken_and_told() {
    let (wakes, mut first) =
        (Arc::<Wakes>::default(), ReplayBody::new(Script::new([Step::Pending, data("one")]), 100));
    let mut second = copy(&first);
    assert_eq!(poll(&mut first, &wakes), Got::Pending);
    assert_eq!(wakes.count(), 0);
    assert_eq!(next(&mut second), text("one"));
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll(&mut first, &wakes), Got::Superseded);
    assert_eq!(next(&mut second), Got::End, "and has not been disturbed");
}

#[test]
fn over_the_cap_the_body_is_sent_and_not_kept() {
    let mut first = ReplayBody::new(three(), 10);
    let mut second = copy(&first);
    assert_eq!((next(&mut first), next(&mut first)), (text("one"), text("two")));
    assert_eq!(next(&mut first), text("three"));
    assert!(!second.is_complete() && !copy(&first).is_complete());
    assert_eq!(next(&mut second), Got::Incomplete);
    assert_eq!(rest(&mut first), [Got::Trailers(trailers()), Got::End], "the first goes on undisturbed");
}

/// A pause before the next attempt may be long, and the connection may use it.
#[test]
fn an_attempt_that_was_promised_all_gets_all() {
    let mut first = ReplayBody::new(three().saying(Says::Exactly, false), 6);
    let mut second = copy(&first);
    assert_eq!(next(&mut first), text("one"));
    assert!(second.is_complete());
    assert_eq!(next(&mut first), text("two"), "under the cap it goes on");
    assert_eq!(next(&mut first), Got::Superseded, "and not over it");
    assert_eq!(second.size_hint().exact(), Some(11));
    let third = copy(&second);
    let all = [text("one"), text("two"), text("three"), Got::Trailers(trailers()), Got::End];
    assert_eq!(rest(&mut second), all);
    assert!(!third.is_complete(), "the second is over the cap, and nobody was promised anything");
    assert_eq!(next(&mut first), Got::Superseded);

    let mut first = ReplayBody::new(three(), 6);
    let second = copy(&first);
    let _stale = copy(&first);
    assert!(second.is_complete());
    drop(second);
    assert_eq!(rest(&mut first).last(), Some(&Got::End), "there is no second attempt after all");
}

#[test]
fn exactly_at_the_cap_is_under_it_and_trailers_count() {
    for (cap, fits) in [(20, false), (21, true)] {
        let mut first = ReplayBody::new(three(), cap);
        let second = copy(&first);
        rest(&mut first);
        assert_eq!(second.is_complete(), fits, "{cap} for eleven bytes of data and ten of trailers");
    }
    let mut first = ReplayBody::new(Script::new([data(""), Step::Pending]), 0);
    let second = copy(&first);
    rest(&mut first);
    assert!(second.is_complete(), "nothing fits under nothing");
}

#[test]
fn the_length_is_that_of_what_this_handle_will_yield() {
    let mut first = ReplayBody::new(three().saying(Says::Exactly, false), 100);
    let mut second = copy(&first);
    let exact = |body: &ReplayBody<Script>| body.size_hint().exact();
    assert_eq!((exact(&first), exact(&second)), (Some(11), Some(11)));
    next(&mut first);
    assert_eq!((exact(&first), exact(&second)), (Some(8), Some(11)));
    next(&mut second);
    assert_eq!((exact(&first), exact(&second)), (None, Some(8)), "the first yields no more");

    let mut unknown = ReplayBody::new(three(), 100);
    let again = copy(&unknown);
    assert_eq!(exact(&again), None);
    rest(&mut unknown);
    assert_eq!(exact(&again), Some(11), "known by now");

    let empty = ReplayBody::new(Full::<Bytes>::default(), 0);
    assert!(empty.is_end_stream());
    assert_eq!(empty.size_hint().exact(), Some(0));
}

#[test]
fn an_end_that_the_body_announces_is_passed_on() {
    let mut first = ReplayBody::new(Script::new([data("one")]).saying(Says::Nothing, true), 100);
    let mut second = copy(&first);
    assert!(!first.is_end_stream());
    assert_eq!(next(&mut first), text("one"));
    assert!(first.is_end_stream(), "without another poll");
    assert!(!second.is_end_stream());
    assert_eq!(next(&mut second), text("one"));
    assert!(second.is_end_stream() && !first.is_end_stream());
}

#[test]
fn an_error_of_the_body_is_the_source_and_is_not_sent_again() {
    let mut first = ReplayBody::new(Script::new([data("one"), Step::Fail]), 100);
    let mut second = copy(&first);
    assert_eq!(next(&mut first), text("one"));
    assert_eq!(next(&mut first), Got::Failed);
    assert!(!second.is_complete());
    assert_eq!(next(&mut second), Got::Incomplete);
    assert_eq!(next(&mut first), Got::Incomplete, "and no end that would make half a body a whole one");

    let error = ReplayError::Body(io::Error::other("disk").into());
    assert_eq!(error.to_string(), "the request body failed");
    assert!(error.source().is_some_and(|source| source.is::<io::Error>()));
    assert!(ReplayError::Superseded.to_string().contains("superseded by a later attempt"));
    assert!(ReplayError::Superseded.source().is_none());
}

/// The data of a frame that can be seen to be freed.
pub(crate) struct Tracked(#[expect(dead_code, reason = "it is counted")] pub(crate) Arc<()>);

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        b"data"
    }
}

/// A handle to a body of `frames` frames of four bytes, and what counts the frames that are in memory.
fn tracked(frames: usize, cap: usize) -> (ReplayBody<Plain>, impl Fn() -> usize) {
    let count = Arc::<()>::default();
    let frame = |_| Bytes::from_owner(Tracked(Arc::clone(&count)));
    let body = Plain::new((0..frames).map(frame));
    (ReplayBody::new(body, cap), move || Arc::strong_count(&count) - 1)
}

#[test]
fn the_last_attempt_keeps_nothing() {
    let (mut only, in_memory) = tracked(3, 100);
    assert_eq!(next(&mut only), text("data"));
    assert_eq!(in_memory(), 2);
    assert!(!copy(&only).is_complete());

    let (mut first, in_memory) = tracked(3, 100);
    let mut last = copy(&first);
    assert_eq!((next(&mut first), next(&mut first)), (text("data"), text("data")));
    assert_eq!(in_memory(), 3, "kept for the last");
    assert_eq!(next(&mut last), text("data"));
    assert_eq!(in_memory(), 2, "what it has sent is freed, though the first is still there");
    assert_eq!(next(&mut first), Got::Superseded);
    assert_eq!(rest(&mut last), [text("data"), text("data"), Got::End]);
    assert_eq!(in_memory(), 0);
}

#[test]
fn what_was_kept_is_freed_when_nobody_can_ask_for_it() {
    let (mut first, in_memory) = tracked(3, 100);
    let second = copy(&first);
    assert_eq!((next(&mut first), next(&mut first)), (text("data"), text("data")));
    assert_eq!(in_memory(), 3);
    drop(second);
    assert_eq!(in_memory(), 1, "there will be no second attempt");
    assert_eq!(rest(&mut first), [text("data"), Got::End], "and the first is not disturbed");

    let (mut first, in_memory) = tracked(3, 8);
    let _second = copy(&first);
    rest(&mut first);
    assert_eq!(in_memory(), 0, "over the cap");

    let (mut first, in_memory) = tracked(3, 100);
    let mut second = copy(&first);
    next(&mut first);
    next(&mut second);
    drop(second);
    assert_eq!(in_memory(), 0, "the one that is left is over, and holds nothing");
    assert_eq!(next(&mut first), Got::Superseded);
}

#[test]
fn what_a_promise_has_kept_is_freed_if_nobody_comes_for_it() {
    let (mut first, in_memory) = tracked(3, 4);
    let second = copy(&first);
    assert_eq!(next(&mut first), text("data"));
    assert!(second.is_complete());
    assert_eq!(next(&mut first), Got::Superseded);
    assert_eq!(in_memory(), 3);
    drop(second);
    assert_eq!(in_memory(), 0, "the first is over, and holds nothing");
}

#[test]
fn data_that_is_bytes_is_not_copied() {
    let bytes = Bytes::from_static(b"data");
    let mut first = ReplayBody::new(Plain::new([bytes.clone()]), 100);
    let mut second = copy(&first);
    for body in [&mut first, &mut second] {
        let Got::Data(data) = next(body) else { panic!("there is data") };
        assert_eq!(data.as_ptr(), bytes.as_ptr());
    }
}

/// What two attempts yield, or were told, one after the other.
fn twice(request: &Request<ReplayBody<Plain>>) -> [Vec<Got>; 2] {
    let (mut first, mut second) = (request.try_clone().unwrap(), request.try_clone().unwrap());
    assert_eq!(first.uri(), "/orders");
    [rest(first.body_mut()), rest(second.body_mut())]
}

fn order(bytes: usize) -> Request<Plain> {
    let body = Plain::new([Bytes::from(vec![7; bytes])]);
    Request::post("/orders").body(body).unwrap()
}

#[tokio::test]
async fn the_layer_wraps_the_body_of_a_request_and_of_a_call() {
    for (layer, cap) in [(ReplayBodyLayer::new(), 65_536), (ReplayBodyLayer::up_to(3), 3)] {
        for (bytes, again) in [(cap, true), (cap + 1, false)] {
            let sent = vec![Got::Data(vec![7; bytes].into()), Got::End];
            let expected = [sent.clone(), if again { sent } else { vec![Got::Incomplete] }];

            let service = layer.layer(service_fn(async |request: Request<ReplayBody<Plain>>| {
                Ok::<_, Infallible>(twice(&request))
            }));
            assert_eq!(service.oneshot(order(bytes)).await.unwrap(), expected);

            let service = layer.layer(service_fn(async |call: Call<Request<ReplayBody<Plain>>>| {
                Ok::<_, Infallible>((twice(call.request()), call.context().attempt()))
            }));
            let mut context = Context::new();
            context.set_attempt(3);
            let call = Call::with_context(order(bytes), context);
            assert_eq!(service.oneshot(call).await.unwrap(), (expected, 3));
        }
    }
}

#[test]
fn it_says_nothing_of_the_data() {
    let body = ReplayBody::new(three(), 100);
    assert_eq!(format!("{body:?}"), "ReplayBody { polled: false, .. }");
}

#[test]
fn a_body_that_cannot_be_shared_makes_handles_that_can() {
    fn is_send_and_sync<T: Send + Sync + Unpin>(_: &T) {}
    is_send_and_sync(&ReplayBody::new(three(), 100));
}
