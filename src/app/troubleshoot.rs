//! One deep check from the command line: what is to be looked into, out of what was written and, perhaps, a configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};

use crate::probe::Prober;
use crate::resolver::Resolver;
use crate::target::Target;
use crate::troubleshoot::{Adhoc, Examination, Manner, Question, Stage, adhoc, troubleshoot};
use crate::{config, resolver};

/// What `troubleshoot` was told.
#[derive(Debug)]
pub struct TroubleshootOptions {
    /// As written.
    pub target: String,
    pub about: About,
    pub resolver: resolver::Options,
    pub tries: u32,
    /// For the whole check.
    pub timeout: Duration,
}

/// Where it stands how the target is asked.
#[derive(Debug)]
pub enum About {
    /// The target is a server of this configuration.
    Row(RowOptions),
    /// The target stands in no configuration.
    Alone(AskOptions),
}

/// How a target is asked that stands in no configuration.
#[derive(Debug)]
pub struct AskOptions {
    pub host: Option<String>,
    pub sni: Option<String>,
    /// A file of certificates to trust; none: the well-known CAs.
    pub ca: Option<String>,
    /// The files of a client certificate and its key.
    pub client_certificate: Option<(String, String)>,
    pub insecure: bool,
}

/// Which row of a configuration.
#[derive(Debug)]
pub struct RowOptions {
    pub config_file: PathBuf,
    pub pool: Option<String>,
    pub setting: Option<String>,
}

/// Looks into it once; `tell` hears of every part that begins.
///
/// # Errors
/// When there is no such target: it cannot be read, or the configuration is wrong or does not have it.
pub async fn run_troubleshoot(
    options: TroubleshootOptions,
    tell: &(dyn Fn(Stage) + Sync),
) -> anyhow::Result<Examination> {
    let TroubleshootOptions { target, about, resolver, tries, timeout } = options;
    let (target, tls_if_spoken) = match about {
        About::Row(row) => (find(&row, &target)?, None),
        About::Alone(ask) => {
            let manner = manner(ask, (timeout / 3).min(LONGEST_PROBE))?;
            let Adhoc { target, tls_if_spoken } = adhoc(&target, &manner).map_err(anyhow::Error::msg)?;
            (target, tls_if_spoken)
        }
    };
    let prober = Prober::new(Resolver::new(resolver));
    let question = Question { target, tls_if_spoken, tries, timeout };
    Ok(troubleshoot(&prober, &question, tell).await)
}

/// Reads the files that are named.
fn manner(options: AskOptions, timeout: Duration) -> anyhow::Result<Manner> {
    let AskOptions { host, sni, ca, client_certificate, insecure } = options;
    let trust = if let Some(file) = ca {
        config::trust_in(&file).map_err(|why| anyhow!("--ca: {why}"))?
    } else {
        let (trust, fallback) = config::well_known_trust()?;
        if let Some(why) = fallback {
            tracing::warn!("{why}");
        }
        Arc::new(trust)
    };
    let client_certificate =
        client_certificate.map(|(certificate, key)| config::client_certificate(&certificate, &key)).transpose();
    let client_certificate = client_certificate.map_err(|why| anyhow!("--client-certificate, --client-key: {why}"))?;
    Ok(Manner { host, sni, trust, client_certificate, insecure, timeout })
}

/// The one row that is meant.
fn find(options: &RowOptions, server: &str) -> anyhow::Result<Target> {
    let RowOptions { config_file, pool, setting } = options;
    let (config, targets) = super::check(config_file)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let rows = targets.iter().filter(|target| is(pool, &target.pool) && is(setting, &target.setting));
    let rows: Vec<&Arc<Target>> = rows.filter(|target| target.server.eq_ignore_ascii_case(bare)).collect();
    match rows.as_slice() {
        [row] => Ok(Target::clone(row)),
        [] => bail!("{} has no row of that pool and setting with the server {server}", config_file.display()),
        several => {
            let listed = several.iter().map(|row| format!("--pool {} --setting {}", row.pool, row.setting));
            let listed: Vec<String> = listed.collect();
            bail!("{server} is in several rows; choose one with --pool and --setting:\n{}", listed.join("\n"))
        }
    }
}

/// Of a target that stands in no configuration.
const LONGEST_PROBE: Duration = Duration::from_secs(10);
