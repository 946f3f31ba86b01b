//! The turn of the next call through one instance of a service.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use resilience_core::{Event, Observer, RateLimiter, Rejected, rate_limit::Reservation};

use super::settings::Settings;
use crate::time::{self, Sleep};

/// Waits for a turn, one call after the other. Dropped, it gives back the place that it has.
pub(super) struct Gate<O> {
    pub(super) limiter: RateLimiter,
    pub(super) settings: Settings<O>,
    turn: Turn,
    /// Kept for the next wait: a box for each instance that waits at all, and not for each call.
    timer: Option<Pin<Box<Sleep>>>,
}

enum Turn {
    /// Nobody has asked.
    None,
    /// In a queue, until the timer fires.
    Waiting(Reservation),
    /// It has come. Without a place, it is over a limit that is not enforced.
    Come(Option<Reservation>),
    /// It would be too long in coming.
    Refused(Rejected),
}

impl<O> Gate<O> {
    pub(super) const fn new(limiter: RateLimiter, settings: Settings<O>) -> Self {
        Self { limiter, settings, turn: Turn::None, timer: None }
    }

    /// A gate for another instance, which has not asked for a turn.
    pub(super) fn another(&self) -> Self {
        Self::new(self.limiter.clone(), self.settings.clone())
    }

    /// The call is made: the place is used, or the refusal delivered.
    pub(super) fn enter(&mut self) -> Result<(), Rejected> {
        match mem::replace(&mut self.turn, Turn::None) {
            Turn::Come(_) => Ok(()),
            Turn::Refused(rejected) => Err(rejected),
            turn => {
                // It was not asked, or its answer was not waited for.
                self.turn = turn;
                Err(Rejected::RateLimited { retry_after: Duration::ZERO })
            }
        }
    }
}

impl<O: Observer> Gate<O> {
    /// Waits for the turn of the next call, up to `max_wait`; whether it will be admitted.
    pub(super) fn poll_turn(&mut self, max_wait: Duration, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match &self.turn {
                Turn::None => self.ask(max_wait),
                Turn::Waiting(_) => {
                    if let Some(timer) = &mut self.timer {
                        ready!(time::poll_timer(timer.as_mut(), cx));
                    }
                    self.turn_comes();
                }
                Turn::Come(_) => return Poll::Ready(true),
                Turn::Refused(_) => {
                    // Asked again, it may find room; if not, no token is lost.
                    self.ask(max_wait);
                    if matches!(self.turn, Turn::Refused(_)) {
                        return Poll::Ready(false);
                    }
                }
            }
        }
    }

    fn ask(&mut self, max_wait: Duration) {
        let now = time::now();
        self.turn = match self.limiter.reserve(1, max_wait, now) {
            Ok(place) if place.wait().is_zero() || !self.settings.is_enforced => Turn::Come(Some(place)),
            Ok(place) => {
                let at = now + place.wait();
                match &mut self.timer {
                    Some(timer) => time::reset(timer.as_mut(), at),
                    timer @ None => *timer = Some(Box::pin(time::sleep_until(at))),
                }
                Turn::Waiting(place)
            }
            Err(rejected) if self.settings.is_enforced => Turn::Refused(rejected),
            Err(rejected) => {
                self.settings.tell_limited(rejected);
                Turn::Come(None)
            }
        };
    }

    fn turn_comes(&mut self) {
        if let Turn::Waiting(place) = mem::replace(&mut self.turn, Turn::None) {
            if self.settings.observer.listens() {
                self.settings.observer.observe(&Event::RateLimitDelayed { wait: place.wait() });
            }
            self.turn = Turn::Come(Some(place));
        }
    }
}

impl<O> Drop for Gate<O> {
    fn drop(&mut self) {
        if let Turn::Waiting(place) | Turn::Come(Some(place)) = mem::replace(&mut self.turn, Turn::None) {
            self.limiter.give_back(place);
        }
    }
}

impl<O> fmt::Debug for Gate<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turn = match self.turn {
            Turn::None => "None",
            Turn::Waiting(_) => "Waiting",
            Turn::Come(_) => "Come",
            Turn::Refused(_) => "Refused",
        };
        f.debug_struct("Gate")
            .field("limiter", &self.limiter)
            .field("settings", &self.settings)
            .field("turn", &turn)
            .finish_non_exhaustive()
    }
}
