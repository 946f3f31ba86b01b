//! Puts the call context on a request at the top of a stack, and takes it off at the bottom.

mod transport;
mod wrap;

#[doc(no_inline)]
pub use resilience_core::{Call, CarryContext};

pub use self::{
    transport::{Transport, TransportLayer},
    wrap::{CallLayer, WrapCall},
};
