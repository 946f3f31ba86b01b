//! The client's stack: see the [module](super).

mod carried;
#[cfg(feature = "http")]
mod destination;
mod handle;
mod layer;
#[cfg(feature = "serde")]
mod patch;
mod request;
mod service;
mod settings;

#[cfg(feature = "http")]
pub use self::destination::Destination;
#[cfg(feature = "serde")]
pub use self::patch::ClientPatch;
pub use self::{
    carried::{Carried, Routed},
    handle::ClientHandle,
    layer::{Calls, ClientLayer, client},
    request::{IntoCall, OneDestination, Plain},
    service::{Client, Parts},
    settings::ClientSettings,
};
