//! The decision: each check on its own, and all of them in their order against a naive model.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use proptest::{option, prelude::*};

use super::{Decision, Failed, Reason, Retries, RetryPolicy, Safety};
use crate::{Backoff, Deadline, FailureKind, Hint, Rejected, Rng, Verdict, backoff::Jitter};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a starting point for the tests")]
fn t0() -> Instant {
    Instant::now()
}

/// Pauses of exactly 100, 200, 400 ms, and 1, 2, 4 s when throttled.
fn exact() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::exponential(100 * MS).jitter(Jitter::None))
}

fn failure(kind: FailureKind) -> Failed {
    Failed::new(Verdict::Failure(kind))
}

/// What the policy decides about a first failure, with an open purse.
fn first(policy: &RetryPolicy, failed: &Failed) -> Result<Duration, Reason> {
    again(policy, &mut Retries::new(), failed)
}

fn again(policy: &RetryPolicy, retries: &mut Retries, failed: &Failed) -> Result<Duration, Reason> {
    match policy.decide(retries, failed, t0, || Rng::from_seed(1).unit(), |_| true) {
        Decision::Again { after, .. } => Ok(after),
        Decision::Stop { reason, .. } => Err(reason),
    }
}

#[test]
fn failures_that_go_away_are_retried_and_others_are_not() {
    use FailureKind::{Fault, PeerOverloaded, Permanent, Throttled, Timeout, Transient};
    for kind in [Transient, Timeout, PeerOverloaded] {
        assert_eq!(first(&exact(), &failure(kind)), Ok(100 * MS), "{kind:?}");
    }
    assert_eq!(first(&exact(), &failure(Throttled)), Ok(SECOND));
    for kind in [Fault, Permanent] {
        assert_eq!(first(&exact(), &failure(kind)), Err(Reason::NotRetryable), "{kind:?}");
        assert_eq!(first(&exact().retryable(kind, true), &failure(kind)), Ok(100 * MS));
    }
    assert_eq!(first(&exact().retryable(Timeout, false), &failure(Timeout)), Err(Reason::NotRetryable));
    assert_eq!(first(&exact(), &Failed::new(Verdict::Ignored)), Err(Reason::NotRetryable));
}

#[test]
fn attempts_are_counted_with_the_first() {
    let (policy, mut retries) = (exact().max_attempts(3), Retries::new());
    let failed = failure(FailureKind::Transient);
    assert_eq!(again(&policy, &mut retries, &failed), Ok(100 * MS));
    assert_eq!(again(&policy, &mut retries, &failed), Ok(200 * MS));
    assert_eq!(retries.attempts(), 3);
    assert_eq!(again(&policy, &mut retries, &failed), Err(Reason::MaxAttempts));
    assert_eq!(retries.attempts(), 3);
    assert_eq!(first(&policy.max_attempts(1), &failed), Err(Reason::MaxAttempts));
}

#[test]
#[should_panic(expected = "max_attempts is 0, it must be from 1 to 4294967295")]
fn no_attempts_at_all_is_a_mistake() {
    let _ = RetryPolicy::new().max_attempts(0);
}

#[test]
fn trap_17_what_may_do_harm_is_not_repeated_unless_nothing_was_sent() {
    let harmful = |safety| Failed { safety, ..failure(FailureKind::Transient) };
    for safety in [Safety::Unsafe, Safety::Keyed] {
        assert_eq!(first(&exact(), &harmful(safety)), Err(Reason::Unsafe));
        let unsent = Failed { was_sent: false, ..harmful(safety) };
        assert_eq!(first(&exact(), &unsent), Ok(100 * MS));
        assert!(first(&exact().assume_idempotent(true), &harmful(safety)).is_ok());
    }
    let honoured = exact().honours_idempotency_keys(true);
    assert!(first(&honoured, &harmful(Safety::Keyed)).is_ok());
    assert_eq!(first(&honoured, &harmful(Safety::Unsafe)), Err(Reason::Unsafe));
    // And what cannot be sent again is no error, it is sent once.
    let gone = Failed { is_replayable: false, ..failure(FailureKind::Transient) };
    assert_eq!(first(&exact(), &gone), Err(Reason::NotReplayable));
}

#[test]
fn trap_18_a_hint_is_waited_for_in_full_and_a_long_one_ends_it() {
    let hinted = |hint| Failed { hint: Some(hint), ..failure(FailureKind::PeerOverloaded) };
    let at_least = |wait| first(&exact(), &hinted(Hint::AtLeast(wait)));
    assert_eq!(at_least(Duration::ZERO), Ok(100 * MS));
    assert_eq!(at_least(SECOND), Ok(1100 * MS), "and the jitter on top of it");
    assert_eq!(at_least(5100 * MS), Ok(5200 * MS), "just within the slack");
    assert_eq!(at_least(5100 * MS + Duration::from_nanos(1)), Err(Reason::Hint));
    let patient = exact().hint_slack(60 * SECOND);
    assert_eq!(first(&patient, &hinted(Hint::AtLeast(30 * SECOND))), Ok(30_100 * MS));
    assert_eq!(first(&exact(), &hinted(Hint::Never)), Err(Reason::Hint));
    assert_eq!(first(&exact(), &hinted(Hint::AtLeast(Duration::MAX))), Err(Reason::Hint));
}

#[test]
fn after_a_pushback_the_wait_is_exact_and_the_exponent_starts_again() {
    let (policy, mut retries) = (exact().max_attempts(9), Retries::new());
    let failed = failure(FailureKind::Transient);
    assert_eq!(again(&policy, &mut retries, &failed), Ok(100 * MS));
    assert_eq!(again(&policy, &mut retries, &failed), Ok(200 * MS));
    let pushed_back = Failed { hint: Some(Hint::Exactly(7 * MS)), ..failed };
    assert_eq!(again(&policy, &mut retries, &pushed_back), Ok(7 * MS));
    assert_eq!(again(&policy, &mut retries, &failed), Ok(100 * MS));
}

#[test]
fn who_is_overloaded_and_does_not_say_for_how_long_is_asked_once_more() {
    for (one, other) in [
        (FailureKind::Throttled, FailureKind::PeerOverloaded),
        (FailureKind::PeerOverloaded, FailureKind::PeerOverloaded),
    ] {
        let (policy, mut retries) = (exact().max_attempts(9), Retries::new());
        assert!(again(&policy, &mut retries, &failure(one)).is_ok());
        assert!(again(&policy, &mut retries, &failure(FailureKind::Transient)).is_ok());
        let hinted = Failed { hint: Some(Hint::AtLeast(MS)), ..failure(one) };
        assert!(again(&policy, &mut retries, &hinted).is_ok());
        assert_eq!(again(&policy, &mut retries, &failure(other)), Err(Reason::Hint));
    }
}

#[test]
fn the_throttled_base_lengthens_and_never_shortens() {
    let slow = exact().backoff(Backoff::exponential(3 * SECOND).jitter(Jitter::None));
    assert_eq!(first(&slow, &failure(FailureKind::Throttled)), Ok(3 * SECOND));
    let quick = exact().throttled_base(400 * MS);
    assert_eq!(first(&quick, &failure(FailureKind::Throttled)), Ok(400 * MS));
}

#[test]
fn a_pause_that_ends_at_the_deadline_ends_too_late() {
    let now = t0();
    let decide = |limit| {
        let failed =
            Failed { deadline: Some(Deadline::after(now, limit)), ..failure(FailureKind::Transient) };
        exact().decide(&mut Retries::new(), &failed, || now, || Rng::from_seed(1).unit(), |_| true)
    };
    let kind = FailureKind::Transient;
    assert_eq!(decide(100 * MS), Decision::Stop { reason: Reason::Deadline, kind: Some(kind) });
    assert_eq!(decide(101 * MS), Decision::Again { after: 100 * MS, kind });
}

#[test]
fn our_own_refusals_are_left_alone_unless_asked_but_a_cut_attempt_is_a_timeout() {
    let (limit, elapsed) = (SECOND, SECOND);
    let open = Failed::refused(Rejected::CircuitOpen { retry_after: Some(SECOND) });
    let throttled = Failed::refused(Rejected::Throttled { per_mille: 900 });
    let cut = Failed::refused(Rejected::AttemptTimeout { limit, elapsed });
    let over = |called| Failed::refused(Rejected::DeadlineExceeded { limit, elapsed, called });

    assert_eq!(first(&exact(), &open), Err(Reason::NotRetryable));
    assert_eq!(first(&exact(), &cut), Ok(100 * MS));
    assert_eq!(first(&exact(), &throttled), Err(Reason::Throttle), "which says whose");
    let eager = exact().retry_refusals(true);
    assert_eq!(first(&eager, &open), Ok(1100 * MS));
    assert_eq!(first(&eager, &throttled), Ok(100 * MS));
    let only_timeouts = eager.retryable(FailureKind::Transient, false);
    assert_eq!(first(&only_timeouts, &open), Err(Reason::NotRetryable), "as transient failures are not");
    let unsafe_open = Failed { safety: Safety::Unsafe, ..open };
    assert!(first(&eager, &unsafe_open).is_ok(), "nothing was sent");
    assert_eq!(first(&eager, &Failed { safety: Safety::Unsafe, ..cut }), Err(Reason::Unsafe));
    for called in [true, false] {
        assert_eq!(first(&eager, &over(called)), Err(Reason::NotRetryable));
    }
}

#[test]
fn trap_15_the_budget_is_asked_last_and_its_no_ends_it_at_once() {
    let decide = |policy: RetryPolicy, failed: Failed| {
        let mut asked = 0;
        let decision = policy.decide(
            &mut Retries::new(),
            &failed,
            t0,
            || Rng::from_seed(1).unit(),
            |_| {
                asked += 1;
                false
            },
        );
        (decision, asked)
    };
    let kind = FailureKind::Timeout;
    let denied = Decision::Stop { reason: Reason::Budget, kind: Some(kind) };
    assert_eq!(decide(exact(), failure(kind)), (denied, 1));
    // Nothing that stops an operation anyway is charged.
    let now = t0();
    for (policy, failed) in [
        (exact(), failure(FailureKind::Permanent)),
        (exact().max_attempts(1), failure(kind)),
        (exact(), Failed { safety: Safety::Unsafe, ..failure(kind) }),
        (exact(), Failed { is_replayable: false, ..failure(kind) }),
        (exact(), Failed { hint: Some(Hint::Never), ..failure(kind) }),
        (exact(), Failed { deadline: Some(Deadline::after(now, MS)), ..failure(kind) }),
    ] {
        assert_eq!(decide(policy, failed).1, 0, "{failed:?}");
    }
}

#[test]
fn the_time_and_chance_are_asked_for_only_where_they_matter() {
    let kind = FailureKind::Transient;
    let no_time = || -> Instant { panic!("there is no deadline") };
    let no_chance = || -> f64 { panic!("there is no jitter") };
    let decision = exact().decide(&mut Retries::new(), &failure(kind), no_time, no_chance, |_| true);
    assert_eq!(decision, Decision::Again { after: 100 * MS, kind });
    let last = RetryPolicy::new().max_attempts(1);
    let decision = last.decide(&mut Retries::new(), &failure(kind), no_time, no_chance, |_| true);
    assert_eq!(decision, Decision::Stop { reason: Reason::MaxAttempts, kind: Some(kind) });
}

/// One answer of the dependency.
#[derive(Clone, Debug)]
struct Answer {
    failed: Failed,
    /// How long it took.
    took: Duration,
    /// Whether the budget would grant a retry.
    grants: bool,
}

fn answer() -> impl Strategy<Value = Answer> {
    use FailureKind::{Fault, PeerOverloaded, Permanent, Throttled, Timeout, Transient};
    let kinds = prop::sample::select(vec![Transient, Timeout, Throttled, PeerOverloaded, Fault, Permanent]);
    let verdict = prop_oneof![
        12 => kinds.prop_map(Verdict::Failure),
        1 => Just(Verdict::Ignored),
    ];
    let (limit, elapsed) = (SECOND, SECOND);
    let rejected = prop_oneof![
        4 => Just(Rejected::AttemptTimeout { limit, elapsed }),
        1 => Just(Rejected::DeadlineExceeded { limit, elapsed, called: true }),
        1 => Just(Rejected::CircuitOpen { retry_after: None }),
        1 => Just(Rejected::Throttled { per_mille: 900 }),
        1 => (0..8000u32).prop_map(|wait| Rejected::CircuitOpen { retry_after: Some(wait * MS) }),
    ];
    let hint = prop_oneof![
        4 => (0..8000u32).prop_map(|wait| Hint::AtLeast(wait * MS)),
        2 => (0..8000u32).prop_map(|wait| Hint::Exactly(wait * MS)),
        1 => Just(Hint::Never),
    ];
    let failed = prop_oneof![
        4 => (verdict, option::weighted(0.3, hint)).prop_map(|(verdict, hint)| Failed { hint, ..Failed::new(verdict) }),
        1 => rejected.prop_map(Failed::refused),
    ];
    (failed, any::<bool>(), prop::bool::weighted(0.9), 0..3000u32, prop::bool::weighted(0.8)).prop_map(
        |(failed, was_sent, is_replayable, took, grants)| {
            let was_sent = failed.was_sent && was_sent;
            Answer { failed: Failed { was_sent, is_replayable, ..failed }, took: took * MS, grants }
        },
    )
}

#[derive(Clone, Debug)]
struct Settings {
    max_attempts: u32,
    retry_refusals: bool,
    keys: bool,
    assume: bool,
    jitter: bool,
    slack: Duration,
}

prop_compose! {
    fn settings()(
        max_attempts in 1..6u32,
        retry_refusals: bool,
        keys: bool,
        assume in prop::bool::weighted(0.2),
        jitter: bool,
        slack in 0..6000u32,
    ) -> Settings {
        Settings { max_attempts, retry_refusals, keys, assume, jitter, slack: slack * MS }
    }
}

impl Settings {
    fn policy(&self) -> RetryPolicy {
        let jitter = if self.jitter { Jitter::Full } else { Jitter::None };
        RetryPolicy::new()
            .max_attempts(self.max_attempts)
            .backoff(Backoff::exponential(100 * MS).jitter(jitter).cap(2 * SECOND))
            .throttled_base(SECOND)
            .hint_slack(self.slack)
            .retry_refusals(self.retry_refusals)
            .honours_idempotency_keys(self.keys)
            .assume_idempotent(self.assume)
    }
}

/// What the rules say about one failed attempt, spelt out one by one.
struct Model<'a> {
    settings: &'a Settings,
    /// Attempts made.
    attempts: u32,
    /// The exponent of the next pause.
    exponent: u32,
    unhinted: bool,
}

/// The pause lies between the two, or there is a reason to stop.
type Verdicts = Result<(Duration, Duration), Reason>;

impl Model<'_> {
    fn judge(&mut self, answer: &Answer, safety: Safety, left: Option<Duration>) -> Verdicts {
        let failed = &answer.failed;
        // 1. Is it a failure that goes away?
        let kind = match (failed.rejected, failed.verdict) {
            (Some(Rejected::DeadlineExceeded { .. }), _) => None,
            (Some(Rejected::AttemptTimeout { .. }), _) => Some(FailureKind::Timeout),
            (Some(_), _) => self.settings.retry_refusals.then_some(FailureKind::Transient),
            (None, Verdict::Failure(FailureKind::Fault | FailureKind::Permanent)) => None,
            (None, Verdict::Failure(kind)) => Some(kind),
            (None, _) => None,
        };
        let kind = kind.ok_or(match failed.rejected {
            Some(Rejected::Throttled { .. }) => Reason::Throttle,
            _ => Reason::NotRetryable,
        })?;
        // 2. Are attempts left?
        if self.attempts == self.settings.max_attempts {
            return Err(Reason::MaxAttempts);
        }
        // 3. May it be sent twice?
        let harmless = match safety {
            Safety::Idempotent => true,
            Safety::Keyed => self.settings.keys || self.settings.assume,
            Safety::Unsafe => self.settings.assume,
        };
        if !harmless && failed.was_sent {
            return Err(Reason::Unsafe);
        }
        // 4. Is it still there?
        if !failed.is_replayable {
            return Err(Reason::NotReplayable);
        }
        // 5. Does the other side want it?
        let throttled = kind == FailureKind::Throttled;
        let base = if throttled { SECOND } else { 100 * MS };
        let longest = (base * 2u32.pow(self.exponent)).min(2 * SECOND);
        let shortest = if self.settings.jitter { Duration::ZERO } else { longest };
        self.exponent += 1;
        let (shortest, longest) = match failed.hint {
            Some(Hint::Never) => return Err(Reason::Hint),
            Some(Hint::AtLeast(wait)) => {
                // Between the two the answer hangs on the jitter.
                if wait > longest + self.settings.slack {
                    return Err(Reason::Hint);
                }
                (wait + shortest, wait + longest)
            }
            Some(Hint::Exactly(wait)) => {
                self.exponent = 0;
                if wait > longest + self.settings.slack {
                    return Err(Reason::Hint);
                }
                (wait, wait)
            }
            None => {
                if throttled || kind == FailureKind::PeerOverloaded {
                    if self.unhinted {
                        return Err(Reason::Hint);
                    }
                    self.unhinted = true;
                }
                (shortest, longest)
            }
        };
        // 6. Does the deadline leave room?
        if left.is_some_and(|left| left <= shortest) {
            return Err(Reason::Deadline);
        }
        // 7. Does the budget grant it?
        if !answer.grants {
            return Err(Reason::Budget);
        }
        self.attempts += 1;
        Ok((shortest, longest))
    }
}

proptest! {
    /// Whole operations: a random policy, request and deadline, and a random answer to each attempt.
    #[test]
    fn every_decision_is_the_models(
        settings in settings(),
        safety in prop::sample::select(vec![Safety::Idempotent, Safety::Idempotent, Safety::Keyed, Safety::Unsafe]),
        limit in option::of(1..20_000u32),
        answers in prop::collection::vec(answer(), 1..8),
        seed: u64,
    ) {
        let policy = settings.policy();
        let mut rng = Rng::from_seed(seed);
        let mut now = t0();
        let deadline = limit.map(|limit| Deadline::after(now, limit * MS));
        let mut retries = Retries::new();
        let mut model = Model { settings: &settings, attempts: 1, exponent: 0, unhinted: false };

        for answer in &answers {
            now += answer.took;
            let failed = Failed { safety, deadline, ..answer.failed };
            let left = deadline.map(|deadline| deadline.remaining(now));
            let mut asked = 0;
            let decision = policy.decide(&mut retries, &failed, || now, || rng.unit(), |_| {
                asked += 1;
                answer.grants
            });
            let expected = model.judge(answer, safety, left);
            match decision {
                Decision::Again { after, .. } => {
                    // What must never happen, whatever the model says.
                    prop_assert!(deadline.is_none_or(|deadline| now + after < deadline.at()), "too late");
                    let hinted = failed.hint.and_then(Hint::wait).unwrap_or_default();
                    prop_assert!(after >= hinted, "earlier than the hint");
                    prop_assert!(safety != Safety::Unsafe || settings.assume || !failed.was_sent);
                    prop_assert!(answer.grants, "after a denial");
                    prop_assert_eq!(asked, 1);
                    let (shortest, longest) = expected.map_err(|reason| TestCaseError::fail(reason.to_string()))?;
                    prop_assert!(shortest <= after && after <= longest, "{shortest:?} {after:?} {longest:?}");
                    now += after;
                }
                Decision::Stop { reason, .. } => {
                    prop_assert_eq!(asked, u32::from(reason == Reason::Budget));
                    let hangs_on_the_jitter = settings.jitter && matches!(reason, Reason::Hint | Reason::Deadline);
                    if !hangs_on_the_jitter {
                        prop_assert_eq!(Err(reason), expected);
                    }
                    break;
                }
            }
            prop_assert_eq!(retries.attempts(), model.attempts);
        }
    }
}
