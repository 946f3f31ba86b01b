//! The server's stack: see the [module](super).

mod handle;
mod layer;
mod service;
mod settings;

pub use self::{
    handle::ServerHandle,
    layer::{ServerLayer, server},
    service::{Enter, Parts},
    settings::ServerSettings,
};
