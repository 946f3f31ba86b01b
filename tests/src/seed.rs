//! Random tests that can be run again: the seed is printed, and can be given.

use std::{env, str::FromStr};

/// The number in the environment variable `name`, or `default`.
///
/// # Panics
///
/// If there is something else than a number in it.
#[must_use]
pub fn number<T: FromStr>(name: &str, default: T) -> T {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, it must be a number")),
        Err(_) => default,
    }
}

/// The seed of a random test: what the environment variable `name` says, or a new one. Prints it.
///
/// # Panics
///
/// If there is something else than a number in the variable.
#[must_use]
pub fn seed(name: &str) -> u64 {
    let seed = number(name, rand::random());
    println!("{name}={seed}");
    seed
}
