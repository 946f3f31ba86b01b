//! What a call costs through each layer, next to the bare call and to the crates people use today.
//!
//! A policy is one file in [`policies`]: it lists its cases, and for each case the implementations
//! to compare. The Criterion benchmarks and the `overhead` binary both run from that list, so a
//! number in one can be checked in the other.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod alloc;
pub mod harness;
pub mod memory;
pub mod policies;
pub mod recorder;
pub mod server;
pub mod stats;
pub mod subject;
pub mod thread;
pub mod time;
pub mod upstream;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;
