//! Real backends on loopback that work, or fail on purpose: what the demo shows and what the tests probe.
//!
//! Everything here is a real socket, real HTTP and real TLS, with certificates that are made at start. The lab is
//! probed from outside and names no other module of the product: causes and states are plain strings here.
//!
//! - [`Backend`] binds an address and serves a [`Behaviour`] until it is dropped; [`Backend::set`] changes it at once.
//! - A [`Behaviour`] is a port that refuses, one that is silent, or a [`Service`]: a [`Script`] of steps, spoken
//!   plainly or inside TLS. [`tcp`], [`http`] and [`tls`] have a function for every script by name.
//! - [`tls::Pki`] makes certificate chains, good ones and faulty ones.
//! - [`Demo`] puts it all together, with the configuration file that fits.

pub mod backend;
pub mod behaviour;
pub mod demo;
pub mod dns;
pub mod http;
mod journal;
mod play;
pub mod script;
pub mod tcp;
pub mod tls;

pub use backend::Backend;
pub use behaviour::{Behaviour, Service};
pub use demo::Demo;
pub use journal::Handshake;
pub use script::Script;
