//! One implementation under test, and how each thread calls it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Runtime;
use tower::Service;

/// Makes a number of calls in a row and returns how many of them were answered with `Ok`.
pub type Caller = Box<dyn FnMut(&Runtime, u64) -> u64 + Send>;

/// Whether the calls of a subject are meant to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Every call is answered by the upstream.
    Answered,
    /// Every call is refused by the policy.
    Refused,
}

/// An implementation under test, its state shared by all threads that call it.
pub struct Subject {
    /// The name in the tables: the crate's own.
    pub name: &'static str,
    /// What has to become of its calls for the numbers to mean anything.
    pub expect: Expect,
    share: Box<dyn Fn() -> Caller>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Subject {
    /// A Tower service. Each thread calls its own clone, as each connection of a server does.
    pub fn service<S>(name: &'static str, service: S) -> Self
    where
        S: Service<u64, Response = u64> + Clone + Send + 'static,
    {
        Self::new(name, move || {
            let (mut own, mut numbers) = (Apart(service.clone()), Numbers::new());
            Box::new(move |runtime, calls| {
                let service = own.get();
                let context = &mut Context::from_waker(Waker::noop());
                let mut answered = 0;
                for n in numbers.next(calls) {
                    if ready(service, runtime, context) {
                        let response = pin!(service.call(black_box(n)));
                        let answer = finish(response, context);
                        answered += u64::from(black_box(answer).is_ok());
                    }
                }
                answered
            })
        })
    }

    /// Anything else that turns a number into a future. Each thread calls its own clone.
    pub fn function<F, E>(name: &'static str, function: F) -> Self
    where
        F: AsyncFn(u64) -> Result<u64, E> + Clone + Send + 'static,
    {
        Self::new(name, move || {
            let (mut own, mut numbers) = (Apart(function.clone()), Numbers::new());
            Box::new(move |_, calls| {
                let function = own.get();
                let context = &mut Context::from_waker(Waker::noop());
                let mut answered = 0;
                for n in numbers.next(calls) {
                    let response = pin!(function(black_box(n)));
                    let answer = finish(response, context);
                    answered += u64::from(black_box(answer).is_ok());
                }
                answered
            })
        })
    }

    /// A function whose calls start tasks: a runtime drives them.
    pub fn tasks<F, E>(name: &'static str, function: F) -> Self
    where
        F: AsyncFn(u64) -> Result<u64, E> + Clone + Send + 'static,
    {
        Self::new(name, move || {
            let (mut own, mut numbers) = (Apart(function.clone()), Numbers::new());
            Box::new(move |runtime, calls| {
                let function = own.get();
                runtime.block_on(async {
                    let mut answered = 0;
                    for n in numbers.next(calls) {
                        answered += u64::from(black_box(function(black_box(n)).await).is_ok());
                    }
                    answered
                })
            })
        })
    }

    fn new(name: &'static str, share: impl Fn() -> Caller + 'static) -> Self {
        Self { name, expect: Expect::Answered, share: Box::new(share) }
    }

    /// The same, but its calls have to be refused.
    #[must_use]
    pub fn refusing(self) -> Self {
        Self { expect: Expect::Refused, ..self }
    }

    /// A caller for one more thread.
    #[must_use]
    pub fn caller(&self) -> Caller {
        (self.share)()
    }

    /// How many of `calls` have to be answered with `Ok`.
    #[must_use]
    pub fn expected(&self, calls: u64) -> u64 {
        match self.expect {
            Expect::Answered => calls,
            Expect::Refused => 0,
        }
    }
}

/// Keeps what one thread writes off the cache lines of the next one's: callers are boxed one after
/// the other, and a service may write to itself in every call.
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Apart<T> {
    /// A closure that calls this captures the whole, alignment included, and not just the field.
    fn get(&mut self) -> &mut T {
        &mut self.0
    }
}

/// The requests of one caller: numbers that no other caller has, and no earlier batch had.
///
/// Otherwise a policy that looks at them would see the same few again and again, and on all threads at once.
struct Numbers(u64);

impl Numbers {
    fn new() -> Self {
        static CALLERS: AtomicU64 = AtomicU64::new(0);
        Self(CALLERS.fetch_add(1, Ordering::Relaxed) << 40)
    }

    fn next(&mut self, calls: u64) -> Range<u64> {
        let first = self.0;
        self.0 += calls;
        first..self.0
    }
}

/// Waits until the service takes a call; `false` if it failed instead.
#[inline]
fn ready<S>(service: &mut S, runtime: &Runtime, context: &mut Context<'_>) -> bool
where
    S: Service<u64>,
{
    match service.poll_ready(context) {
        Poll::Ready(ready) => ready.is_ok(),
        // Nothing here is ever busy, but a policy may wait for its own lock with a timer, and
        // only a running runtime lets a timer expire.
        Poll::Pending => runtime.block_on(poll_fn(|context| service.poll_ready(context))).is_ok(),
    }
}

/// Polls the future until it is done, without an executor between the clock and the policy.
///
/// It is polled where `call` has put it: moving it would add the same copy to every subject.
#[inline]
fn finish<F: Future>(mut future: Pin<&mut F>, context: &mut Context<'_>) -> F::Output {
    // A pending future has either been woken by the upstream already, or waits for an asynchronous
    // lock that the other thread is about to hand over. To sleep would measure the kernel.
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return output;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::thread::runtime;

    #[test]
    fn no_request_comes_twice() {
        let seen = Arc::new(Mutex::new(HashSet::new()));
        let subject = Subject::function("seen", {
            let seen = Arc::clone(&seen);
            async move |n| if seen.lock().unwrap().insert(n) { Ok(n) } else { Err(()) }
        });
        let runtime = runtime();
        for mut caller in [subject.caller(), subject.caller()] {
            assert_eq!((caller(&runtime, 100), caller(&runtime, 100)), (100, 100));
        }
    }
}
