//! Puts the call context on a request at the top of a stack, and takes it off at the bottom.

mod transport;
mod wrap;

#[doc(no_inline)]
pub use resilience_core::{Call, CarryContext};

pub use self::{
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
