//! Renderings of a deep check: text for a terminal, and JSON in the words of Azure's connection troubleshoot.

pub(in crate::view) mod issues;
pub mod json;
pub(in crate::view) mod paper;
pub(in crate::view) mod stages;
pub mod text;
pub(in crate::view) mod tls;
pub(in crate::view) mod words;
