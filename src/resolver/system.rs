//! The system's resolver configuration: the hosts file and resolv.conf(5), read again when they change.
//!
//! `/etc/nsswitch.conf` is not followed: hosts file first, then DNS.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use arc_swap::ArcSwap;
use hickory_resolver::system_conf::parse_resolv_conf;
use nix::errno::Errno;
use tokio::time::Instant;
use tracing::{info, warn};

use super::hosts::Hosts;
use super::nameservers::{Edns, Manners, Nameservers, Origin, Transport};

/// How names are resolved at the moment.
#[derive(Clone)]
pub(super) struct System {
    pub(super) hosts: Arc<Hosts>,
    pub(super) dns: Arc<Dns>,
}

/// Whom to ask, and for which names.
pub(super) struct Dns {
    pub(super) nameservers: Nameservers,
    /// Without the final dot.
    pub(super) search: Vec<String>,
    pub(super) ndots: usize,
}

/// The files that the system's configuration is read from; by default `/etc/hosts` and `/etc/resolv.conf`.
#[derive(Clone, Debug)]
pub struct Files {
    /// See hosts(5).
    pub hosts: PathBuf,
    /// See resolv.conf(5).
    pub resolv_conf: PathBuf,
}

/// The current [`System`], kept up to date.
pub(super) struct Live {
    files: Files,
    /// Asked instead of the system's, if there are any.
    nameservers: Vec<SocketAddr>,
    current: ArcSwap<System>,
    seen: Mutex<Seen>,
}

/// What the current [`System`] was read from.
struct Seen {
    checked: Instant,
    hosts: Option<Stamp>,
    resolv_conf: Option<Stamp>,
}

/// What tells two versions of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Whether earlier answers came from resolvers that are no longer asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolvers {
    Same,
    Changed,
}

impl Live {
    pub(super) fn new(files: Files, nameservers: Vec<SocketAddr>, now: Instant) -> Self {
        // Stamps before contents: a change in between is then seen at the next check.
        let seen = Seen { checked: now, hosts: Stamp::of(&files.hosts), resolv_conf: Stamp::of(&files.resolv_conf) };
        let hosts = read(&files.hosts).unwrap_or_default();
        let resolv_conf = read(&files.resolv_conf).unwrap_or_default();
        let system = System {
            hosts: Arc::new(Hosts::parse(&String::from_utf8_lossy(&hosts))),
            dns: Arc::new(read_resolv_conf(&files.resolv_conf, resolv_conf, &nameservers)),
        };
        Self { files, nameservers, current: ArcSwap::from_pointee(system), seen: Mutex::new(seen) }
    }

    /// The system as it is now, give or take [`CHECK_INTERVAL`].
    pub(super) fn current(&self, now: Instant) -> (Arc<System>, Resolvers) {
        let resolvers = self.refresh(now);
        (self.current.load_full(), resolvers)
    }

    /// The system as it was when somebody last looked.
    pub(super) fn latest(&self) -> Arc<System> {
        self.current.load_full()
    }

    fn refresh(&self, now: Instant) -> Resolvers {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(seen.checked) < CHECK_INTERVAL {
            return Resolvers::Same;
        }
        seen.checked = now;
        let hosts = Stamp::of(&self.files.hosts);
        let resolv_conf = Stamp::of(&self.files.resolv_conf);
        if hosts == seen.hosts && resolv_conf == seen.resolv_conf {
            return Resolvers::Same;
        }
        let mut system = System::clone(&self.current.load());
        if hosts != seen.hosts
            && let Some(text) = read(&self.files.hosts)
        {
            info!(file = %self.files.hosts.display(), "hosts file changed, read again");
            system.hosts = Arc::new(Hosts::parse(&String::from_utf8_lossy(&text)));
            seen.hosts = hosts;
        }
        let mut resolvers = Resolvers::Same;
        if resolv_conf != seen.resolv_conf
            && let Some(text) = read(&self.files.resolv_conf)
        {
            info!(file = %self.files.resolv_conf.display(), "resolver configuration changed, read again");
            system.dns = Arc::new(read_resolv_conf(&self.files.resolv_conf, text, &self.nameservers));
            seen.resolv_conf = resolv_conf;
            resolvers = Resolvers::Changed;
        }
        self.current.store(Arc::new(system));
        resolvers
    }
}

impl Default for Files {
    fn default() -> Self {
        Self { hosts: "/etc/hosts".into(), resolv_conf: "/etc/resolv.conf".into() }
    }
}

impl Stamp {
    /// None: there is no such file, or it cannot be looked at.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// `nameservers` are asked instead of the file's, if there are any; the rest of the file holds either way.
fn read_resolv_conf(path: &Path, mut text: Vec<u8>, nameservers: &[SocketAddr]) -> Dns {
    let transport = if wants_tcp(&text) { Transport::Tcp } else { Transport::UdpFirst };
    // hickory takes a file without a resolver for an error and with it throws away the search domains; the line added
    // here is taken off again.
    text.extend_from_slice(b"\nnameserver 0.0.0.0\n");
    let (mut config, options) = parse_resolv_conf(&text).unwrap_or_else(|error| {
        warn!(file = %path.display(), %error, "resolver configuration not understood, nothing of it is used");
        Default::default()
    });
    config.name_servers.pop();
    let mut addresses: Vec<SocketAddr> =
        config.name_servers.iter().take(MAX_SYSTEM_RESOLVERS).map(|server| SocketAddr::new(server.ip, 53)).collect();
    let mut origin = Origin::Configured;
    if !nameservers.is_empty() {
        addresses = nameservers.to_vec();
    } else if addresses.is_empty() {
        info!(file = %path.display(), "no resolver is named: the one on this host is asked, 127.0.0.1");
        addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))];
        origin = Origin::Default;
    }
    let manners = Manners {
        timeout: options.timeout.clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT),
        tries: options.attempts.clamp(1, MAX_TRIES),
        edns: if options.edns0 { Edns::Offered } else { Edns::No },
        transport,
        origin,
    };
    // The last of the lines `search` and `domain` counts; without either it is the domain of this host's own name.
    let domains = if config.search.is_empty() { config.domain.into_iter().collect() } else { config.search };
    let search = domains
        .iter()
        .map(|domain| domain.to_ascii().trim_end_matches('.').to_lowercase())
        .filter(|domain| !domain.is_empty())
        .take(MAX_SEARCH_DOMAINS)
        .collect();
    let nameservers = Nameservers::new(&addresses, manners).unwrap_or_else(|error| {
        warn!(%error, "no resolver can be asked");
        Nameservers::none()
    });
    Dns { nameservers, search, ndots: options.ndots }
}

/// Whether the file wants questions over TCP only (`options use-vc`), which hickory does not tell.
fn wants_tcp(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next() == Some("options") && words.any(|word| word == "use-vc")
    })
}

/// A file that is missing, or that we may not read, is like an empty one. `None`: there was no descriptor or memory to
/// read it with, so that what was read before holds.
fn read(path: &Path) -> Option<Vec<u8>> {
    let error = match fs::read(path) {
        Ok(text) => return Some(text),
        Err(error) => error,
    };
    if error.kind() == io::ErrorKind::NotFound {
        return Some(Vec::new());
    }
    warn!(file = %path.display(), %error, "cannot be read");
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => None,
        Some(_) | None => Some(Vec::new()),
    }
}

/// How often the files are looked at; local files, so that it costs a few microseconds.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// As the C library has it (`MAXNS`).
const MAX_SYSTEM_RESOLVERS: usize = 3;

/// Above this a lookup does not end in time anyway.
const MAX_SEARCH_DOMAINS: usize = 16;

const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_TRIES: usize = 3;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tempfile::TempDir;

    use super::*;

    struct Etc {
        directory: TempDir,
        files: Files,
    }

    impl Etc {
        fn new(hosts: &str, resolv_conf: &str) -> Self {
            let directory = TempDir::new().unwrap();
            let files =
                Files { hosts: directory.path().join("hosts"), resolv_conf: directory.path().join("resolv.conf") };
            fs::write(&files.hosts, hosts).unwrap();
            fs::write(&files.resolv_conf, resolv_conf).unwrap();
            Self { directory, files }
        }

        /// As editors and configuration management do it: a new file takes the old one's place.
        fn replace(&self, file: &Path, text: &str) {
            let new = self.directory.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, file).unwrap();
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(resolv_conf: &str, nameservers: &[&str], expected: (&[&str], &[&str], usize)) {
        let etc = Etc::new("", resolv_conf);
        let nameservers: Vec<SocketAddr> = nameservers.iter().map(|address| address.parse().unwrap()).collect();
        let dns = read_resolv_conf(&etc.files.resolv_conf, read(&etc.files.resolv_conf).unwrap(), &nameservers);
        let addresses: Vec<String> = dns.nameservers.addresses().map(|address| address.to_string()).collect();
        assert_eq!(
            (addresses, dns.search, dns.ndots),
            (
                expected.0.iter().map(ToString::to_string).collect(),
                expected.1.iter().map(ToString::to_string).collect(),
                expected.2
            )
        );
    }

    #[test]
    fn resolv_conf_is_read_as_the_system_reads_it() {
        check(
            "search corp.example Example.\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:5\n",
            &[],
            (&["192.0.2.53:53", "[2001:db8::53]:53"], &["corp.example", "example"], 5),
        );
        check(
            "domain a.example\nsearch b.example\nnameserver 192.0.2.53\n",
            &[],
            (&["192.0.2.53:53"], &["b.example"], 1),
        );
        check(
            "search b.example\ndomain a.example\nnameserver 192.0.2.53\n",
            &[],
            (&["192.0.2.53:53"], &["a.example"], 1),
        );
        check(
            "search a.example\n\
             nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
            &[],
            (&["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"], &["a.example"], 1),
        );
    }

    #[test]
    fn nameservers_of_the_command_line_replace_only_the_systems_own() {
        check(
            "search corp.example\nnameserver 192.0.2.53\noptions ndots:2\n",
            &["127.0.0.1:5353", "[::1]:53"],
            (&["127.0.0.1:5353", "[::1]:53"], &["corp.example"], 2),
        );
        check("search corp.example\n", &["127.0.0.1:5353"], (&["127.0.0.1:5353"], &["corp.example"], 1));
    }

    #[test]
    fn without_a_resolver_in_the_file_this_host_is_asked() {
        check("search corp.example\n", &[], (&["127.0.0.1:53"], &["corp.example"], 1));
        check("# nameserver 192.0.2.53\n", &[], (&["127.0.0.1:53"], &[], 1));
        check("", &["192.0.2.53:5353"], (&["192.0.2.53:5353"], &[], 1));
        let nowhere = Path::new("/nonexistent/resolv.conf");
        assert_eq!(read(nowhere), Some(Vec::new()));
        let dns = read_resolv_conf(nowhere, Vec::new(), &[]);
        assert!(dns.nameservers.addresses().eq(["127.0.0.1:53".parse().unwrap()]));
    }

    #[test]
    fn use_vc_is_an_option_of_its_own() {
        for (text, wanted) in [
            ("nameserver 192.0.2.53\noptions use-vc\n", true),
            ("options ndots:2 use-vc edns0", true),
            ("options ndots:2\n options\tuse-vc", true),
            ("nameserver 192.0.2.53\noptions edns0\n", false),
            ("# options use-vc\n;options use-vc\n", false),
            ("options no-use-vc use-vcs\nsearch use-vc\n", false),
        ] {
            assert_eq!(wants_tcp(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_changed_hosts_file_is_read_again_at_the_next_check() {
        let etc = Etc::new("10.0.0.1 app\n", "nameserver 192.0.2.53\n");
        let start = Instant::now();
        let live = Live::new(etc.files.clone(), vec![], start);
        etc.replace(&etc.files.hosts, "10.0.0.2 app\n");

        let (system, resolvers) = live.current(start + CHECK_INTERVAL / 2);
        assert_eq!(system.hosts.find("app"), Some(&[ip("10.0.0.1")][..]));
        assert_eq!(resolvers, Resolvers::Same);

        let (system, resolvers) = live.current(start + CHECK_INTERVAL);
        assert_eq!(system.hosts.find("app"), Some(&[ip("10.0.0.2")][..]));
        assert_eq!(resolvers, Resolvers::Same);
    }

    #[test]
    fn a_changed_resolv_conf_brings_other_resolvers_once() {
        let etc = Etc::new("", "nameserver 192.0.2.53\n");
        let start = Instant::now();
        let live = Live::new(etc.files.clone(), vec![], start);
        etc.replace(&etc.files.resolv_conf, "nameserver 192.0.2.54\n");

        let (system, resolvers) = live.current(start + CHECK_INTERVAL);
        assert_eq!(resolvers, Resolvers::Changed);
        assert!(system.dns.nameservers.addresses().eq(["192.0.2.54:53".parse().unwrap()]));
        assert_eq!(live.current(start + CHECK_INTERVAL * 2).1, Resolvers::Same);

        fs::remove_file(&etc.files.resolv_conf).unwrap();
        let (system, resolvers) = live.current(start + CHECK_INTERVAL * 3);
        assert_eq!(resolvers, Resolvers::Changed);
        assert!(system.dns.nameservers.addresses().eq(["127.0.0.1:53".parse().unwrap()]));
    }
}
