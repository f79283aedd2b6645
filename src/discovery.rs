//! Where the servers of a pool come from: sources, each of which has a list of servers and may have another one later.
//!
//! Every source hands out the same thing; nothing behind this module knows which source a server came from.
//!
//! A source is a file here with what the configuration says of it and how it is followed, and an arm in each function
//! of [`Source`]. [`Discovery`] runs them, [`Lists`] is what they have at one moment.

mod fixed;
mod lists;
mod running;
mod server;

#[cfg(test)]
pub(crate) use self::running::tests as told;

pub use self::fixed::Fixed;
pub use self::lists::Lists;
pub use self::running::{Discovery, Feed};
pub use self::server::{Host, Server, ServerError, dns_name};

use std::pin::Pin;
use std::sync::Arc;

/// The list of one source, in its own order.
pub type Servers = Arc<[Server]>;

/// A source of servers for one pool, as the configuration describes it. Equal ones are the same source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The servers stand in the configuration file.
    Fixed(Fixed),
    /// The servers are what a test says.
    #[cfg(test)]
    Told(told::Told),
}

impl Source {
    /// What it lists before anybody has been asked.
    #[must_use]
    pub fn listed(&self) -> Servers {
        match self {
            Self::Fixed(fixed) => fixed.servers(),
            #[cfg(test)]
            Self::Told(told) => told.listed(),
        }
    }

    /// What tells `feed` every other list that comes; `None`: there is never another one.
    fn following(&self, feed: Feed) -> Option<Following> {
        match self {
            Self::Fixed(_) => {
                drop(feed);
                None
            }
            #[cfg(test)]
            Self::Told(told) => Some(Box::pin(told.clone().follow(feed))),
        }
    }
}

/// A source that is followed, for ever.
type Following = Pin<Box<dyn Future<Output = ()> + Send>>;
