//! Composition root: the only place that knows the order of the stages. Loads, schedules, and for each beat observes,
//! judges and records; serves what came of it; reloads; ends.

mod access;
mod checks;
mod demo;
mod on_demand;
mod once;
mod process;
mod reload;
mod rows;
mod sandbox;
mod troubleshoot;
mod watchers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::access::{AccessReload, AccessWatch};
use self::on_demand::OnDemand;
use self::process::{Crowding, ProcessReader, Shares};
use self::reload::Reloader;
use self::rows::Rows;
use self::watchers::Watchers;
use crate::config::web::WebConfigFile;
use crate::config::{Config, ConfigFile, Problems};
use crate::health::{HealthTable, ScanMemory, State, Transition};
use crate::probe::{Observation, Prober, ScanFacts};
use crate::resolver::Resolver;
use crate::scheduler::{DELAY_BOUNDS, Ended, Finished, Scheduler, Skip};
use crate::target::{Target, expand};
use crate::verdict::{Cause, Judge, Verdict, unexplained_alert};
use crate::view::metrics::{DelayHistogram, ExporterNumbers};
use crate::view::report::Links;
use crate::view::{exposition, metrics, page};
use crate::web::checks::Checks;
use crate::web::demand::{Demand, Scope};
use crate::{resolver, web};

pub use self::demo::{DemoStarted, run_demo};
pub use self::once::Probing;
pub use self::troubleshoot::{About, AskOptions, RowOptions, TroubleshootOptions, run_troubleshoot};

/// What `run` was told.
#[derive(Debug)]
pub struct Options {
    pub config_file: PathBuf,
    pub web: WebOptions,
    pub resolver: resolver::Options,
    /// Counts lines of the log that nobody will read.
    pub log_lines_dropped: Arc<AtomicU64>,
}

/// How the exporter's own site is served.
#[derive(Debug)]
pub struct WebOptions {
    /// At least one, for example `:19115`.
    pub listen_addresses: Vec<String>,
    pub telemetry_path: String,
    pub external_url: Option<String>,
    /// By default the path of the external URL.
    pub route_prefix: Option<String>,
    pub config_file: Option<PathBuf>,
    /// Names under which browsers may see the site.
    pub allowed_hosts: Vec<String>,
    /// Addresses, and blocks of them, of proxies that say whom they ask for.
    pub trusted_proxies: Vec<String>,
    /// Whether the health endpoints need no login.
    pub open_health: bool,
    /// How far probes on demand may differ from the settings' own ones; by default, at all only behind a login.
    pub full_on_demand: Option<bool>,
}

/// Reads the configuration as [`run`] would.
///
/// # Errors
/// All that is wrong with it.
pub fn check(config_file: &Path) -> Result<(Config, Vec<Arc<Target>>), Problems> {
    let config = ConfigFile::read(config_file)?.parse()?;
    let targets = expand(&config, &config.listed());
    Ok((config, targets))
}

/// Where a started exporter answers.
#[derive(Clone, Debug)]
pub struct Started {
    /// Of the site's landing page, without a slash at the end.
    pub url: String,
    /// Below the URL.
    pub telemetry_path: String,
}

/// Probes and serves until `shutdown`.
///
/// # Errors
/// When the configuration is wrong ([`crate::config::Problems`] or, for the web configuration, a list of its problems), or an
/// address cannot be listened on.
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (listening, _) = oneshot::channel();
    run_and_tell(options, shutdown, listening).await
}

/// Like [`run`], and tells when and where it has started.
///
/// # Errors
/// As [`run`].
pub async fn run_and_tell(
    options: Options,
    shutdown: CancellationToken,
    listening: oneshot::Sender<Started>,
) -> anyhow::Result<()> {
    // First of all: whoever sends it while this starts wants the file to be read again, not the process to end.
    let hangup = signal(SignalKind::hangup()).context("cannot take SIGHUP")?;
    let WebOptions { listen_addresses, telemetry_path, external_url, route_prefix, config_file, .. } = options.web;
    let WebOptions { allowed_hosts, trusted_proxies, open_health, full_on_demand, .. } = options.web;
    let scope = full_on_demand.map(|full| if full { Scope::Full } else { Scope::Configured });
    let paths = web::Paths::parse(external_url.as_deref(), route_prefix.as_deref(), &telemetry_path)?;
    let hosts = web::Hosts::new(&allowed_hosts, &paths, process::host_name().as_deref())?;
    let proxies = web::Proxies::parse(&trusted_proxies)?;
    let file = ConfigFile::read(&options.config_file)?;
    let config = file.parse()?;
    let mut web_config_file = config_file.map(WebConfigFile::new);
    let access = match &mut web_config_file {
        Some(file) => access::read(file)?,
        None => web::Access::open(),
    };
    let mut listeners = Vec::new();
    for address in &listen_addresses {
        listeners.push(web::bind(address).await?);
    }

    sandbox::tell();
    let Shares { probes: slots, connections } = process::raise_descriptor_limit();
    let crowding = Crowding::new();
    let table = Arc::new(HealthTable::new());
    let prober = Arc::new(Prober::new(Resolver::new(options.resolver)));
    let scheduler = Arc::new(start_probing(slots, &crowding, &table, prober.clone(), &shutdown));
    let config = Arc::new(config);
    let rows = Arc::new(Rows::start(config.clone(), table.clone(), scheduler.clone()));
    let reloader = Arc::new(Reloader::new(file, config, rows.clone()));
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    for address in &addresses {
        tracing::info!(%address, "listening");
    }
    // Nobody needs to wait for this.
    let _ = listening.send(started(&paths, &addresses, access.has_tls()));

    let access_reload = AccessReload::default();
    let (publish, access) = watch::channel(Arc::new(access));
    let watchers = Watchers::new(shutdown.clone());
    watchers.keep("the configuration's files", &reloader, async |reloader| reloader.watch_files().await);
    watchers.keep("the sources of servers", &rows, async |rows| rows.follow().await);
    let hangup = Arc::new(reload::Hangup::new(hangup, reloader.clone()));
    watchers.keep("SIGHUP", &hangup, async |hangup| hangup.follow().await);
    watchers.keep("this host's processors", &Arc::new(crowding), async |crowding| crowding.watch().await);
    let files = Arc::new(AccessWatch::new(web_config_file, publish, access_reload.clone()));
    watchers.keep("the web configuration", &files, async |files| files.watch().await);
    let demand = Demand::new(shutdown.clone()).within(scope);
    let source = on_demand::source(&rows, OnDemand::new(prober.clone(), table.clone(), slots));
    let on_demand = Demanded { prober, demand: demand.clone(), azure: source };
    let (log_lines_dropped, process) = (options.log_lines_dropped, ProcessReader::default());
    let own = Own { reloader, access_reload, log_lines_dropped, demand: demand.clone(), process };
    let entry = web::Entry { open_health, hosts, proxies };
    let site = site((paths, entry), &table, &scheduler, own, &shutdown, on_demand);
    let limits = web::Limits { connections, ..web::Limits::default() };
    web::serve(listeners, site, access, limits, shutdown).await;
    scheduler.ended().await;
    demand.ended().await;
    watchers.ended().await;
    Ok(())
}

/// The address that a person on this host can open.
fn started(paths: &web::Paths, addresses: &[SocketAddr], tls: bool) -> Started {
    let scheme = if tls { "https" } else { "http" };
    let here = addresses.first().map(|address| match address.ip() {
        ip if ip.is_unspecified() => format!("{scheme}://localhost:{}", address.port()),
        _ => format!("{scheme}://{address}"),
    });
    let prefix = paths.prefix().as_str().trim_end_matches('/');
    let url = paths.external_url().map_or_else(|| format!("{}{prefix}", here.unwrap_or_default()), str::to_owned);
    Started { url, telemetry_path: below_prefix(paths) }
}

/// The telemetry path as it was given.
fn below_prefix(paths: &web::Paths) -> String {
    paths.telemetry().strip_prefix(paths.prefix().as_str()).unwrap_or_default().to_owned()
}

/// Observe, judge, record: what happens on every beat of every row.
async fn beat(prober: &Prober, judge: &Judge, table: &HealthTable, target: &Target) -> Finished {
    let mut observation = prober.probe(&target.probe).await;
    observation.scan = scan(prober, table, target, &observation).await;
    let verdict = judge.judge(&target.probe, &observation);
    drop(observation);
    let ended = ended(&verdict);
    if let Some(transition) = table.record(target, verdict, SystemTime::now()) {
        log(&transition);
    }
    // Most rows have one interval, whatever they are.
    let is_well = target.interval == target.unhealthy_interval || table.is_well(target.id);
    Finished { ended, is_well }
}

/// Lets every row have its beat, and says of those that could not why.
fn start_probing(
    slots: usize,
    crowding: &Crowding,
    table: &Arc<HealthTable>,
    prober: Arc<Prober>,
    shutdown: &CancellationToken,
) -> Scheduler {
    let (runs, skips) = (table.clone(), table.clone());
    let judge = Arc::new(Judge::default());
    let run = move |target: Arc<Target>| {
        let (prober, judge, table) = (prober.clone(), judge.clone(), runs.clone());
        async move { beat(&prober, &judge, &table, &target).await }
    };
    let skipped = move |target: &Target, why| {
        let (cause, detail) = match why {
            // Its verdict is still to come: nothing is missing.
            Skip::StillRunning => return,
            Skip::NoSlot => (Cause::LocalExhausted, "as many probes are under way as this host has descriptors for"),
            Skip::NoTurn => (Cause::LocalOverloaded, "more probes are due than this host has CPU for"),
            Skip::Missed => (Cause::LocalOverloaded, "this host did not let the exporter run when the probe was due"),
        };
        if let Some(transition) = skips.record_skip(target, cause, detail, SystemTime::now()) {
            log(&transition);
        }
    };
    let crowding = crowding.clone();
    Scheduler::start(slots, move || crowding.is_there(), shutdown.clone(), run, skipped)
}

/// Whether the probe held its place for nothing but waiting.
fn ended(verdict: &Verdict) -> Ended {
    match verdict.cause.as_ref().map(|finding| finding.code) {
        Some(
            Cause::TcpTimeout
            | Cause::TcpUnreachable
            | Cause::TlsTimeout
            | Cause::HttpTimeout
            | Cause::DnsTimeout
            | Cause::LocalNetwork,
        ) => Ended::InVain,
        Some(Cause::LocalExhausted | Cause::LocalOverloaded) => Ended::Unclear,
        Some(_) | None => Ended::Answered,
    }
}

/// What the server would have needed, when all that it said is an alert; asked for rarely, remembered in between.
async fn scan(
    prober: &Prober,
    table: &HealthTable,
    target: &Target,
    observation: &Observation,
) -> Option<Arc<ScanFacts>> {
    let alert = unexplained_alert(observation)?;
    match table.scan_memory(target, alert, SystemTime::now()) {
        ScanMemory::Found(facts) => Some(facts),
        ScanMemory::TooSoon => None,
        ScanMemory::Due => {
            let facts = Arc::new(Box::pin(prober.scan(&target.probe, observation.address?)).await?);
            table.remember_scan(target, alert, facts.clone(), SystemTime::now());
            Some(facts)
        }
    }
}

/// One line for a change of state.
fn log(transition: &Transition) {
    let Transition { number: _, target, from, to, cause, at: _ } = transition;
    let (code, detail) = match cause {
        Some(finding) => (finding.code.code(), finding.detail.as_str()),
        None => ("", ""),
    };
    let (pool, setting, server, port) = (&*target.pool, &*target.setting, &*target.server, target.port());
    let (from, to_label) = (from.as_str(), to.as_str());
    match to {
        State::Healthy => tracing::info!(pool, setting, server, port, from, to = to_label, "state changed"),
        State::Unhealthy | State::Unknown => {
            tracing::warn!(pool, setting, server, port, from, to = to_label, cause = code, detail, "state changed");
        }
    }
}

/// What this process says about itself.
struct Own {
    reloader: Arc<Reloader>,
    access_reload: AccessReload,
    log_lines_dropped: Arc<AtomicU64>,
    demand: Demand,
    process: ProcessReader,
}

/// What is only done when somebody asks for it.
struct Demanded {
    prober: Arc<Prober>,
    demand: Demand,
    azure: web::azure::Source,
}

fn site(
    (paths, entry): (web::Paths, web::Entry),
    table: &Arc<HealthTable>,
    scheduler: &Arc<Scheduler>,
    own: Own,
    shutdown: &CancellationToken,
    on_demand: Demanded,
) -> web::Site {
    let reloader = own.reloader.clone();
    let numbers = {
        let scheduler = scheduler.clone();
        move || exporter_numbers(&scheduler, &own)
    };
    // Links relative to the page lead somewhere behind a proxy, too, that shows another path to the outside.
    let telemetry = below_prefix(&paths);
    let base = paths.external_url().unwrap_or(paths.prefix().as_str()).to_owned();
    let links = Links { base: base.clone() };
    let metrics_path: Arc<str> = Arc::from(telemetry.as_str());
    let Demanded { prober, demand, azure } = on_demand;
    let results = web::results::Results::default();
    let checks = Checks::new(
        demand.clone(),
        checks::begin(table.clone(), prober, &links, metrics_path.clone(), results.clone()),
    );
    let limits = web::Limits::default();
    let slots = web::Slots::new(&limits);
    let (slots_of_api, shutdown) = (slots.clone(), shutdown.clone());
    let api = web::api::Api { table: table.clone(), links, limits, slots: slots_of_api, shutdown };
    let pages = slots.around(web::pages::router(table, &metrics_path));
    let pages = pages.merge(web::troubleshoot::router(checks.clone(), results, table.clone(), metrics_path));
    let docs = web::docs::router(&telemetry);
    let azure = web::azure::router(paths.clone(), azure, demand);
    let api = api.surface().merge(web::api::troubleshoot::surface(checks));
    let further = api.into_router(&base).merge(docs).merge(pages).merge(azure);
    let (scraped, shown, ready, beats) = (table.clone(), table.clone(), table.clone(), scheduler.clone());
    web::Site {
        paths,
        entry,
        metrics: Box::new(move |accept| {
            let format = exposition::negotiate(accept);
            let (snapshot, numbers) = (Arc::new(scraped.snapshot(SystemTime::now())), numbers());
            web::Page {
                content_type: format.content_type(),
                write: Box::new(move |mut out| metrics::render(&snapshot, &numbers, format, &mut out)),
            }
        }),
        landing: Box::new(move |query| {
            let place = page::Place { root: ".", metrics_path: &telemetry };
            let skipped = beats.numbers().skipped;
            page::render(&shown.snapshot(SystemTime::now()), place, query, skipped)
        }),
        is_ready: Box::new(move || ready.is_ready()),
        reload: Box::new(move || {
            let reloader = reloader.clone();
            Box::pin(async move { reloader.reload().await.map_err(|problems| problems.to_string()) })
        }),
        slots,
        further,
    }
}

fn exporter_numbers(scheduler: &Scheduler, own: &Own) -> ExporterNumbers {
    let Own { reloader, access_reload, log_lines_dropped, demand, process } = own;
    let beats = scheduler.numbers();
    ExporterNumbers {
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("BACKEND_HEALTH_EXPORTER_REVISION").unwrap_or("unknown"),
        config_last_reload: reloader.outcome(),
        config_last_reload_success: Some(reloader.last_success()),
        web_config_last_reload: access_reload.outcome(),
        probes_in_flight: beats.in_flight,
        probe_start_delay: DelayHistogram {
            bounds: &DELAY_BOUNDS,
            counts: beats.delays.to_vec(),
            sum: beats.delay_sum,
        },
        probes_skipped: beats.skipped,
        log_lines_dropped: log_lines_dropped.load(Ordering::Relaxed),
        on_demand: demand.counts(),
        process: process.read(),
    }
}

/// How often files are looked at for other content.
const FILE_BEAT: Duration = Duration::from_secs(5);
