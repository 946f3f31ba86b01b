use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use resilience_core::{
    Observer,
    idempotency::{Ending, Store},
};
use tower_service::Service;

use super::{
    Asked, Guard, IdempotencyContext, MayHaveRun, Ran, ReadRequest, Rejection, Sorted, Worked, WriteAnswer,
    future::ResponseFuture,
};
use crate::time;

/// What all services of a layer share.
pub(super) struct Layered<P, St, O> {
    pub(super) guard: Guard<St, O>,
    pub(super) protocol: P,
}

/// The service of [`IdempotencyLayer`](super::IdempotencyLayer).
///
/// A request that is not guarded goes to the instance that was readied. A guarded one waits for the store first, so it readies
/// an instance of its own when its turn has come: nothing of the wrapped service is held meanwhile.
///
/// # Clone
///
/// A clone starts unready.
pub struct Idempotent<S, P, St, O = ()> {
    inner: S,
    layered: Arc<Layered<P, St, O>>,
}

impl<S, P, St, O> Idempotent<S, P, St, O> {
    pub(super) const fn new(inner: S, layered: Arc<Layered<P, St, O>>) -> Self {
        Self { inner, layered }
    }
}

impl<S: Clone, P, St, O> Clone for Idempotent<S, P, St, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.layered))
    }
}

impl<S, P, St, O, Req> Service<Req> for Idempotent<S, P, St, O>
where
    Req: Send + 'static,
    P: ReadRequest<Req> + WriteAnswer<S::Response>,
    S: Service<<P as ReadRequest<Req>>::Request> + Clone + Send + 'static,
    S::Response: Send,
    S::Error: MayHaveRun + Send + 'static,
    S::Future: Send,
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    type Response = P::Answer;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, P, P::Answer, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let Layered { guard, protocol } = &*self.layered;
        match protocol.sort(request) {
            Sorted::Pass(request) => {
                guard.shared.tell(Ending::Bypassed);
                ResponseFuture::passing(self.inner.call(request))
            }
            Sorted::Refuse(rejection) => {
                let answer = WriteAnswer::<S::Response>::reject(protocol, &rejection);
                if let Some(ending) = rejection.ending() {
                    guard.shared.tell(ending);
                }
                ResponseFuture::answered(answer)
            }
            Sorted::Guard(request) => {
                // What was readied is let go: it would be held while the store is asked, and by whoever waits for another.
                let inner = self.inner.clone();
                self.inner = inner.clone();
                ResponseFuture::guarded(guarded(Arc::clone(&self.layered), inner, request))
            }
        }
    }
}

async fn guarded<S, P, St, O, Req>(
    layered: Arc<Layered<P, St, O>>,
    inner: S,
    request: Req,
) -> Result<<P as WriteAnswer<S::Response>>::Answer, S::Error>
where
    P: ReadRequest<Req> + WriteAnswer<S::Response>,
    S: Service<<P as ReadRequest<Req>>::Request> + Send + 'static,
    S::Response: Send,
    S::Error: MayHaveRun + Send + 'static,
    S::Future: Send,
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    let since = time::now();
    let Layered { guard, protocol } = &*layered;
    let reject = |rejection: &Rejection| {
        if let Some(ending) = rejection.ending() {
            guard.shared.tell(ending);
        }
        WriteAnswer::<S::Response>::reject(protocol, rejection)
    };
    let Asked { key, fingerprint, mut request } = match protocol.read(request).await {
        Ok(asked) => asked,
        Err(rejection) => return Ok(reject(&rejection)),
    };
    let theirs = Arc::clone(&layered);
    let work = move |context: IdempotencyContext| async move {
        theirs.protocol.attach(&mut request, context, since);
        match ready_and_call(inner, request).await {
            Ok(response) => theirs.protocol.keep(response).await.map(Ok),
            Err((error, called)) if called && error.may_have_run() => Worked::abandon(Err(error)),
            Err((error, _)) => Worked::release(Err(error)),
        }
    };
    match guard.shared.execute(key, fingerprint, work).await {
        Ran::Answered(answer) => answer,
        Ran::Unprotected(answer) => {
            answer.map(|answer| WriteAnswer::<S::Response>::unprotected(protocol, answer))
        }
        Ran::Replayed(bytes) => Ok(match WriteAnswer::<S::Response>::replay(protocol, bytes) {
            Ok(answer) => {
                guard.shared.tell(Ending::Replayed);
                answer
            }
            Err(rejection) => reject(&rejection),
        }),
        // The engine has told of it.
        Ran::Refused(refused) => Ok(WriteAnswer::<S::Response>::reject(protocol, &refused.into())),
    }
}

/// The answer, or the error and whether the service was called at all.
async fn ready_and_call<S, Req>(mut inner: S, request: Req) -> Result<S::Response, (S::Error, bool)>
where
    S: Service<Req>,
{
    poll_fn(|cx| inner.poll_ready(cx)).await.map_err(|error| (error, false))?;
    inner.call(request).await.map_err(|error| (error, true))
}

impl<P: fmt::Debug, St, O> Layered<P, St, O> {
    pub(super) fn describe(&self, f: &mut fmt::DebugStruct<'_, '_>) -> fmt::Result {
        f.field("guard", &self.guard).field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, P: fmt::Debug, St, O> fmt::Debug for Idempotent<S, P, St, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layered.describe(f.debug_struct("Idempotent").field("inner", &self.inner))
    }
}
