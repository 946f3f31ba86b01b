//! Retries: whether a failed operation may be tried again.

pub mod budget;

pub use budget::RetryBudget;
