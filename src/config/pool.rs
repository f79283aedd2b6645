//! The rules of backend pools: settings that exist, and servers that stand there once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::decode::Located;
use super::load::Loader;
use super::names::{Names, POOLS};
use super::report::Place;
use super::value::quote;
use super::{BackendSettings, Pool, raw};
use crate::discovery::{Fixed, Host, Server, Source};

impl Loader {
    pub(super) fn pool(&mut self, pool: &raw::Pool, known: &mut Names, settings: &[Arc<BackendSettings>]) -> Pool {
        let key = format!("{}[{}]", POOLS.key, pool.index);
        let mut chosen: BTreeMap<usize, (usize, Place)> = BTreeMap::new();
        let mut order = Vec::new();
        for (index, name) in &pool.settings.right {
            let item = format!("{key}.settings[{index}]");
            let Some(position) = known.find(name, &item, &mut self.report) else {
                continue;
            };
            if let Some((first, place)) = chosen.get(&position) {
                let message = format!("this setting already stands at {key}.settings[{first}], {place}");
                self.report.error(Some(name.place), item, message);
            } else {
                chosen.insert(position, (*index, name.place));
                order.push(settings[position].clone());
            }
        }
        let servers = self.servers(pool, &key, &order);
        for (name, place, length) in [
            ("settings", pool.settings.place.filter(|_| pool.settings.whole), pool.settings.right.len()),
            ("servers", pool.servers.place.filter(|_| pool.servers.whole), pool.servers.right.len()),
        ] {
            if let (Some(place), 0) = (place, length) {
                self.report.warning(Some(place), format!("{key}.{name}"), "empty, so nothing of this pool is probed");
            }
        }
        let sources = vec![Source::Fixed(Fixed::new(servers))];
        let name = pool.name.value().cloned().unwrap_or_default();
        Pool { name, settings: order, min_servers: pool.min_servers.value().copied(), sources }
    }

    /// The servers of a pool: each only once, however it is written, and each with a name where a setting wants one.
    fn servers(&mut self, pool: &raw::Pool, key: &str, settings: &[Arc<BackendSettings>]) -> Vec<Server> {
        let wants_names = settings.iter().find(|settings| settings.pick_host_name_from_backend_address);
        let mut seen: HashMap<Host, (usize, Place)> = HashMap::new();
        let mut servers = Vec::with_capacity(pool.servers.right.len());
        for (index, Located { value: server, place }) in &pool.servers.right {
            let identity = server.identity();
            if let Some((first, place_of_first)) = seen.get(&identity) {
                let message = format!("this server already stands at {key}.servers[{first}], {place_of_first}");
                self.report.error(Some(*place), format!("{key}.servers[{index}]"), message);
                continue;
            }
            seen.insert(identity, (*index, *place));
            if let (Host::Ip(_), Some(settings)) = (&server.host, wants_names) {
                let message = format!(
                    "{} is an IP address, but backend setting {} takes the host name from the server \
                     (pick_host_name_from_backend_address); write a host name here, or set `host_name` there instead",
                    quote(&server.written),
                    quote(&settings.name)
                );
                self.report.error(Some(*place), format!("{key}.servers[{index}]"), message);
            }
            servers.push(server.clone());
        }
        servers
    }
}
