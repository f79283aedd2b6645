//! Probes that somebody asks for: the servers of a pool, each once and now, under a backend setting whose probe may be
//! changed for the occasion. What comes of them is told to whoever asked, and to nobody else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::rows::{InUse, Rows};
use super::scan;
use crate::config::{Config, Trial, TrialError};
use crate::health::{HealthTable, Snapshot};
use crate::probe::{Observation, Prober, ScanFacts};
use crate::target::{Target, expand_under};
use crate::verdict::{judge, unexplained_alert};
use crate::view::azure::{BackendHealth, Gateway, OnDemandHealth, PoolOutline, SettingOutline};
use crate::view::report::{Filter, Links, Report};
use crate::web::azure;
use crate::web::azure::{OnDemandProbe, Probing, Refusal, Source};
use crate::words::cut;

/// What probes on demand share.
#[derive(Clone)]
pub(super) struct OnDemand {
    prober: Arc<Prober>,
    /// The rows of the schedule: asked for what is known of a server's TLS, never written to by a result.
    table: Arc<HealthTable>,
    /// Over all who ask.
    in_flight: Arc<Semaphore>,
}

impl OnDemand {
    /// `slots` are the probes that this host has descriptors for.
    pub(super) fn new(prober: Arc<Prober>, table: Arc<HealthTable>, slots: usize) -> Self {
        Self { prober, table, in_flight: Arc::new(Semaphore::new((slots / 4).clamp(1, MOST_IN_FLIGHT))) }
    }

    /// Probes each of these once. The rows of the answer follow the rules of a table that never saw them before: one
    /// probe decides. A server that there was no time for stays Unknown.
    async fn probe(&self, targets: Vec<Arc<Target>>, names: Names) -> Snapshot {
        let results = Arc::new(HealthTable::new());
        results.replace(&targets, SystemTime::now());
        let mut probes = JoinSet::new();
        let all = async {
            for target in targets {
                // Never closed.
                let Ok(slot) = self.in_flight.clone().acquire_owned().await else { return };
                while probes.try_join_next().is_some() {}
                let (this, results) = (self.clone(), results.clone());
                probes.spawn(async move {
                    let _slot = slot;
                    let mut observation = this.prober.probe(&target.probe).await;
                    observation.scan = this.scan(&target, &observation, names).await;
                    results.record(&target, judge(&target.probe, &observation), SystemTime::now());
                });
            }
            while probes.join_next().await.is_some() {}
        };
        // The rest ends with the set.
        let _ = tokio::time::timeout(LONGEST, all).await;
        drop(probes);
        results.snapshot(SystemTime::now())
    }

    /// As for the probes of the schedule, with which it shares what is known, so that both come to the same verdict. A
    /// server that is called by another name may answer in another way.
    async fn scan(&self, target: &Target, observation: &Observation, names: Names) -> Option<Arc<ScanFacts>> {
        match names {
            Names::Scheduled => scan(&self.prober, &self.table, target, observation).await,
            Names::Changed => {
                unexplained_alert(observation)?;
                self.prober.scan(&target.probe, observation.address?).await.map(Arc::new)
            }
        }
    }
}

/// By which names the servers are spoken to.
#[derive(Clone, Copy)]
enum Names {
    /// Those of the schedule's probes.
    Scheduled,
    Changed,
}

/// What Azure's API needs.
pub(super) fn source(rows: &Arc<Rows>, on_demand: OnDemand) -> Source {
    let (named, reported, probed) = (rows.clone(), rows.clone(), rows.clone());
    Source {
        names: Box::new(move || {
            named.in_use().config.azure.as_ref().map(|azure| azure::Names {
                gateway: Gateway {
                    subscription: azure.subscription.clone(),
                    resource_group: azure.resource_group.clone(),
                    name: azure.application_gateway.clone(),
                },
                location: azure.location.clone(),
            })
        }),
        backend_health: Box::new(move |gateway| {
            let (config, snapshot) = reported.snapshot(SystemTime::now());
            let report = Report::of(&snapshot, &Filter::default(), &links());
            json(&BackendHealth::of(&report, &outline(&config), gateway))
        }),
        on_demand: Box::new(move |gateway, probe| begin(&probed.in_use(), &on_demand, gateway, probe)),
    }
}

/// Checks what is asked for; nothing is probed before the result is awaited.
fn begin(
    in_use: &InUse,
    on_demand: &OnDemand,
    gateway: Gateway,
    probe: OnDemandProbe,
) -> Result<(azure::Rows, Probing), Refusal> {
    let InUse { config, lists } = in_use;
    let same = |name: &str, wanted: &str| name.to_lowercase() == wanted.to_lowercase();
    let pool = config.pools.iter().find(|pool| same(&pool.name, &probe.pool));
    let pool = pool.ok_or_else(|| missing(OnDemandProbe::POOL, "backend pool", &probe.pool))?;
    let setting = config.settings.iter().find(|setting| same(&setting.name, &probe.setting));
    let setting = setting.ok_or_else(|| missing(OnDemandProbe::SETTING, "backend setting", &probe.setting))?;
    let trial = trial(probe);
    let names = match (&trial.host, trial.pick_host_name_from_backend_settings) {
        (None, None | Some(false)) => Names::Scheduled,
        (Some(_), _) | (None, Some(true)) => Names::Changed,
    };
    let setting = setting.under_trial(&trial).map_err(refusal)?;
    let targets = expand_under(config, lists, pool, &setting).into_iter().map(|target| {
        // The one answer that there will be decides, whatever it is.
        Arc::new(Target { unhealthy_threshold: 1, ..Target::clone(&target) })
    });
    let targets: Vec<_> = targets.collect();
    if targets.len() > MOST_ROWS {
        let (name, rows) = (&pool.name, targets.len());
        let message = format!("backend pool {name:?} has {rows} servers; at most {MOST_ROWS} are probed on demand");
        return Err(Refusal::bad_value(OnDemandProbe::POOL, message));
    }
    let (pool, on_demand) = (pool.name.clone(), on_demand.clone());
    let rows = targets.len();
    let probing = Box::pin(async move {
        let snapshot = on_demand.probe(targets, names).await;
        let rendered = tokio::task::spawn_blocking(move || {
            let report = Report::of(&snapshot, &Filter::default(), &links());
            let setting = SettingOutline { name: &setting.name, protocol: setting.protocol };
            json(&OnDemandHealth::of(&report, &pool, setting, &gateway))
        });
        match rendered.await {
            Ok(json) => json,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    });
    Ok((rows, probing))
}

fn trial(probe: OnDemandProbe) -> Trial {
    let OnDemandProbe {
        pool: _,
        setting: _,
        protocol,
        host,
        path,
        timeout_seconds,
        pick_host_name_from_backend_settings,
        enable_probe_proxy_protocol_header,
        status_codes,
        body,
    } = probe;
    Trial {
        protocol,
        host,
        path,
        timeout_seconds,
        pick_host_name_from_backend_settings,
        status_codes,
        body,
        enable_probe_proxy_protocol_header,
    }
}

fn refusal(TrialError { key, message }: TrialError) -> Refusal {
    let target = KEYS.iter().find(|(name, _)| *name == key).map_or(OnDemandProbe::SETTING, |(_, target)| target);
    Refusal::bad_value(target, message)
}

/// The file's keys and what Azure calls them.
const KEYS: &[(&str, &str)] = &[
    ("protocol", OnDemandProbe::PROTOCOL),
    ("host", OnDemandProbe::HOST),
    ("path", OnDemandProbe::PATH),
    ("timeout", OnDemandProbe::TIMEOUT),
    ("pick_host_name_from_backend_settings", OnDemandProbe::PICK_HOST_NAME),
    ("match.status_codes", OnDemandProbe::STATUS_CODES),
    ("match.body", OnDemandProbe::BODY),
    ("enable_probe_proxy_protocol_header", OnDemandProbe::PROXY_PROTOCOL_HEADER),
];

/// A request's rows.
const MOST_ROWS: usize = 1000;

fn missing(target: &'static str, what: &str, name: &str) -> Refusal {
    let shown = cut(name, 128);
    Refusal::no_such(target, format!("the configuration has no {what} called {shown:?}"))
}

fn outline(config: &Config) -> Vec<PoolOutline<'_>> {
    let pools = config.pools.iter().map(|pool| PoolOutline {
        name: &pool.name,
        settings: pool
            .settings
            .iter()
            .map(|settings| SettingOutline { name: &settings.name, protocol: settings.protocol })
            .collect(),
    });
    pools.collect()
}

/// Azure's shapes have no links.
fn links() -> Links {
    Links { base: String::new() }
}

fn json(shape: &impl serde::Serialize) -> String {
    serde_json::to_string(shape).expect("texts in structs and lists are always JSON")
}

/// Probes on demand under way at once, over all who ask; they must leave the schedule its descriptors.
const MOST_IN_FLIGHT: usize = 256;

/// Of all the probes that one request asks for: a longer timeout than this is cut short by it.
const LONGEST: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::State;
    use crate::lab::{Backend, tcp};
    use crate::probe::{Host, ProbeSpec, Protocol, Request};
    use crate::resolver;
    use crate::resolver::Resolver;
    use crate::target::TargetId;
    use crate::verdict::Cause;

    /// A server that may take a day to answer.
    fn patient(number: u64, port: u16) -> Arc<Target> {
        let probe = ProbeSpec {
            request: Some(Request::new("127.0.0.1", "/")),
            ..ProbeSpec::new(Protocol::Http, Host::Ip([127, 0, 0, 1].into()), port, Duration::from_hours(24))
        };
        Arc::new(Target {
            id: TargetId(number),
            pool: "web".into(),
            setting: "plain".into(),
            ..Target::single("127.0.0.1".into(), probe)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_was_no_time_for_is_unknown() {
        let backend = Backend::start([127, 0, 0, 1].into(), tcp::holds()).unwrap();
        let nameservers = vec![([127, 0, 0, 1], 9).into()];
        let last_known_good = resolver::DEFAULT_LAST_KNOWN_GOOD;
        let prober = Prober::new(Resolver::new(resolver::Options { nameservers, last_known_good }));
        // One at a time: the second one never begins.
        let on_demand = OnDemand::new(Arc::new(prober), Arc::new(HealthTable::new()), 4);
        assert_eq!(on_demand.in_flight.available_permits(), 1);
        let port = backend.address().port();
        let begun = tokio::time::Instant::now();
        let snapshot = on_demand.probe(vec![patient(1, port), patient(2, port)], Names::Scheduled).await;
        assert!(begun.elapsed() >= LONGEST && begun.elapsed() < LONGEST * 2, "{:?}", begun.elapsed());
        assert_eq!(snapshot.rows.len(), 2);
        for row in snapshot.rows {
            assert_eq!(row.state, State::Unknown);
            assert_eq!(row.cause.map(|cause| cause.code), Some(Cause::NotProbedYet));
        }
        while on_demand.in_flight.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
    }
}
