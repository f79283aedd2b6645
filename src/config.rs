//! Values that cannot be wrong: the checked configuration, as the rest of the program uses it.
//!
//! The file's own shape is in `raw`, and turning one into the other, with every error at once, in `load`.
//! Nothing here changes after loading; a reload makes a new [`Config`].

mod decode;
mod describe;
mod habits;
pub mod http;
mod item;
mod load;
mod login;
mod asking;
mod matching;
mod material;
mod names;
mod pool;
mod probe;
mod raw;
mod reader;
mod report;
mod tls;
mod trial;
mod value;
pub mod web;
mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::report::Report;
use crate::discovery::{Lists, Source};
use crate::probe::{Ask, ClientCertificate, Expectation, Protocol, Trust};
use crate::words::sha256;

pub use describe::describe;
pub use material::{client_certificate, trust_in, well_known_trust};
pub use trial::{Trial, TrialError};
pub use value::parse_duration;

/// A whole configuration file, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// In the file's order.
    pub pools: Vec<Pool>,
    /// All of them, in the file's order, those that no pool uses too.
    pub settings: Vec<Arc<BackendSettings>>,
    /// A Healthy row whose chain ends sooner than this carries a warning.
    pub certificate_expiry_warning: Duration,
    /// Names for Azure's REST shapes.
    pub azure: Option<Azure>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
    /// Every file that the configuration names, so that a change of content can be seen.
    pub files: Vec<NamedFile>,
}

impl Config {
    /// The sources of each pool.
    pub fn sources(&self) -> impl Iterator<Item = (&Arc<str>, &[Source])> {
        self.pools.iter().map(|pool| (&pool.name, pool.sources.as_slice()))
    }

    /// The servers that are known without asking anybody.
    #[must_use]
    pub fn listed(&self) -> Lists {
        Lists::listed(self.sources())
    }

    /// Whether a file that the configuration names has another content than when it was loaded, or can no longer be
    /// read. Reads all of them, so it blocks.
    #[must_use]
    pub fn files_changed(&self) -> bool {
        self.files.iter().any(NamedFile::has_changed)
    }
}

/// The text of a configuration file, kept so that it can be parsed again when a file that it names changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    pub path: PathBuf,
    pub text: String,
}

impl ConfigFile {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// When it cannot be read, is larger than 64 MiB or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let mut report = Report::new(path.display().to_string());
        match reader::utf8(material::read_named(path), &mut report) {
            Some(text) => Ok(Self { path: path.to_owned(), text }),
            None => Err(report.into_problems()),
        }
    }

    /// Checks the text, and reads the files that it names relative to its own directory. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong, in the file's order.
    pub fn parse(&self) -> Result<Config, Problems> {
        load::load(&self.path, &self.text)
    }
}

/// A file that the configuration names, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub path: PathBuf,
    /// SHA-256 of the content; `None` when it could not be read.
    digest: Option<[u8; 32]>,
}

impl NamedFile {
    fn new(path: PathBuf, content: Option<&[u8]>) -> Self {
        Self { path, digest: content.map(sha256) }
    }

    /// Whether it has another content than then. Blocks.
    fn has_changed(&self) -> bool {
        Self::new(self.path.clone(), material::read_named(&self.path).as_deref().ok()) != *self
    }
}

/// Names that Azure's resource ids are built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    pub subscription: String,
    pub resource_group: String,
    pub application_gateway: String,
    pub location: String,
}

/// A named set of servers and the settings under which they are probed.
#[derive(Clone, Debug)]
pub struct Pool {
    pub name: Arc<str>,
    pub settings: Vec<Arc<BackendSettings>>,
    /// How many servers it should have; shown, and changes no state.
    pub min_servers: Option<u32>,
    /// Their servers add up.
    pub sources: Vec<Source>,
}

/// A backend setting: how a pool's servers are spoken to and what is trusted.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    pub name: Arc<str>,
    pub protocol: Protocol,
    pub port: u16,
    /// The custom probe, or the default one.
    pub probe: Arc<HealthProbe>,
    /// Lower case.
    pub host_name: Option<Arc<str>>,
    pub pick_host_name_from_backend_address: bool,
    /// Present for https and tls.
    pub trust: Option<Arc<Trust>>,
    pub client_certificate: Option<Arc<ClientCertificate>>,
    pub validate_cert_chain_and_expiry: bool,
    pub validate_sni: bool,
    pub sni_name: Option<Arc<str>>,
}

/// A health probe: how to ask, and what counts as healthy.
#[derive(Clone, Debug)]
pub struct HealthProbe {
    /// `None` for the default probe.
    pub name: Option<Arc<str>>,
    pub host: Option<Arc<str>>,
    pub port: Option<u16>,
    pub interval: Duration,
    pub timeout: Duration,
    pub unhealthy_threshold: u32,
    /// `None`: the interval.
    pub unhealthy_interval: Option<Duration>,
    pub healthy_threshold: u32,
    pub pick_host_name_from_backend_settings: bool,
    pub ask: Arc<Ask>,
    pub expectation: Arc<Expectation>,
    pub enable_probe_proxy_protocol_header: bool,
}

/// One thing that is wrong, or doubtful, in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's path as given.
    pub file: String,
    /// Line and column, from 1; `None` when the problem is the file itself.
    pub place: Option<(u64, u64)>,
    /// The key's path, for example `backend_pools[0].servers[2]`; empty for the whole file.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything that is wrong in a file, in the file's order: at least one problem. Shown one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// At most 1,000 errors of a file are kept, and then one more that says how many are not.
    fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// About a file as a whole.
    #[must_use]
    pub fn of_file(path: &Path, message: String) -> Self {
        Self(vec![Problem { file: path.display().to_string(), place: None, key: String::new(), message }])
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut problems = self.0.iter();
        if let Some(first) = problems.next() {
            write!(f, "{first}")?;
        }
        problems.try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for Problems {}
