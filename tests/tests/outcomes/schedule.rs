//! What happens to a dependency, and when.

/// What a dependency does with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// It works, at this part of its speed; 0 is a stall, in which what has arrived waits.
    Works(f64),
    /// Nobody listens: the caller is told at once.
    Refuses,
    /// Calls are never answered.
    Swallows,
}

/// From a moment on, in seconds.
#[derive(Clone, Copy, Debug)]
struct Phase {
    from: f64,
    mode: Mode,
    /// The part of the calls that fail after their work.
    errors: f64,
}

/// The phases of a dependency, the first from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Schedule(Vec<Phase>);

impl Schedule {
    /// All is well.
    pub(crate) fn healthy() -> Self {
        Self(vec![Phase { from: 0.0, mode: Mode::Works(1.0), errors: 0.0 }])
    }

    /// This from then on.
    pub(crate) fn then(mut self, from: f64, mode: Mode) -> Self {
        self.0.push(Phase { from, mode, errors: 0.0 });
        self
    }

    /// From then on it works, and this part of the calls fails.
    pub(crate) fn errors(mut self, from: f64, errors: f64) -> Self {
        self.0.push(Phase { from, mode: Mode::Works(1.0), errors });
        self
    }

    fn phase(&self, at: f64) -> Phase {
        *self.0.iter().rev().find(|phase| phase.from <= at).unwrap()
    }

    pub(crate) fn mode(&self, at: f64) -> Mode {
        self.phase(at).mode
    }

    pub(crate) fn error_rate(&self, at: f64) -> f64 {
        self.phase(at).errors
    }

    /// When `work` seconds of work are done that begin at `start`.
    pub(crate) fn done(&self, start: f64, work: f64) -> f64 {
        let (mut at, mut left) = (start, work);
        loop {
            let speed = match self.mode(at) {
                Mode::Works(speed) => speed,
                Mode::Refuses | Mode::Swallows => 0.0,
            };
            let next = self.0.iter().map(|phase| phase.from).find(|&from| from > at).unwrap_or(f64::INFINITY);
            let until = at + left / speed;
            if until <= next {
                return until;
            }
            left -= speed * (next - at);
            at = next;
        }
    }
}
