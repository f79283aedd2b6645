//! The servers of every pool at one moment: what targets are made of, together with the configuration.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Server, Servers, Source};

/// The servers of each pool: the lists of its sources one after the other, and each server once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    by_pool: HashMap<Arc<str>, Servers>,
}

impl Lists {
    /// What the sources of each pool list before anybody has been asked.
    pub fn listed<'p>(pools: impl IntoIterator<Item = (&'p Arc<str>, &'p [Source])>) -> Self {
        pools.into_iter().map(|(pool, sources)| (pool.clone(), sources.iter().map(Source::listed).collect())).collect()
    }

    /// The servers of a pool, in the order of its sources.
    #[must_use]
    pub fn servers(&self, pool: &str) -> &[Server] {
        self.by_pool.get(pool).map_or(&[], AsRef::as_ref)
    }
}

/// Of each pool its name and the lists of its sources.
impl FromIterator<(Arc<str>, Vec<Servers>)> for Lists {
    fn from_iter<P: IntoIterator<Item = (Arc<str>, Vec<Servers>)>>(pools: P) -> Self {
        Self { by_pool: pools.into_iter().map(|(pool, lists)| (pool, joined(&lists))).collect() }
    }
}

/// A server that two sources have is one server, the first one's.
fn joined(lists: &[Servers]) -> Servers {
    if let [only] = lists {
        return only.clone();
    }
    let mut seen = HashSet::new();
    let servers = lists.iter().flat_map(|list| list.iter());
    servers.filter(|server| seen.insert(server.identity())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Fixed;

    fn list(servers: &[&str]) -> Servers {
        servers.iter().map(|server| Server::parse(server).unwrap()).collect()
    }

    #[test]
    fn sources_add_up_and_a_server_of_two_of_them_is_one() {
        let pools = [
            (Arc::from("web"), vec![list(&["10.0.0.4", "App.example.com"]), list(&["app.example.com.", "10.0.0.5"])]),
            (Arc::from("api"), vec![list(&["10.0.0.4"])]),
            (Arc::from("none"), Vec::new()),
        ];
        let lists: Lists = pools.into_iter().collect();
        let of = |pool: &str| lists.servers(pool).iter().map(|server| server.written.to_string()).collect::<Vec<_>>();
        assert_eq!(of("web"), ["10.0.0.4", "App.example.com", "10.0.0.5"]);
        assert_eq!(of("api"), ["10.0.0.4"]);
        assert!(of("none").is_empty() && of("another").is_empty());
    }

    #[test]
    fn a_fixed_list_is_known_without_asking() {
        let (name, sources) = (Arc::from("web"), [Source::Fixed(Fixed::new(list(&["10.0.0.4"]).to_vec()))]);
        let lists = Lists::listed([(&name, sources.as_slice())]);
        assert_eq!(lists.servers("web"), &*list(&["10.0.0.4"]));
    }
}
