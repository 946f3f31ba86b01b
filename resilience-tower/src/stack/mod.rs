//! Ready-made stacks: all policies in the right order, with defaults that survive real failures.
//!
//! [`client`](fn@client) goes around what sends requests, [`server`](fn@server) (feature `http`) around what answers them. Both are layers
//! of named types; nothing is boxed. Each part has settings, can be left out, and has a handle while the stack runs; layers of one's own go into the slots.
//!
//! # A client, outermost first
//!
//! | part | by default | per destination |
//! |---|---|---|
//! | slot for the [operation](ClientLayer::operation) | empty | |
//! | total timeout, or the deadline that the call brings | 5 s | |
//! | bulkhead | off | |
//! | rate limit | off | |
//! | retry, with its budget | 3 attempts, paid for by successes | the budget |
//! | throttle | on | yes |
//! | circuit breaker | on | yes |
//! | adaptive limit | latency target of 0.8 attempt timeouts | yes |
//! | slot for the [attempt](ClientLayer::attempt) | empty | |
//! | attempt timeout | 2 s | |
//!
//! A call that a handler makes under a server's stack inherits the deadline of the request that it works on. The next server hears of
//! it, and of the correlation id, if told so: [`forward_deadline`](ClientLayer::forward_deadline) and
//! [`forward_correlation_id`](ClientLayer::forward_correlation_id) (feature `http`), for servers of one's own.
//!
//! # A server, outermost first
//!
//! | part | by default |
//! |---|---|
//! | correlation id: kept or made, and answered | `x-correlation-id` |
//! | refusals turned into responses | problem documents with `Retry-After` |
//! | slot for the [operation](ServerLayer::operation) | empty |
//! | [drain](ServerHandle::drain) | |
//! | adaptive limit, with fair shares for each [key](ServerLayer::per) | latency target of 200 ms |
//! | rate limit, for each key | off |
//! | the caller's deadline read | `x-request-timeout-ms` |
//! | bulkhead | off |
//! | total timeout | 30 s |
//! | the deadline handed on to the calls of the handler | |
//!
//! `axum` takes it with one `.layer(..)`. A handler asks [`inherited`](crate::call::inherited) for its deadline, and reads the
//! correlation id from the header of the request.
//!
//! A drain waits until the bodies of responses have been read; all other parts let go of a request when the head of its response
//! is there. A connection that is switched over (`101`, as for a WebSocket) is nobody's request from then on: nothing is held for it, no
//! timeout ends it, and a drain does not wait for it.
//!
//! Until a handler has read the body of a request, it takes as long as the client takes to send it, and nobody can tell for what it
//! waits: clients that send slowly look like a slow handler to the adaptive limit. Where clients may be slow and bodies are read whole,
//! have them read outside of the stack: by a proxy that buffers requests, or by a layer of your own.
//!
//! # In and out of a client's stack
//!
//! The service inside needs no changes: requests go in as they are, or in a [`Call`](resilience_core::Call) with a context of their own
//! ([`ClientLayer::calls`]), and errors come out as [`Error<E>`](resilience_core::Error).
#![cfg_attr(feature = "serde", doc = include_str!("settings.md"))]
#![cfg_attr(feature = "serde", doc = "```toml")]
#![cfg_attr(feature = "serde", doc = include_str!("../../stack.reference.toml"))]
#![cfg_attr(feature = "serde", doc = "```")]

mod client;
mod fixed;
mod optional;
#[cfg(feature = "http")]
mod server;

#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use self::{
    client::Destination,
    server::{Enter, Parts as ServerParts, ServerHandle, ServerLayer, ServerSettings, server},
};
pub use resilience_core::Invalid;

#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
pub use self::client::ClientPatch;
#[cfg(all(feature = "serde", feature = "http"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "serde", feature = "http"))))]
pub use self::server::ServerPatch;

pub use self::{
    client::{
        Calls, Carried, Client, ClientHandle, ClientLayer, ClientSettings, IntoCall, OneDestination, Parts,
        Plain, Routed, client,
    },
    optional::{Optional, OptionalFuture},
};
