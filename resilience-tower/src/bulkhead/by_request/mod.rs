//! Permits by what the request says: its weight, its key.

mod choose;
pub(super) mod future;
mod layer;
mod service;

pub use self::{
    choose::{ByKey, Choose, Weighted},
    layer::BulkheadByRequestLayer,
    service::BulkheadByRequest,
};
