//! The keys of a probe: what each is called, how it is read, what holds without it, which protocols have a use for it,
//! and how `check` tells of it. A key is added here and in the value that it is a part of.
//!
//! A probe on demand goes the same way: a few keys over a setting's own probe, by the same rules.

use std::sync::Arc;
use std::time::Duration;

use super::decode::{Field, Items, Section, duration, number, text, truth};
use super::describe::count;
use super::item::{host, name, port, protocol};
use super::reader::Reader;
use super::report::{Place, Report};
use super::value::quote;
use super::yaml::{KeyPath, Node, Value};
use super::{HealthProbe, asking, matching, value};
use crate::probe::{Expectation, Feature, Method, Protocol};
use crate::words::setting;

/// The keys of an item of `probes`.
pub(super) const PROBE: &[&str] = &[
    "name",
    "protocol",
    "host",
    "path",
    "port",
    "interval",
    "timeout",
    "unhealthy_threshold",
    "healthy_threshold",
    "unhealthy_interval",
    PICK,
    "match",
    PROXY_LINE,
    "method",
    "headers",
    "header_files",
    "body",
    "body_file",
    "basic_auth",
    "authorization",
];

/// The keys of a probe's `match`.
pub(super) const MATCH: &[&str] = &["status_codes", "body", "body_regex", "body_not_regex", "json", "headers"];

pub(super) const PICK: &str = "pick_host_name_from_backend_settings";
pub(super) const PROXY_LINE: &str = "enable_probe_proxy_protocol_header";

const INTERVAL: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);
const THRESHOLD: std::ops::RangeInclusive<u32> = 1..=20;
const LONGEST_DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a setting without a probe is probed with, and what holds for keys that are left out.
impl Default for HealthProbe {
    fn default() -> Self {
        Self {
            name: None,
            host: None,
            port: None,
            interval: Duration::from_secs(30),
            timeout: LONGEST_DEFAULT_TIMEOUT,
            unhealthy_threshold: 3,
            healthy_threshold: 1,
            unhealthy_interval: None,
            pick_host_name_from_backend_settings: false,
            ask: Arc::default(),
            expectation: Arc::default(),
            enable_probe_proxy_protocol_header: false,
        }
    }
}

/// An item of `probes`.
pub(super) struct Item {
    /// Where it stands in the list.
    pub(super) index: usize,
    pub(super) name: Field<Arc<str>>,
    pub(super) protocol: Option<Protocol>,
    pub(super) probe: Arc<HealthProbe>,
}

impl Item {
    pub(super) fn read(index: usize, node: &Node, path: &KeyPath<'_>, reader: &mut Reader) -> Option<Self> {
        let section = Section::open(node, path, PROBE, &mut reader.report)?;
        let name = section.required("name", &mut reader.report, name);
        let protocol = section.required("protocol", &mut reader.report, protocol).into_value();
        let own = HealthProbe { name: name.value().cloned(), ..HealthProbe::default() };
        let probe = Arc::new(over(&own, &section, protocol, Tone::File, reader));
        Some(Self { index, name, protocol, probe })
    }
}

/// Whether what has no use is worth a warning, as in a file that holds for long, or an error, because somebody would get
/// the answer to another question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    File,
    OnDemand,
}

/// `own` with what the keys of `section` say instead.
pub(super) fn over(
    own: &HealthProbe,
    section: &Section<'_>,
    protocol: Option<Protocol>,
    tone: Tone,
    reader: &mut Reader,
) -> HealthProbe {
    let match_path = section.path_of("match");
    let matching = section
        .node("match")
        .filter(|node| !matches!(node.value, Value::Null))
        .and_then(|node| Section::open(node, &match_path, MATCH, &mut reader.report));
    let mut keys = Keys { section, matching: matching.as_ref(), protocol, tone, report: &mut reader.report };

    let picks = keys.of(Feature::Name, PICK, truth, |picks| *picks).value().copied().unwrap_or(false);
    let host = keys.of(Feature::Name, "host", host, |_| true);
    if let (Some(host), true) = (host.given(), picks) {
        let message = format!("must be absent with {PICK}, which takes the backend setting's name");
        keys.report.error(Some(host.place), section.path_of("host"), message);
    }
    let interval = section.field("interval", keys.report, |node| duration(node, INTERVAL));
    let timeout = section.field("timeout", keys.report, |node| duration(node, INTERVAL));
    let own_interval = interval.value().copied().unwrap_or(own.interval);
    if let (Some(timeout), false) = (timeout.given(), matches!(interval, Field::Wrong))
        && timeout.value > own_interval
    {
        let message = format!(
            "longer than the interval, {}; a probe that takes longer than that makes the next one miss its turn",
            setting(own_interval)
        );
        keys.report.warning(Some(timeout.place), section.path_of("timeout"), message);
    }
    let default_timeout = if interval.is_absent() { own.timeout } else { own_interval.min(LONGEST_DEFAULT_TIMEOUT) };
    let path = keys.of(
        Feature::Request,
        "path",
        |node| value::path(text(node)?),
        |path| tone == Tone::OnDemand || &**path != "/",
    );
    let body = keys.of(Feature::Request, "match.body", body, |body| !body.is_empty());
    let proxy_line = keys.of(Feature::ProxyLine, PROXY_LINE, truth, |first| *first);
    let status_codes = keys.status_codes(&own.expectation);
    let body_regex = keys.of(Feature::Request, "match.body_regex", matching::pattern, |_| true);
    let body_not_regex = keys.of(Feature::Request, "match.body_not_regex", matching::pattern, |_| true);
    keys.only_for_requests(asking::KEYS.into_iter().chain(["match.json", "match.headers"]));
    let json = matching.as_ref().and_then(|section| matching::json(section, &mut reader.report));
    let headers = matching.as_ref().and_then(|section| matching::headers(section, &mut reader.report));
    let ask = asking::ask(reader, section, path.into_value(), &own.ask);
    let expectation = Expectation {
        status_codes: status_codes.unwrap_or_else(|| own.expectation.status_codes.clone()),
        body: body.into_value().unwrap_or_else(|| own.expectation.body.clone()),
        body_regex: body_regex.into_value().or_else(|| own.expectation.body_regex.clone()),
        body_not_regex: body_not_regex.into_value().or_else(|| own.expectation.body_not_regex.clone()),
        json: json.unwrap_or_else(|| own.expectation.json.clone()),
        headers: headers.unwrap_or_else(|| own.expectation.headers.clone()),
    };
    let report = &mut reader.report;
    if let (Method::Head, true, Some(section)) = (ask.method, expectation.looks_at_the_body(), &matching) {
        let message =
            "the answer to HEAD has no body to look at; use another `method`, or match status and headers only";
        report.error(Some(section.place()), section.path(), message);
    }
    HealthProbe {
        name: own.name.clone(),
        host: host.into_value().or_else(|| own.host.clone().filter(|_| !picks)),
        port: section.field("port", report, port).into_value().or(own.port),
        interval: own_interval,
        timeout: timeout.into_value().unwrap_or(default_timeout),
        unhealthy_threshold: section
            .field("unhealthy_threshold", report, |node| number(node, THRESHOLD))
            .into_value()
            .unwrap_or(own.unhealthy_threshold),
        healthy_threshold: section
            .field("healthy_threshold", report, |node| number(node, THRESHOLD))
            .into_value()
            .unwrap_or(own.healthy_threshold),
        unhealthy_interval: section
            .field("unhealthy_interval", report, |node| duration(node, INTERVAL))
            .into_value()
            .or(own.unhealthy_interval),
        pick_host_name_from_backend_settings: picks || own.pick_host_name_from_backend_settings,
        ask,
        expectation: Arc::new(expectation),
        enable_probe_proxy_protocol_header: proxy_line.into_value().unwrap_or(own.enable_probe_proxy_protocol_header),
    }
}

/// Reads keys that not every protocol has a use for.
struct Keys<'s, 'r> {
    section: &'s Section<'s>,
    matching: Option<&'s Section<'s>>,
    protocol: Option<Protocol>,
    tone: Tone,
    report: &'r mut Report,
}

impl<'s> Keys<'s, '_> {
    /// The mapping that `key` stands in, and its name there; `None` without a `match`.
    fn place(&self, key: &'static str) -> Option<(&'s Section<'s>, &'static str)> {
        match key.strip_prefix("match.") {
            None => Some((self.section, key)),
            Some(name) => Some((self.matching?, name)),
        }
    }

    /// The value at `key`, which stands in `match` when it says so. Whether it is about nothing that the protocol has is
    /// told only of values that say something.
    fn of<T>(
        &mut self,
        feature: Feature,
        key: &'static str,
        read: impl Fn(&Node) -> Result<T, String>,
        says_something: impl Fn(&T) -> bool,
    ) -> Field<T> {
        let Some((section, name)) = self.place(key) else { return Field::Absent };
        let field = section.field(name, self.report, read);
        if let Some(given) = field.given().filter(|given| says_something(&given.value)) {
            self.check_use(feature, section, name, given.place);
        }
        field
    }

    /// Says of these keys that they have no use, if they are there and have none.
    fn only_for_requests(&mut self, keys: impl Iterator<Item = &'static str>) {
        for key in keys {
            if let Some((section, name)) = self.place(key).filter(|(section, name)| section.is_given(name))
                && let Some(node) = section.node(name)
            {
                self.check_use(Feature::Request, section, name, node.place);
            }
        }
    }

    fn status_codes(&mut self, own: &Expectation) -> Option<Vec<(u16, u16)>> {
        let section = self.matching?;
        let Items { place, whole, right } =
            section.items("status_codes", self.report, |node| value::status_codes(text(node)?));
        let place = place?;
        if right.is_empty() && whole {
            let message =
                format!("at least one status code or range is needed; leave the key out for {}", own.statuses());
            self.report.error(Some(place), section.path_of("status_codes"), message);
        }
        self.check_use(Feature::Request, section, "status_codes", place);
        let codes: Vec<_> = right.into_iter().flat_map(|(_, codes)| codes.value).collect();
        Some(codes).filter(|codes| !codes.is_empty())
    }

    /// The PROXY line is for some protocols only; of the rest, what a protocol has no use for does no harm.
    fn check_use(&mut self, feature: Feature, section: &Section<'_>, name: &str, place: Place) {
        let Some(protocol) = self.protocol.filter(|protocol| !protocol.takes(feature)) else { return };
        let key = section.path_of(name);
        match feature {
            Feature::ProxyLine => {
                let right = Protocol::list("or", |protocol| protocol.takes(feature));
                let message = format!("a PROXY line can only be sent with protocol {right}, not with {protocol}");
                self.report.error(Some(place), key, message);
            }
            Feature::Name | Feature::Request | Feature::Certificates => {
                let message = format!("not used with protocol {protocol}");
                match self.tone {
                    Tone::File => self.report.warning(Some(place), key, message),
                    Tone::OnDemand => self.report.error(Some(place), key, message),
                }
            }
        }
    }
}

/// What a probe and the setting that uses it come to together.
pub(super) enum Misfit {
    /// The probe takes its host name from a setting that has none.
    NoHostName(String),
    /// The probe's host is not used.
    HostUnused(String),
}

impl HealthProbe {
    /// What does not fit when `setting`, whose own names these are, uses this probe.
    pub(super) fn misfit(&self, has_host_name: bool, picks_from_address: bool) -> Option<Misfit> {
        let name =
            self.name.as_ref().map_or_else(|| "the default probe".to_owned(), |it| format!("probe {}", quote(it)));
        match &self.host {
            _ if self.pick_host_name_from_backend_settings && !has_host_name && !picks_from_address => {
                Some(Misfit::NoHostName(format!(
                    "{name} takes its host name from the backend setting ({PICK}), which has no host name; \
                     give it a `host_name`"
                )))
            }
            Some(host) if picks_from_address => Some(Misfit::HostUnused(format!(
                "each server's own name is used, so the host of {name}, {}, is not",
                quote(host)
            ))),
            _ => None,
        }
    }

    /// The effective values in words; `protocols` are those of the settings that use the probe.
    pub(super) fn in_words(&self, protocols: &[Protocol]) -> String {
        let mut words = vec![
            format!("every {}", setting(self.interval)),
            format!("timeout {}", setting(self.timeout)),
            format!("unhealthy after {}", count(self.unhealthy_threshold as usize, "failed probe")),
        ];
        if let Some(interval) = self.unhealthy_interval {
            words.push(format!("every {} after a failure and until healthy", setting(interval)));
        }
        if self.healthy_threshold > 1 {
            words.push(format!("healthy again after {}", count(self.healthy_threshold as usize, "successful probe")));
        }
        if protocols.iter().any(|protocol| protocol.takes(Feature::Request)) {
            words.extend(self.ask.in_words());
            words.extend(self.expectation.in_words().into_iter().map(|expected| format!("expects {expected}")));
        }
        words.extend(self.host.as_ref().map(|host| format!("host {host}")));
        if self.pick_host_name_from_backend_settings {
            words.push("host from the setting".to_owned());
        }
        words.extend(self.port.map(|port| format!("port {port}")));
        if self.enable_probe_proxy_protocol_header {
            words.push("PROXY line first".to_owned());
        }
        words.join(", ")
    }
}

fn body(node: &Node) -> Result<String, String> {
    value::expected_body(text(node)?)
}
