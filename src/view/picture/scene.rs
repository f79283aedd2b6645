//! What stands in the picture: the parts of the three blocks and of the line, each with its marks. How it looks is none of
//! its business.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::chain;
use super::findings::Findings;
use super::part::{Kind, Part, Progress};
use super::place::Place;
use crate::verdict::{ProbeResult, Stage};
use crate::view::report::{LastProbe, PhasesView, Question, ReportRow, TrustView};
use crate::words::{one_line, took};

/// Everything that is drawn, and told in words.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) gateway: Vec<Part>,
    /// The line between gateway and server, from the first step to the last.
    pub(super) line: Vec<Part>,
    pub(super) server: Vec<Part>,
}

impl Scene {
    pub(super) fn of(row: &ReportRow<'_>, now: SystemTime) -> Self {
        let findings = Findings::of(row, now);
        let line = line(row, &findings);
        let server = server(row, &findings, &line);
        Self { gateway: gateway(row, &findings), line, server }
    }
}

fn gateway(row: &ReportRow<'_>, findings: &Findings<'_>) -> Vec<Part> {
    let Question { expected_status_codes, expected_body, name, trust, request, .. } = &row.probe;
    let tls = row.last_probe.as_ref().and_then(|probe| probe.tls.as_ref());
    let is_verified = tls.is_some_and(|tls| tls.verified);
    let fact = |place: Option<Place>, label: &str, value: &str| {
        Part::new(Kind::Fact, label, value).noted(place.map(|place| findings.at(place)).unwrap_or_default())
    };
    let mut parts = Vec::new();
    if !findings.at(Place::ThisHost).is_empty() {
        parts.push(fact(Some(Place::ThisHost), "This host", "where the exporter runs"));
    }
    let server = fact(Some(Place::ServerName), "Server", &row.server).and(format!("in the pool {}", row.pool));
    parts.push(server);
    let spoken = format!("{} on port {}", row.protocol, row.port);
    parts.push(fact(Some(Place::Protocol), "Protocol and port", &spoken));
    if row.probe.proxy_protocol {
        parts.push(fact(None, "PROXY line", "sent before anything else"));
    }
    if let Some(host) = &request.host {
        parts.push(fact(None, "Host header", host));
    }
    if let Some(name) = name {
        let label = if request.sni.is_some() { "Server name (SNI)" } else { "Name of the certificate" };
        let mut part = fact(Some(Place::Name), label, name).fine_if(is_verified && row.probe.validate_sni);
        if let Some(source) = &row.probe.name_source {
            part = part.and(format!("from {source}"));
        }
        if request.sni.is_none() {
            part = part.and("an address is never sent as SNI");
        }
        if !row.probe.validate_sni {
            part = part.and("not checked: validate_sni is off");
        }
        parts.push(part);
    }
    if let Some(TrustView { mode, anchors }) = trust {
        let label = "Trusted roots";
        let mut names = anchors.iter().map(|name| one_line(name));
        let first = match &**mode {
            "well_known" => "well-known CAs".to_owned(),
            _ => names.next().unwrap_or_else(|| "none that can be read".to_owned()),
        };
        let mut part = fact(Some(Place::Trust), label, &first);
        part.more.extend(names.by_ref().take(MAX_ANCHORS - 1));
        match names.count() {
            0 => {}
            more => part = part.and(format!("and {more} more")),
        }
        if !row.probe.validate_cert_chain_and_expiry {
            part = part.and("not checked: validate_cert_chain_and_expiry is off");
        }
        parts.push(part.fine_if(is_verified && row.probe.validate_cert_chain_and_expiry));
        let shown = if row.probe.client_certificate { "shown when asked for" } else { "none" };
        parts.push(fact(Some(Place::ClientCertificate), "Client certificate", shown));
    }
    if row.protocol.has(Stage::Http) {
        let mut part = fact(None, "Expected answer", &format!("status {}", expected_status_codes.join(", ")));
        if !expected_body.is_empty() {
            part = part.and(format!("with the text “{expected_body}”"));
        }
        parts.push(part);
    }
    parts
}

/// Names of trusted roots that are shown.
const MAX_ANCHORS: usize = 4;

fn line(row: &ReportRow<'_>, findings: &Findings<'_>) -> Vec<Part> {
    let steps = row.protocol.row().stages;
    let last = row.last_probe.as_ref();
    let ended_at = last.and_then(|probe| ended_at(probe, steps));
    let part = |(index, step): (usize, &Stage)| {
        let progress = match (last, ended_at) {
            (None, _) => Progress::NotReached,
            (Some(_), None) => Progress::Done,
            (Some(_), Some(end)) if index < end => Progress::Done,
            (Some(_), Some(end)) if index > end => Progress::NotReached,
            (Some(probe), Some(_)) if probe.result == ProbeResult::NoVerdict => Progress::Unclear,
            (Some(_), Some(_)) => Progress::Failed,
        };
        let spent = last.map(|probe| Duration::try_from_secs_f64(spent(&probe.phases, *step)).unwrap_or_default());
        let spent = spent.filter(|spent| !spent.is_zero()).map(|spent| took(spent).to_string());
        let is_address = row.server.parse::<IpAddr>().is_ok();
        let value = match (progress, spent) {
            (Progress::Done, _) if *step == Stage::Dns && is_address => Cow::Borrowed("not needed"),
            (Progress::Done, None) => Cow::Borrowed("done"),
            (Progress::Done, Some(spent)) => Cow::Owned(spent),
            (Progress::Failed, None) => Cow::Borrowed("failed"),
            (Progress::Failed, Some(spent)) => Cow::Owned(format!("failed, {spent}")),
            (Progress::Unclear, _) => Cow::Borrowed("no verdict"),
            (Progress::NotReached, _) => Cow::Borrowed("not reached"),
        };
        let mut notes = match step {
            Stage::Dns => findings.at(Place::Lookup),
            Stage::Tcp => findings.at(Place::Connection),
            _ => Vec::new(),
        };
        if progress == Progress::Failed {
            notes.extend(findings.at(Place::Line));
        }
        Part::new(Kind::Step(progress), step.title(), value).noted(notes).fine_if(progress == Progress::Done)
    };
    steps.iter().enumerate().map(part).collect()
}

/// Which step the probe ended in; `None` when it succeeded.
fn ended_at(probe: &LastProbe<'_>, steps: &[Stage]) -> Option<usize> {
    let cause = probe.cause.as_ref()?;
    let furthest = steps.iter().rposition(|step| spent(&probe.phases, *step) > 0.0).unwrap_or_default();
    let of_stage = steps.iter().position(|step| *step == cause.stage);
    Some(match (cause.stage, of_stage) {
        // A connection can break at any later time, and our own trouble comes when it comes.
        (Stage::Tcp | Stage::Local, of_stage) => furthest.max(of_stage.unwrap_or_default()),
        (_, of_stage) => of_stage.unwrap_or(furthest),
    })
}

fn spent(phases: &PhasesView, step: Stage) -> f64 {
    let PhasesView { dns, connect, tls, first_byte, transfer } = phases;
    match step {
        Stage::Local => 0.0,
        Stage::Dns => *dns,
        Stage::Tcp => *connect,
        Stage::Tls => tls.unwrap_or_default(),
        Stage::Http => first_byte.unwrap_or_default() + transfer.unwrap_or_default(),
    }
}

fn server(row: &ReportRow<'_>, findings: &Findings<'_>, line: &[Part]) -> Vec<Part> {
    let last = row.last_probe.as_ref();
    let is_done = |step: Stage| line.iter().any(|part| part.label == step.title() && part.is_fine);
    let mut parts = Vec::new();
    let address = last.and_then(|probe| probe.address).map(|address| address.to_string());
    let listener = Part::new(Kind::Fact, "Address", address.as_deref().unwrap_or("not known"));
    parts.push(listener.noted(findings.at(Place::Listener)).fine_if(is_done(Stage::Tcp)));
    let tls = last.and_then(|probe| probe.tls.as_ref());
    if row.protocol.has(Stage::Tls) {
        let session = match tls.map(|tls| (&tls.version, &tls.cipher)) {
            Some((Some(version), Some(cipher))) => format!("{version}, {cipher}"),
            Some((Some(version), None)) => version.to_string(),
            Some((None, _)) => "not agreed on".to_owned(),
            None => "not reached".to_owned(),
        };
        let handshake = Part::new(Kind::Fact, "TLS", session);
        parts.push(handshake.noted(findings.at(Place::Tls)).fine_if(is_done(Stage::Tls)));
        parts.extend(chain::parts(row, findings));
    } else {
        parts.push(Part::new(Kind::Remark, "No TLS is used here, so there are no certificates.", ""));
    }
    if row.protocol.has(Stage::Http) {
        let came = match last.and_then(|probe| probe.response.as_ref()) {
            Some(response) => format!("{} {}", response.version, response.status),
            None => "none".to_owned(),
        };
        let response = Part::new(Kind::Fact, "HTTP response", came);
        parts.push(response.noted(findings.at(Place::Response)).fine_if(is_done(Stage::Http)));
    }
    parts
}
