//! Keys that items of several kinds have, read from their nodes.

use std::sync::Arc;

use super::decode::{number, text};
use super::value;
use super::yaml::Node;
use crate::probe::Protocol;

pub(super) fn name(node: &Node) -> Result<Arc<str>, String> {
    value::name(text(node)?)
}

pub(super) fn host(node: &Node) -> Result<Arc<str>, String> {
    value::host(text(node)?)
}

pub(super) fn port(node: &Node) -> Result<u16, String> {
    number(node, 1..=u32::from(u16::MAX)).map(|port| u16::try_from(port).unwrap_or(u16::MAX))
}

pub(super) fn protocol(node: &Node) -> Result<Protocol, String> {
    let text = text(node)?;
    Protocol::parse(text).ok_or_else(|| {
        format!("{} is not a protocol; it must be {}", value::quote(text), Protocol::list("or", |_| true))
    })
}
