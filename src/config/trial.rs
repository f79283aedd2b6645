//! A backend setting under another probe than its own: asked for from outside, checked by the file's own rules.

use std::sync::Arc;

use super::decode::Section;
use super::probe::{Misfit, PICK, PROBE, PROXY_LINE, Tone, over};
use super::reader::Reader;
use super::report::Place;
use super::yaml::{Entry, KeyPath, Node, Value};
use super::{BackendSettings, value};

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
    /// As the file calls it: `match.status_codes`.
    pub key: String,
    pub message: String,
}

impl BackendSettings {
    /// This setting with the probe that `trial` makes of its own one.
    ///
    /// # Errors
    /// The first part that is wrong, or that this setting has no use for.
    pub fn under_trial(&self, trial: &Trial) -> Result<Self, TrialError> {
        let wrong = |key: &str, message: String| TrialError { key: key.to_owned(), message };
        if let Some(given) = &trial.protocol
            && !given.eq_ignore_ascii_case(self.protocol.as_str())
        {
            let (given, name, own) = (value::quote(given), value::quote(&self.name), self.protocol);
            let message = format!("{given} is not the protocol of backend setting {name}, which is {own}");
            return Err(wrong("protocol", message));
        }
        if let Some(seconds) = trial.timeout_seconds.filter(|seconds| !(1..=MAX_TIMEOUT_SECONDS).contains(seconds)) {
            return Err(wrong("timeout", format!("{seconds} is not between 1 and {MAX_TIMEOUT_SECONDS} seconds")));
        }
        let mut reader = Reader::new(std::path::Path::new(""));
        let keys = trial.keys();
        let Some(section) = Section::open(&keys, &KeyPath::Root, PROBE, &mut reader.report) else {
            return Ok(self.clone());
        };
        let probe = over(&self.probe, &section, Some(self.protocol), Tone::OnDemand, &mut reader);
        if let Err(problems) = reader.report.finish() {
            let problem = problems.as_slice().first().map(|problem| (problem.key.as_str(), problem.message.clone()));
            let (key, message) = problem.unwrap_or_default();
            // Of a list, the whole.
            return Err(wrong(key.split('[').next().unwrap_or_default(), message));
        }
        // The own probe's host may be unused, as in the file; one that somebody asks for may not.
        match probe.misfit(self.host_name.is_some(), self.pick_host_name_from_backend_address) {
            Some(Misfit::NoHostName(message)) if trial.pick_host_name_from_backend_settings == Some(true) => {
                Err(wrong(PICK, message))
            }
            Some(Misfit::HostUnused(message)) if trial.host.is_some() => Err(wrong("host", message)),
            Some(_) | None => Ok(Self { probe: Arc::new(probe), ..self.clone() }),
        }
    }
}

impl Trial {
    /// As an item of `probes` would have it.
    fn keys(&self) -> Node {
        let truth = |truth: &bool| Value::Text { text: truth.to_string().into(), quoted: false };
        let codes = |codes: &Vec<String>| Value::List(codes.iter().map(|codes| node(text(codes))).collect());
        let matching = [
            ("status_codes", self.status_codes.as_ref().map(codes)),
            ("body", self.body.as_ref().map(|body| text(body))),
        ];
        node(map([
            ("host", self.host.as_ref().map(|host| text(host))),
            ("path", self.path.as_ref().map(|path| text(path))),
            ("timeout", self.timeout_seconds.map(|seconds| text(&format!("{seconds}s")))),
            (PICK, self.pick_host_name_from_backend_settings.as_ref().map(truth)),
            ("match", Some(map(matching))),
            (PROXY_LINE, self.enable_probe_proxy_protocol_header.as_ref().map(truth)),
        ]))
    }
}

fn map<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let entries = entries
        .into_iter()
        .filter_map(|(key, value)| Some(Entry { key: key.into(), place: NOWHERE, node: node(value?) }));
    Value::Map(entries.collect())
}

fn text(text: &str) -> Value {
    Value::Text { text: text.into(), quoted: true }
}

fn node(value: Value) -> Node {
    Node { place: NOWHERE, value }
}

/// What somebody asks for stands in no file.
const NOWHERE: Place = Place { line: 0, column: 0 };

/// A day, as for the probes of the file.
const MAX_TIMEOUT_SECONDS: i64 = 86_400;
