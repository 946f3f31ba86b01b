//! Puts the errors of a foreign service under [`Error`], once, at the bottom of a stack.

pub mod future;
mod layer;
mod service;

pub use self::{layer::ErrorLayer, service::MapError};
#[doc(no_inline)]
pub use resilience_core::Error;
