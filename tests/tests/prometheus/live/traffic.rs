//! Callers, and the weather in which they call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Response, StatusCode};
use resilience_core::{Call, Error};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tower::{Service, ServiceExt};

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) type Answer = Result<Response<&'static str>, Error<&'static str>>;

pub(super) fn answer(status: StatusCode) -> Answer {
    let mut response = Response::new("");
    *response.status_mut() = status;
    Ok(response)
}

pub(super) fn down() -> Answer {
    Err(Error::inner("down"))
}

/// Whether what is behind the pipelines is down. Clones are of one weather.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather(Arc<AtomicBool>);

impl Weather {
    pub(super) fn turn(&self, is_bad: bool) {
        self.0.store(is_bad, Ordering::Relaxed);
    }

    pub(super) fn is_bad(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every so often calls `service` as many times as `crowd` says, with the numbers from 0, and does not wait for answers.
pub(super) fn calls<S>(service: S, every: Duration, crowd: impl Fn() -> u32 + Send + 'static)
where
    S: Service<Call<u32>, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
{
    // Nobody waits for longer than this.
    impatient_calls(service, every, crowd, |_| Duration::from_secs(10));
}

/// The same for callers who leave after a time that is theirs.
pub(super) fn impatient_calls<S>(
    service: S,
    every: Duration,
    crowd: impl Fn() -> u32 + Send + 'static,
    patience: impl Fn(u32) -> Duration + Send + 'static,
) where
    S: Service<Call<u32>, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
{
    tokio::spawn(async move {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut numbers = 0..;
        loop {
            ticks.tick().await;
            for number in numbers.by_ref().take(crowd() as usize) {
                tokio::spawn(timeout(patience(number), service.clone().oneshot(Call::new(number))));
            }
        }
    });
}
