//! What the cross-crate tests share.

pub mod browser;
pub mod faults;
pub mod grpc;
pub mod inner;
pub mod process;
pub mod proxy;
pub mod recorded;
pub mod seed;
pub mod server;
pub mod servers;
pub mod shop;
pub mod text;
pub mod time;
#[cfg(tls)]
pub mod tls;
pub mod traced;

/// The programs of the README, so that they compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
