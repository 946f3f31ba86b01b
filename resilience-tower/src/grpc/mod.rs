//! gRPC over `tonic`: what its codes mean, and refusals as [`Status`](tonic::Status).

mod classify;
mod hint;
mod status;

pub use self::{
    classify::{ClassifyCode, ClassifyGrpc},
    status::{IntoStatus, StatusFuture, StatusLayer, status},
};
