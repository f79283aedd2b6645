//! Renderings of a deep check: text for a terminal, and JSON in the words of Azure's connection troubleshoot.

mod issues;
pub mod json;
mod paper;
mod stages;
pub mod text;
mod tls;
mod words;
