//! The settings of the ready-made stacks from a file: what is read, refused, written, layered, and put in force.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod anything;
mod layers;
mod live;
mod reference;
mod refused;
mod round_trip;
#[cfg(feature = "schemars")]
mod schema;

use resilience_tower::stack::{ClientSettings, ServerSettings};

const REFERENCE: &str = include_str!("../../stack.reference.toml");

/// What a service might have: one of each.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
struct File {
    client: ClientSettings,
    server: ServerSettings,
}

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

fn client(text: &str) -> ClientSettings {
    toml::from_str(text).unwrap()
}

fn server(text: &str) -> ServerSettings {
    toml::from_str(text).unwrap()
}

/// Settings show themselves whole, and cannot be compared otherwise: an algorithm may be anybody's.
#[track_caller]
fn same(left: &impl std::fmt::Debug, right: &impl std::fmt::Debug) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}
