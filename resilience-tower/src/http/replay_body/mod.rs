//! Bodies that stream and can be sent again, up to a cap.

mod body;
mod buffer;
mod error;
mod fresh;
mod layer;
mod service;
mod state;
mod step;

pub use self::{body::ReplayBody, error::ReplayError, layer::ReplayBodyLayer, service::WithReplayBody};
