//! Puts the errors of a foreign service under [`Error`], once, at the bottom of a stack, and takes them apart again at its top.

pub mod future;
mod layer;
mod service;
mod take;

pub use self::{layer::ErrorLayer, service::MapError, take::TakeRefusal};
#[doc(no_inline)]
pub use resilience_core::Error;
