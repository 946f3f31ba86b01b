//! The client's stack: see the [module](super).

mod carried;
mod handle;
mod layer;
#[cfg(feature = "serde")]
mod patch;
mod request;
mod service;
mod settings;

#[cfg(feature = "serde")]
pub use self::patch::ClientPatch;
#[cfg(feature = "http")]
pub use self::request::Destination;
pub use self::{
    carried::{Carried, Routed},
    handle::ClientHandle,
    layer::{Calls, ClientLayer, client},
    request::{IntoCall, OneDestination, Plain},
    service::{Client, Parts},
    settings::ClientSettings,
};
