//! Why configured material cannot be used.

/// A configured certificate, key or revocation list that cannot be used; why, in words, and never with its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableMaterial(pub String);
