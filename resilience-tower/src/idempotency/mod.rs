mod context;
mod engine;
mod guard;
mod outcome;
mod settings;

pub use self::{
    context::IdempotencyContext,
    guard::{Done, Guard, RunError},
    outcome::{Disposition, MayHaveRun, Ran, Refused, Worked},
    settings::{Execution, OnStoreError, Settings},
};
