//! Puts the call context on a request at the top of a stack, takes it off at the bottom, and hands its deadline on from the call
//! that a server is working on to those that it makes.

mod hand_on;
mod inherit;
mod transport;
pub(crate) mod under;
mod wrap;

#[doc(no_inline)]
pub use resilience_core::{Call, CarryContext};

pub use self::{
    hand_on::{HandOn, HandOnLayer, WithDeadline, inherited, with_deadline},
    inherit::{Inherit, InheritLayer},
    transport::{Transport, TransportLayer},
    wrap::{CallLayer, WrapCall},
};

use crate::time;

/// An attempt limit from further out counts from now, for this request and its copies.
pub(crate) fn settle<Req: CarryContext>(request: &mut Req) {
    if request.context().is_some_and(|context| context.attempt_limit().is_some()) {
        if let Some(context) = request.context_mut() {
            context.settle(time::now());
        }
    }
}
