//! The cases: what a layer must do whatever it is for.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use resilience_core::{BoxError, Call, Error, Refusal};
use tower::{Service, ServiceExt, buffer::Buffer};

use crate::{
    inner::{Clonable, Does, Readiness, Strict},
    subjects::{Limited, Subject},
};

fn poll_ready<S: Service<Call<u32>>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn is_ready<S: Service<Call<u32>>>(service: &mut S) -> bool {
    matches!(poll_ready(service), Poll::Ready(Ok(())))
}

pub(crate) async fn answers_and_errors_pass_through<T: Subject>() {
    let layer = T::layer();
    let mut service = T::around(&layer, Strict::new(Does::Echo));
    assert_eq!(service.ready().await.unwrap().call(Call::new(7)).await, Ok(7));
    let mut service = T::around(&T::layer(), Strict::new(Does::Fail));
    // With a note or without.
    let error = service.ready().await.unwrap().call(Call::new(7)).await.unwrap_err();
    assert_eq!(error.into_inner(), Some("failed"));
}

/// That it compiles is the proof.
pub(crate) async fn an_inner_service_that_cannot_be_cloned_is_enough<T: Subject>() {
    let service = T::around(&T::layer(), Strict::new(Does::Echo));
    assert_eq!(service.oneshot(Call::new(7)).await, Ok(7));
}

/// `Strict` and `ConcurrencyLimit` both panic when an instance is called that was not readied.
pub(crate) async fn trap_29_the_readied_instance_is_the_one_that_is_called<T: Subject>() {
    let mut service = T::around_clonable(&T::layer(), Limited::new(Clonable::new(Does::Echo), 1));
    for n in 0..5 {
        let mut clone = service.clone();
        assert_eq!(service.ready().await.unwrap().call(Call::new(n)).await, Ok(n));
        assert_eq!(clone.ready().await.unwrap().call(Call::new(n)).await, Ok(n));
    }
}

pub(crate) async fn pending_readiness_passes_through<T: Subject>() {
    let mut service = T::around(&T::layer(), Strict::with_readiness(Readiness::Pending));
    assert_eq!(is_ready(&mut service), T::READIES_LATER);
    if T::READIES_LATER {
        assert!(poll_once(pin!(service.call(Call::new(7)))).is_pending());
    }
}

pub(crate) async fn errors_of_poll_ready_pass_through<T: Subject>() {
    let mut service = T::around(&T::layer(), Strict::with_readiness(Readiness::Fails));
    if T::READIES_LATER {
        assert!(is_ready(&mut service));
        let answer = poll_once(pin!(service.call(Call::new(7))));
        assert_eq!(answer, Poll::Ready(Err(Error::inner("not ready"))));
    } else {
        assert_eq!(poll_ready(&mut service), Poll::Ready(Err(Error::inner("not ready"))));
    }
}

pub(crate) async fn readiness_is_reserved_and_kept<T: Subject>() {
    let inner = Strict::new(Does::Echo);
    let log = Arc::clone(&inner.log);
    let mut service = T::around(&T::layer(), inner);
    assert!(is_ready(&mut service) && is_ready(&mut service), "asking twice does no harm");
    let readied = log.readied();
    assert_eq!(service.call(Call::new(7)).await, Ok(7));
    let readied = readied + u32::from(T::READIES_LATER);
    assert_eq!((log.readied(), log.called()), (readied, 1), "what was reserved was used");
}

pub(crate) async fn a_clone_starts_unready_and_holds_nothing<T: Subject>() {
    let mut service = T::around_clonable(&T::layer(), Limited::new(Clonable::new(Does::Echo), 1));
    assert!(is_ready(&mut service));
    let mut clone = service.clone();
    // Who readies later has reserved nothing either.
    assert_eq!(is_ready(&mut clone), T::READIES_LATER, "the original has reserved the only permit");
    drop(clone.clone());
    assert_eq!(is_ready(&mut clone), T::READIES_LATER, "and a clone that is dropped gives back nothing");
    drop(service);
    assert!(is_ready(&mut clone));
}

pub(crate) async fn a_refusal_comes_from_call_and_leaves_the_inner_service_alone<T: Subject>() {
    let Some((layer, call)) = T::refusing() else { return };
    let inner = Strict::new(Does::Echo);
    let log = Arc::clone(&inner.log);
    let mut service = T::around(&layer, inner);
    assert!(is_ready(&mut service), "a refusal does not come from poll_ready");
    let refused = service.call(call).await.unwrap_err();
    assert!(refused.rejected().is_some(), "{refused:?}");
    assert_eq!((log.called(), log.polled()), (0, 0));
    if T::REFUSES_UNASKED {
        assert_eq!(log.readied(), 0);
    }
}

pub(crate) async fn trap_30_a_refusal_does_not_poison_a_buffer<T: Subject>() {
    let Some((layer, call)) = T::refusing() else { return };
    let inner = Limited::new(Clonable::new(Does::Echo), 1);
    let mut buffer = Buffer::new(BoxedError(T::around_clonable(&layer, inner)), 4);
    for _ in 0..3 {
        let refused = buffer.ready().await.unwrap().call(call.clone()).await.unwrap_err();
        assert!(refused.rejected().is_some(), "the buffer is closed: {refused}");
    }
}

/// The same service with a boxed error, as `Buffer` wants it.
struct BoxedError<S>(S);

impl<S: crate::subjects::Driven> Service<Call<u32>> for BoxedError<S>
where
    S::Future: Send + 'static,
{
    type Response = u32;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(|error| error.to_string().into())
    }

    fn call(&mut self, call: Call<u32>) -> Self::Future {
        let response = self.0.call(call);
        Box::pin(async move {
            response.await.map_err(|error| match error {
                Error::Rejected { rejected, .. } => rejected.into(),
                Error::Inner { error: text, .. } => text.into(),
            })
        })
    }
}

pub(crate) async fn cancelling_before_the_call_frees_everything<T: Subject>() {
    let layer = T::layer();
    let limited = Limited::new(Clonable::new(Does::Echo), 1);
    let mut service = T::around_clonable(&layer, limited.clone());
    assert!(is_ready(&mut service));
    drop(service);
    assert!(is_ready(&mut limited.clone()), "the inner permit is free");
    assert!(T::holds_nothing(&layer));
}

pub(crate) async fn cancelling_before_the_first_poll_frees_everything<T: Subject>() {
    cancel::<T>(0).await;
}

pub(crate) async fn cancelling_while_pending_frees_everything<T: Subject>() {
    cancel::<T>(1).await;
    cancel::<T>(3).await;
}

async fn cancel<T: Subject>(after_polls: u32) {
    let layer = T::layer();
    let inner = Clonable::new(Does::Hang);
    let log = Arc::clone(&inner.0.log);
    let limited = Limited::new(inner, 1);
    let mut service = T::around_clonable(&layer, limited.clone());
    {
        let mut response = pin!(service.ready().await.unwrap().call(Call::new(7)));
        for _ in 0..after_polls {
            assert!(poll_once(response.as_mut()).is_pending());
        }
        assert_eq!(log.running(), u32::from(after_polls > 0 || !T::READIES_LATER));
    }
    assert_eq!(log.running(), 0, "the inner future is dropped");
    assert!(is_ready(&mut limited.clone()), "the inner permit is free");
    assert!(T::holds_nothing(&layer));
}

pub(crate) async fn a_panic_in_call_passes_through_and_frees_everything<T: Subject>() {
    let layer = T::layer();
    let mut service = T::around(&layer, Strict::new(Does::PanicInCall));
    assert!(is_ready(&mut service));
    let call = AssertUnwindSafe(|| {
        let mut response = pin!(service.call(Call::new(7)));
        if T::READIES_LATER {
            let _ = poll_once(response.as_mut());
        }
    });
    assert!(catch_unwind(call).is_err());
    assert!(T::holds_nothing(&layer));
}

pub(crate) async fn a_panic_in_the_future_passes_through_and_frees_everything<T: Subject>() {
    let layer = T::layer();
    let inner = Strict::new(Does::PanicInPoll);
    let log = Arc::clone(&inner.log);
    let mut service = T::around(&layer, inner);
    assert!(is_ready(&mut service));
    {
        let mut response = pin!(service.call(Call::new(7)));
        let poll = AssertUnwindSafe(|| {
            let _ = poll_once(response.as_mut());
        });
        assert!(catch_unwind(poll).is_err());
        assert!(T::holds_nothing(&layer), "already when the panic has passed");
    }
    assert_eq!(log.running(), 0);
    assert!(T::holds_nothing(&layer), "and once more is not twice");
}

pub(crate) async fn a_pending_call_is_not_polled_without_being_woken<T: Subject>() {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let mut service = T::around(&T::layer(), Strict::new(Does::Hang));
    assert!(is_ready(&mut service));
    let mut response = pin!(service.call(Call::new(7)));
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    assert!(response.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!woken.0.load(Ordering::SeqCst), "it wakes itself: it spins");
}

pub(crate) async fn services_of_one_layer_share_its_state<T: Subject>() {
    let layer = T::layer();
    let cloned = layer.clone();
    assert_ne!(T::has_seen_failures(&cloned), Some(true));
    let failing = T::around(&layer, Strict::new(Does::Fail));
    assert!(failing.oneshot(Call::new(7)).await.is_err());
    assert_ne!(T::has_seen_failures(&cloned), Some(false));
    // And the other way round, through a clone of a service.
    let layer = T::layer();
    let service = T::around_clonable(&layer, Limited::new(Clonable::new(Does::Fail), 1));
    assert!(service.clone().oneshot(Call::new(7)).await.is_err());
    assert_ne!(T::has_seen_failures(&layer), Some(false));
}

/// That it compiles is the proof: the bounds are on [`Subject`].
pub(crate) async fn everything_public_is_send_and_sync<T: Subject>() {
    fn check<S: Send + Sync + 'static>(_: S) {}
    let service = T::around_clonable(&T::layer(), Limited::new(Clonable::new(Does::Echo), 1));
    check(service.clone());
    check(T::layer());
    let response = tokio::spawn(service.oneshot(Call::new(7)));
    assert_eq!(response.await.unwrap(), Ok(7));
}
