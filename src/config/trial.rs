//! A backend setting under another probe than its own: asked for from outside, checked by the file's own rules.

use std::sync::Arc;
use std::time::Duration;

use super::load::no_proxy_line;
use super::{BackendSettings, HealthProbe, value};
use crate::probe::{Expectation, Feature};

/// What is asked in another way than a setting's own probe asks it; what is `None` stays as that has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    pub protocol: Option<String>,
    pub host: Option<String>,
    pub path: Option<String>,
    pub timeout_seconds: Option<i64>,
    pub pick_host_name_from_backend_settings: Option<bool>,
    pub status_codes: Option<Vec<String>>,
    pub body: Option<String>,
    pub enable_probe_proxy_protocol_header: Option<bool>,
}

/// What is wrong with a [`Trial`], and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialError {
    pub key: TrialKey,
    pub message: String,
}

/// Which part of a [`Trial`] is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialKey {
    Protocol,
    Host,
    Path,
    Timeout,
    PickHostName,
    StatusCodes,
    Body,
    ProxyProtocolHeader,
}

impl BackendSettings {
    /// This setting with the probe that `trial` makes of its own one.
    ///
    /// # Errors
    /// The first part that is wrong, or that this setting has no use for.
    pub fn under_trial(&self, trial: &Trial) -> Result<Self, TrialError> {
        self.check_protocol(trial)?;
        self.check_use(trial)?;
        let own = &*self.probe;
        let pick = trial.pick_host_name_from_backend_settings.unwrap_or(false);
        let host = match &trial.host {
            Some(host) => Some(value::host(host).map_err(wrong(TrialKey::Host))?),
            None if pick => None,
            None => own.host.clone(),
        };
        let path = match &trial.path {
            Some(path) => value::path(path).map_err(wrong(TrialKey::Path))?,
            None => own.path.clone(),
        };
        let timeout = match trial.timeout_seconds {
            Some(seconds) => timeout(seconds)?,
            None => own.timeout,
        };
        let probe = HealthProbe {
            name: own.name.clone(),
            host,
            path,
            port: own.port,
            interval: own.interval,
            timeout,
            unhealthy_threshold: own.unhealthy_threshold,
            pick_host_name_from_backend_settings: own.pick_host_name_from_backend_settings || pick,
            expectation: expectation(trial, &own.expectation)?,
            enable_probe_proxy_protocol_header: trial
                .enable_probe_proxy_protocol_header
                .unwrap_or(own.enable_probe_proxy_protocol_header),
        };
        Ok(Self { probe: Arc::new(probe), ..self.clone() })
    }

    fn check_protocol(&self, trial: &Trial) -> Result<(), TrialError> {
        match &trial.protocol {
            Some(given) if !given.eq_ignore_ascii_case(self.protocol.as_str()) => {
                let (given, name, own) = (value::quote(given), value::quote(&self.name), self.protocol);
                let message = format!("{given} is not the protocol of backend setting {name}, which is {own}");
                Err(TrialError { key: TrialKey::Protocol, message })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What would be passed over in silence, and leave somebody with an answer to another question, is refused.
    fn check_use(&self, trial: &Trial) -> Result<(), TrialError> {
        let refuse = |key, message: String| Err(TrialError { key, message });
        let (name, protocol) = (value::quote(&self.name), self.protocol);
        let unused = |what: &str| format!("protocol {protocol} has no {what}; leave it out");
        if !protocol.takes(Feature::Request) {
            if trial.path.is_some() {
                return refuse(TrialKey::Path, unused("path"));
            }
            if trial.status_codes.is_some() {
                return refuse(TrialKey::StatusCodes, unused("status codes"));
            }
            if trial.body.as_ref().is_some_and(|body| !body.is_empty()) {
                return refuse(TrialKey::Body, unused("body"));
            }
        }
        if !protocol.takes(Feature::Name) && trial.host.is_some() {
            return refuse(TrialKey::Host, unused("host name"));
        }
        if !protocol.takes(Feature::ProxyLine) && trial.enable_probe_proxy_protocol_header == Some(true) {
            return refuse(TrialKey::ProxyProtocolHeader, no_proxy_line(protocol));
        }
        let pick = trial.pick_host_name_from_backend_settings == Some(true);
        if pick && trial.host.is_some() {
            let message = "must be absent when the host name is picked from the backend setting";
            return refuse(TrialKey::Host, message.to_owned());
        }
        if trial.host.is_some() && self.pick_host_name_from_backend_address {
            let message = format!(
                "backend setting {name} speaks to each server by the server's own name \
                 (pick_host_name_from_backend_address), so this host would not be used; leave it out"
            );
            return refuse(TrialKey::Host, message);
        }
        if pick && self.host_name.is_none() && !self.pick_host_name_from_backend_address {
            let message = format!("backend setting {name} has no host name to pick");
            return refuse(TrialKey::PickHostName, message);
        }
        Ok(())
    }
}

fn timeout(seconds: i64) -> Result<Duration, TrialError> {
    let given = u64::try_from(seconds).ok().filter(|seconds| (1..=MAX_TIMEOUT_SECONDS).contains(seconds));
    given.map(Duration::from_secs).ok_or_else(|| {
        let message = format!("{seconds} is not between 1 and {MAX_TIMEOUT_SECONDS} seconds");
        TrialError { key: TrialKey::Timeout, message }
    })
}

fn expectation(trial: &Trial, own: &Arc<Expectation>) -> Result<Arc<Expectation>, TrialError> {
    let status_codes = match trial.status_codes.as_deref() {
        None => own.status_codes.clone(),
        Some([]) => {
            let message = "at least one status code or range is needed; leave it out for the setting's own";
            return Err(TrialError { key: TrialKey::StatusCodes, message: message.to_owned() });
        }
        Some(codes) => codes
            .iter()
            .map(|codes| value::status_codes(codes))
            .collect::<Result<_, _>>()
            .map_err(wrong(TrialKey::StatusCodes))?,
    };
    let body = match &trial.body {
        None => own.body.clone(),
        Some(body) => value::expected_body(body).map_err(wrong(TrialKey::Body))?,
    };
    Ok(Arc::new(Expectation { status_codes, body }))
}

fn wrong(key: TrialKey) -> impl Fn(String) -> TrialError {
    move |message| TrialError { key, message }
}

/// A day, as for the probes of the file.
const MAX_TIMEOUT_SECONDS: u64 = 86_400;
