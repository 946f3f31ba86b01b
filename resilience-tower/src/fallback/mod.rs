//! Answers in place of a failed operation: with a value, with a function, or with another service.
//!
//! # When it answers
//!
//! The classifier says what an answer means ([`ErrorsAreFailures`](resilience_core::ErrorsAreFailures) unless another is given), so a
//! bad response, such as an HTTP 503, is replaced as well as an error. By default every failure is, but for a permanent one, and
//! so is every refusal of our own layers; what the classifier ignores is not. [`Causes`] says otherwise.
//!
//! An error of the inner service's `poll_ready` has no request to answer, and passes through; our own layers refuse in `call`.
//! A service that is not ready makes the caller wait as it would without a fallback: [`LoadShed`](crate::LoadShed) inside of
//! the fallback refuses instead, and then the fallback answers.
//!
//! # What comes back
//!
//! * A [value](FallbackLayer::value): a clone of it.
//! * A [function](FallbackLayer::function): what it returns, whatever that is. It is given the failed answer, and returns that if it
//!   has nothing better.
//! * A [service](FallbackLayer::service): its answer if the classifier calls that a success. **Otherwise the failed answer that it
//!   was to replace**: the first failure says what is wrong, and a cache that misses would hide it behind a "not found". So
//!   a fallback that fails changes nothing but the time it takes. Its errors may be of any type.
//!
//! A good answer of a fallback has a note of that where it has room, and then counts with
//! [`Outcome::Fallback`](resilience_core::Outcome): see [`Classify::annotate_fallback`](resilience_core::Classify::annotate_fallback). The
//! observer is told of each use of the fallback in any case.
//!
//! # What a fallback service is sent
//!
//! A copy of the request, made before the call ([`Replay`](crate::retry::Replay)); values and functions cost no copy. As with a retry,
//! the first request may have arrived although no answer came back. So the copy is sent only if sending it twice does no harm, the
//! call context [says so](resilience_core::Context::assume_idempotent), or nothing was sent before; an idempotency key does not count,
//! because the two services do not share it. [`repeat_unsafe`](FallbackLayer::repeat_unsafe) sends every request, as it should be
//! for one that carries nothing out, such as a queue that keeps the request for later.
//!
//! It runs [at most so many calls](FallbackLayer::max_concurrent) at a time. A dependency that has failed sends all of
//! its traffic here, to what was perhaps made for a tenth of it. Further calls do not wait, but get the failed answer.
//!
//! # What it costs while all goes well
//!
//! A function: a few nanoseconds. A value: a counted reference. A service: that, and the copy of the request.
//!
//! # Where it stands
//!
//! Outermost, inside of the operation metrics alone: it answers for what retry, breaker and total timeout have given up
//! on. Outside of the total timeout nothing limits the time of a fallback service: give it a timeout of its own.
//!
//! The failed answer is kept until a fallback service has answered, with the connection or permit that it may hold.

pub mod future;
mod layer;
mod rules;
mod service;
mod stand_in;
mod substitute;

pub use self::{
    layer::FallbackLayer,
    service::Fallback,
    stand_in::{ByRequest, Function, StandIn, Value},
    substitute::Substitute,
};
#[doc(no_inline)]
pub use resilience_core::fallback::{Cause, Causes, Ending};
