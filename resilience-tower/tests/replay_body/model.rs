//! Any sequence of polls, copies and drops, against a naive model: a list of all that was ever received, and who has read how far.

use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;
use proptest::prelude::*;
use resilience_tower::{http::ReplayBody, retry::Replay};

use crate::script::{Got, Says, Script, Step, Wakes, poll, rest, trailers};

#[derive(Clone, Debug)]
struct Case {
    steps: Vec<Step>,
    says: Says,
    says_when_it_ends: bool,
    cap: usize,
    actions: Vec<Action>,
}

/// On the handle of that place among those there are.
#[derive(Clone, Copy, Debug)]
enum Action {
    Poll(usize),
    Copy(usize),
    Drop(usize),
    /// Ask whether it is complete, which announces it.
    Ask(usize),
}

fn cases() -> impl Strategy<Value = Case> {
    let data = prop::collection::vec(any::<u8>(), 0..6).prop_map(|data| Step::Data(data.into()));
    let step = prop_oneof![2 => Just(Step::Pending), 5 => data];
    let end = prop_oneof![
        3 => Just(vec![]),
        2 => Just(vec![Step::Trailers(trailers())]),
        1 => Just(vec![Step::Pending, Step::Trailers(trailers()), Step::Pending]),
        1 => Just(vec![Step::Fail]),
    ];
    let says = prop_oneof![Just(Says::Nothing), Just(Says::Bounds), Just(Says::Exactly)];
    let action = prop_oneof![
        8 => (0..8_usize).prop_map(Action::Poll),
        2 => (0..8_usize).prop_map(Action::Copy),
        1 => (0..8_usize).prop_map(Action::Drop),
        1 => (0..8_usize).prop_map(Action::Ask),
    ];
    (
        (prop::collection::vec(step, 0..9), end),
        (says, any::<bool>()),
        prop_oneof![Just(0), 0..40_usize, Just(usize::MAX)],
        prop::collection::vec(action, 0..60),
    )
        .prop_map(|((mut steps, end), (says, says_when_it_ends), cap, actions)| {
            steps.extend(end);
            Case { steps, says, says_when_it_ends, cap, actions }
        })
}

/// A handle under test, and what the model knows of it.
struct Handle {
    body: ReplayBody<Script>,
    wakes: Arc<Wakes>,
    turn: Option<usize>,
    /// When it was last asked, or what it is a copy of.
    asked: usize,
    /// How much of the list it has read.
    at: usize,
    is_waiting: bool,
}

struct Model {
    /// What the body is still to do.
    steps: Vec<Step>,
    received: Vec<Step>,
    cap: usize,
    turns: usize,
    questions: usize,
    /// The question that came before the current handle.
    newest: usize,
    /// Whether the list may be read from its beginning.
    complete: bool,
    failed: bool,
    handles: Vec<Handle>,
}

fn size(step: &Step) -> usize {
    match step {
        Step::Data(data) => data.len(),
        Step::Trailers(_) => 10,
        _ => 0,
    }
}

fn data_len(steps: &[Step]) -> u64 {
    steps.iter().filter(|step| matches!(step, Step::Data(_))).map(size).sum::<usize>() as u64
}

fn got(step: &Step) -> Got {
    match step {
        Step::Data(data) => Got::Data(data.clone()),
        Step::Trailers(trailers) => Got::Trailers(trailers.clone()),
        Step::Pending => Got::Pending,
        Step::Fail | Step::Panic => Got::Failed,
    }
}

impl Model {
    fn new(case: &Case) -> Self {
        let script = Script::new(case.steps.clone()).saying(case.says, case.says_when_it_ends);
        let steps = if case.says_when_it_ends { up_to_the_end(&case.steps) } else { case.steps.clone() };
        let first = Handle {
            body: ReplayBody::new(script, case.cap),
            wakes: Arc::default(),
            turn: None,
            asked: 0,
            at: 0,
            is_waiting: false,
        };
        Self {
            steps,
            received: Vec::new(),
            cap: case.cap,
            turns: 0,
            questions: 0,
            newest: 0,
            complete: true,
            failed: false,
            handles: vec![first],
        }
    }

    fn fresh(&self) -> usize {
        self.handles.iter().filter(|handle| handle.turn.is_none()).count()
    }

    fn current(&self) -> Option<usize> {
        self.handles.iter().position(|handle| handle.turn == Some(self.turns))
    }

    fn poll(&mut self, place: usize) {
        let before = self.current().map(|current| {
            let handle = &self.handles[current];
            (current, handle.is_waiting, handle.wakes.count())
        });
        let began = self.handles[place].turn.is_none();
        let expected = self.expect(place);
        let handle = &mut self.handles[place];
        assert_eq!(poll(&mut handle.body, &handle.wakes), expected);
        handle.is_waiting = expected == Got::Pending;
        let began = began && handle.turn.is_some();
        if let Some((current, true, wakes)) = before.filter(|_| began) {
            assert!(self.handles[current].wakes.count() > wakes, "the superseded handle is woken");
        }
    }

    /// What a poll must yield, and what it changes.
    fn expect(&mut self, place: usize) -> Got {
        if self.handles[place].turn.is_none() {
            if self.handles[place].asked < self.newest {
                return Got::Superseded;
            }
            if !self.complete {
                return Got::Incomplete;
            }
            self.newest = self.handles[place].asked;
            self.turns += 1;
            self.handles[place].turn = Some(self.turns);
        }
        if self.handles[place].turn != Some(self.turns) {
            return Got::Superseded;
        }
        let fresh = self.fresh();
        let at = &mut self.handles[place].at;
        // Empty frames are not replayed.
        while self.received.get(*at).is_some_and(is_empty) {
            *at += 1;
        }
        if let Some(step) = self.received.get(*at) {
            *at += 1;
            self.complete &= fresh > 0;
            return got(step);
        }
        if self.failed {
            return Got::Incomplete;
        }
        if self.steps.is_empty() {
            return Got::End;
        }
        let step = self.steps.remove(0);
        match step {
            Step::Pending => return Got::Pending,
            Step::Fail | Step::Panic => (self.failed, self.complete) = (true, false),
            Step::Data(_) | Step::Trailers(_) => {
                self.received.push(step.clone());
                let fits = is_empty(&step) || self.received.iter().map(size).sum::<usize>() <= self.cap;
                if !fits && self.is_awaited() {
                    // For the attempt that was asked for, and is still to begin.
                    self.turns += 1;
                    return Got::Superseded;
                }
                self.handles[place].at += 1;
                self.complete &= is_empty(&step) || fresh > 0 && fits;
            }
        }
        got(&step)
    }

    fn is_awaited(&self) -> bool {
        let is_next = |handle: &Handle| handle.turn.is_none() && handle.asked == self.questions;
        self.questions > self.newest && self.handles.iter().any(is_next)
    }

    fn copy(&mut self, place: usize) {
        let body = self.handles[place].body.try_clone().unwrap();
        let asked = self.handles[place].asked;
        let copy = Handle { body, wakes: Arc::default(), turn: None, asked, at: 0, is_waiting: false };
        self.handles.push(copy);
    }

    fn ask(&mut self, place: usize) {
        let handle = &mut self.handles[place];
        if handle.turn.is_none() {
            self.questions += 1;
            handle.asked = self.questions;
        }
        assert_eq!(handle.body.is_complete(), handle.turn.is_none() && self.complete);
    }

    fn drop(&mut self, place: usize) {
        self.handles.remove(place);
        if self.fresh() == 0 {
            let read = self.current().map(|current| &self.received[..self.handles[current].at]);
            self.complete &= read.is_some_and(|read| read.iter().all(is_empty));
            self.failed |= read.is_none();
        }
    }

    /// What each handle says about itself is true.
    fn check(&self, case: &Case) {
        for handle in &self.handles {
            let body = &handle.body;
            let can_send = match handle.turn {
                None => self.complete && handle.asked >= self.newest,
                turn => turn == Some(self.turns),
            };
            let fails = self.failed || self.steps.iter().any(|step| matches!(step, Step::Fail));
            if !can_send || fails {
                assert!(!body.is_end_stream());
                continue;
            }
            let unread: Vec<_> = self.received[handle.at..].iter().chain(&self.steps).cloned().collect();
            let (hint, length) = (body.size_hint(), data_len(&unread));
            assert!(hint.lower() <= length, "{hint:?} of {length}");
            assert!(hint.upper().is_none_or(|upper| length <= upper), "{hint:?} of {length}");
            if matches!(case.says, Says::Exactly) {
                assert_eq!(hint.exact(), Some(length), "the content length stays true");
            }
            let is_over = unread.iter().all(|step| is_empty(step) && !matches!(step, Step::Pending));
            if body.is_end_stream() {
                assert!(unread.iter().all(is_empty), "{unread:?} is still to come");
            } else if case.says_when_it_ends {
                assert!(!is_over || !self.steps.is_empty(), "it has ended");
            }
        }
    }
}

fn is_empty(step: &Step) -> bool {
    matches!(step, Step::Pending) || matches!(step, Step::Data(data) if data.is_empty())
}

/// A body that says when it ends is not polled after that.
fn up_to_the_end(steps: &[Step]) -> Vec<Step> {
    let last = steps.iter().rposition(|step| !matches!(step, Step::Pending));
    steps[..last.map_or(0, |last| last + 1)].to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8 * ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_sequence_agrees_with_the_model(case in cases()) {
        let mut model = Model::new(&case);
        for &action in &case.actions {
            let handles = model.handles.len();
            match action {
                _ if handles == 0 => break,
                Action::Poll(place) => model.poll(place % handles),
                Action::Copy(place) if handles < 6 => model.copy(place % handles),
                Action::Copy(_) => {}
                Action::Drop(place) => model.drop(place % handles),
                Action::Ask(place) => model.ask(place % handles),
            }
            model.check(&case);
        }
    }

    /// However the attempts before it ended, one that goes through sends just what the body has.
    #[test]
    fn every_attempt_that_completes_sends_all(mut case in cases(), abandoned_after in prop::collection::vec((0..12_usize, any::<bool>()), 0..5)) {
        case.steps.retain(|step| !matches!(step, Step::Fail));
        let (mut bytes, mut has_trailers) = (Vec::new(), false);
        for step in &case.steps {
            match step {
                Step::Data(data) => bytes.extend_from_slice(data),
                Step::Trailers(_) => has_trailers = true,
                Step::Pending | Step::Fail | Step::Panic => {}
            }
        }
        let script = Script::new(case.steps.clone()).saying(case.says, case.says_when_it_ends);
        let mut next_attempt = ReplayBody::new(script, usize::MAX);
        let mut still_there = Vec::new();
        for (polls, is_dropped) in abandoned_after {
            let mut attempt = next_attempt;
            next_attempt = attempt.try_clone().unwrap();
            for _ in 0..polls {
                poll(&mut attempt, &Arc::default());
            }
            if !is_dropped {
                still_there.push(attempt);
            }
        }
        prop_assert!(next_attempt.is_complete());
        let (mut sent, mut trailers_sent) = (Vec::new(), 0);
        for got in rest(&mut next_attempt) {
            match got {
                Got::Data(data) => sent.extend_from_slice(&data),
                Got::Trailers(map) => {
                    prop_assert_eq!(map, trailers());
                    trailers_sent += 1;
                }
                last => prop_assert_eq!(last, Got::End),
            }
        }
        prop_assert_eq!(Bytes::from(sent), Bytes::from(bytes));
        prop_assert_eq!(trailers_sent, usize::from(has_trailers));
    }
}
