//! A channel under the client's stack: see the [module](super).

mod ahead;
mod classify;
mod future;
mod methods;
mod request;
mod service;
mod wire;

pub use self::{
    classify::ClassifyChannel,
    future::WireFuture,
    methods::Methods,
    request::RequestBody,
    service::{Client, Guarded, client, client_with},
    wire::Wire,
};
