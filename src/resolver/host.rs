//! What a server is reached by: an address, or a name to be resolved.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What a server is reached by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Ip(IpAddr),
    /// A DNS name in lower case, without a final dot.
    Name(Arc<str>),
}

impl Host {
    /// The IP address, when the host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}
