//! The demo's world: backends for every cause that a machine can produce by itself, the configuration that probes
//! them, and what must be found.
//!
//! The backends live on 127.20.x.y, a network for each pool, with one port for each kind of service, so that the
//! configuration reads like a real one.

mod plain;
mod plan;
mod secure;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

use crate::lab::backend::Backend;
use crate::lab::behaviour::Behaviour;
use crate::lab::demo::plan::{Pool, SETTINGS};
use crate::lab::demo::secure::Material;
use crate::lab::dns::Nameserver;

/// Running backends, and the files of a configuration that probes them. All of it is gone when this is dropped.
#[derive(Debug)]
pub struct Demo {
    config_yaml: String,
    directory: TempDir,
    expected: Vec<Expected>,
    nameserver: Nameserver,
    _backends: Vec<Backend>,
}

/// What the report must say about one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub pool: &'static str,
    pub setting: &'static str,
    /// As written in the configuration.
    pub server: &'static str,
    /// `Healthy`, `Unhealthy` or `Unknown`.
    pub state: &'static str,
    /// The cause's code; `None` for a Healthy row.
    pub cause: Option<&'static str>,
}

impl Demo {
    /// Starts every backend and the name server, and writes the configuration and the files that it names.
    ///
    /// # Errors
    /// When this host cannot bind addresses of 127.0.0.0/8, no ports are free, or files cannot be written.
    pub async fn start() -> anyhow::Result<Self> {
        let material = Material::new()?;
        let mut pools = plain::pools();
        pools.extend(secure::pools(&material)?);
        let mut backends = Vec::new();
        let mut ports = BTreeMap::new();
        let preferred: BTreeSet<u16> = SETTINGS.iter().map(|setting| setting.port).collect();
        for preferred in preferred {
            let (port, started) = start_service(preferred, &pools)?;
            ports.insert(preferred, port);
            backends.extend(started);
        }
        let config_yaml = yaml::config(&pools, &ports)?;
        let directory = tempfile::Builder::new()
            .prefix("backend_health_demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .context("no temporary directory for the demo's certificates")?;
        for (name, content) in material.files()? {
            write(&directory.path().join(name), &content)?;
        }
        write(&directory.path().join(CONFIG_FILE), config_yaml.as_bytes())?;
        let expected = pools.iter().flat_map(Pool::expected).collect();
        let nameserver = Nameserver::start(plain::zone()).await.context("the demo's name server needs a free port")?;
        Ok(Self { config_yaml, directory, expected, nameserver, _backends: backends })
    }

    /// A whole configuration file. It also lies in [`Demo::directory`], under the name [`CONFIG_FILE`].
    #[must_use]
    pub fn config_yaml(&self) -> &str {
        &self.config_yaml
    }

    /// Where the files are that the configuration names.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What must be found, a row each, in the order of the report: pools, their servers, their settings.
    #[must_use]
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// The name server that knows the configuration's names.
    #[must_use]
    pub fn nameserver(&self) -> SocketAddr {
        self.nameserver.address()
    }
}

/// Starts the backends of all pools whose first setting prefers this port, on that port or on another one that is
/// free on all their addresses.
fn start_service(preferred: u16, pools: &[Pool]) -> anyhow::Result<(u16, Vec<Backend>)> {
    let servers: Vec<(IpAddr, &Behaviour)> = pools
        .iter()
        .filter(|pool| pool.port() == preferred)
        .flat_map(|pool| &pool.servers)
        .filter_map(|server| Some((server.address?.into(), server.behaviour.as_ref()?)))
        .collect();
    for port in candidates(preferred) {
        match start_all(port, &servers) {
            Ok(backends) => return Ok((port, backends)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).context("the demo's backends need addresses of 127.0.0.0/8"),
        }
    }
    anyhow::bail!("port {preferred} and its alternatives are all in use")
}

fn start_all(port: u16, servers: &[(IpAddr, &Behaviour)]) -> io::Result<Vec<Backend>> {
    servers.iter().map(|(ip, behaviour)| Backend::start_at(SocketAddr::new(*ip, port), (*behaviour).clone())).collect()
}

/// For 8080: 8080, 18080, 28080, 8081, 18081 and so on: below the ports that Linux gives to outgoing connections.
fn candidates(preferred: u16) -> impl Iterator<Item = u16> {
    (0..32).flat_map(move |step| [0, 10_000, 20_000].map(|base| preferred + base + step))
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// The configuration's file name in [`Demo::directory`].
pub const CONFIG_FILE: &str = "backend_health.yml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_has_alternatives_that_look_like_it() {
        let first: Vec<u16> = candidates(8443).take(5).collect();
        assert_eq!(first, [8443, 18443, 28443, 8444, 18444]);
        assert!(SETTINGS.iter().all(|setting| candidates(setting.port).all(|port| port < 32_768)));
    }

    #[tokio::test]
    async fn two_demos_run_side_by_side() {
        let first = Demo::start().await.expect("the first demo starts");
        let second = Demo::start().await.expect("the second demo starts");
        assert_ne!(first.config_yaml(), second.config_yaml());
        assert_eq!(first.expected(), second.expected());
    }

    #[tokio::test]
    async fn the_files_of_a_demo_go_with_it() {
        let demo = Demo::start().await.expect("the demo starts");
        let directory = demo.directory().to_owned();
        let config = std::fs::read_to_string(directory.join(CONFIG_FILE)).expect("the configuration is there");
        assert_eq!(config, demo.config_yaml());
        drop(demo);
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn every_file_that_the_configuration_names_is_there() {
        let demo = Demo::start().await.expect("the demo starts");
        let named: Vec<&str> = demo
            .config_yaml()
            .split(|char: char| " ,[]{}\n".contains(char))
            .filter(|word| [".pem", ".key", ".crl"].iter().any(|ending| word.ends_with(ending)))
            .collect();
        assert!(named.len() >= 4, "{named:?}");
        for name in named {
            assert!(demo.directory().join(name).exists(), "{name}");
        }
    }
}
