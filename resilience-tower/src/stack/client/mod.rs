//! The client's stack: see the [module](super).

mod carried;
mod handle;
mod layer;
mod request;
mod service;
mod settings;

#[cfg(feature = "http")]
pub use self::request::Destination;
pub use self::{
    carried::{Carried, Routed},
    handle::ClientHandle,
    layer::{ClientLayer, client},
    request::{IntoCall, OneDestination},
    service::{Client, Parts},
    settings::ClientSettings,
};
