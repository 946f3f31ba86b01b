//! The server's stack: see the [module](super).

mod handle;
mod layer;
#[cfg(feature = "serde")]
mod patch;
mod policies;
mod service;
mod settings;

#[cfg(feature = "serde")]
pub use self::patch::ServerPatch;
pub use self::{
    handle::ServerHandle,
    layer::{ServerLayer, server},
    service::{Enter, Parts},
    settings::ServerSettings,
};
