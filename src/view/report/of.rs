//! From a snapshot to a report.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::{
    AttemptView, CertificateView, ConfigurationView, Event, Filter, LastProbe, PastProbe, PhasesView, Problem,
    Question, Report, ReportHead, ReportRow, RequestView, ResponseView, Summary, TlsView, TrustView, UptimeView,
};
use crate::health;
use crate::health::{Overview, Row, Snapshot, State, Transition};
use crate::target::{Target, TrustMode, VerifiedName};
use crate::verdict::{
    Attempt, Code, Evidence, Finding, Part, Phases, PresentedCertificate, Slot, Stage, Verdict, anchor_names,
};
use crate::view::remedy::{Remedy, name_source};
use crate::words::{endpoint, seconds, status_codes};

/// Where the report's links lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// What stands before `/docs/...`: a URL, a path, or `.` for links relative to the page; without a slash at its end.
    pub base: String,
}

impl Links {
    /// The section of the documentation on a cause or notice.
    #[must_use]
    pub fn docs(&self, code: &str) -> String {
        format!("{}/docs/troubleshooting#{code}", self.base)
    }
}

impl<'a> Report<'a> {
    /// The rows of the snapshot that the filter lets through.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot, filter: &Filter, links: &Links) -> Self {
        let rows = snapshot.rows.iter().filter(|row| filter.matches(row));
        let rows: Vec<_> = rows.map(|row| ReportRow::of(row, links)).collect();
        let summary = Summary::of(rows.iter().map(|row| row.state));
        let configuration = Some(ConfigurationView::of(&snapshot.configuration));
        Self { generated_at: snapshot.changed_at, summary, configuration, rows }
    }
}

impl Summary {
    /// All of them.
    #[must_use]
    pub fn total(self) -> usize {
        let Self { healthy, unhealthy, unknown } = self;
        healthy + unhealthy + unknown
    }

    #[must_use]
    pub fn of(states: impl Iterator<Item = State>) -> Self {
        states.fold(Self::default(), |mut summary, state| {
            *match state {
                State::Healthy => &mut summary.healthy,
                State::Unhealthy => &mut summary.unhealthy,
                State::Unknown => &mut summary.unknown,
            } += 1;
            summary
        })
    }
}

impl<'a> ConfigurationView<'a> {
    pub(super) fn of(configuration: &'a health::Configuration) -> Self {
        let health::Configuration { loaded_at, error } = configuration;
        Self { loaded_at: *loaded_at, error: error.as_deref().map(Cow::Borrowed) }
    }
}

impl UptimeView {
    fn of(uptime: health::Uptime) -> Self {
        let health::Uptime { hour, day, week } = uptime;
        // What is below a millionth says more about the clock than about the server.
        let rounded = |share: Option<f64>| share.map(|share| (share * 1e6).round() / 1e6);
        Self { hour: rounded(hour), day: rounded(day), week: rounded(week) }
    }
}

impl ReportHead {
    #[must_use]
    pub fn of(overview: &Overview) -> Self {
        let [healthy, unhealthy, unknown] = overview.by_state;
        Self { generated_at: overview.changed_at, summary: Summary { healthy, unhealthy, unknown } }
    }
}

impl<'a> ReportRow<'a> {
    #[must_use]
    pub fn of(row: &'a Row, links: &Links) -> Self {
        let target = &*row.target;
        let last = row.last_probe.as_deref();
        let about = About { target, last, links };
        Self {
            id: target.id.to_string(),
            pool: Cow::Borrowed(&target.pool),
            setting: Cow::Borrowed(&target.setting),
            server: Cow::Borrowed(&target.server),
            port: target.port(),
            protocol: target.protocol(),
            state: row.state,
            since: row.since,
            uptime: UptimeView::of(row.uptime()),
            consecutive_failures: row.consecutive_failures,
            consecutive_successes: row.consecutive_successes,
            unhealthy_threshold: target.unhealthy_threshold,
            healthy_threshold: target.healthy_threshold,
            cause: row.cause.as_deref().map(|finding| about.problem(finding)),
            also: last.map(|probe| about.problems(&probe.also)).unwrap_or_default(),
            warnings: last.map(|probe| about.problems(&probe.warnings)).unwrap_or_default(),
            probe: Question::of(target),
            last_probe: last.map(|probe| about.probe(probe)),
            history: row.history.latest_first().map(PastProbe::of).collect(),
        }
    }
}

impl<'a> Event<'a> {
    #[must_use]
    pub fn of(transition: &'a Transition, links: &Links) -> Self {
        let Transition { number, target, from, to, cause, at } = transition;
        let about = About { target, last: None, links };
        Self {
            number: *number,
            at: *at,
            id: target.id.to_string(),
            pool: Cow::Borrowed(&target.pool),
            setting: Cow::Borrowed(&target.setting),
            server: Cow::Borrowed(&target.server),
            port: target.port(),
            protocol: target.protocol(),
            from: *from,
            to: *to,
            cause: cause.as_deref().map(|finding| about.problem(finding)),
        }
    }
}

/// What is needed to put a row's findings into words.
struct About<'a, 'l> {
    target: &'a Target,
    last: Option<&'a Verdict>,
    links: &'l Links,
}

impl<'a> Problem<'a> {
    /// A finding of a probe of `target` that connected, or tried to, to `address`.
    pub(in crate::view) fn of<C: Copy + Into<Code>>(
        finding: &'a Finding<C>,
        target: &Target,
        address: Option<SocketAddr>,
        links: Option<&Links>,
    ) -> Self {
        let words = finding.words();
        let remedy = Remedy::of(finding, target, address);
        Self {
            code: Cow::Borrowed(words.code),
            stage: words.stage,
            side: words.side,
            title: Cow::Borrowed(words.title),
            explanation: Cow::Borrowed(words.explanation),
            detail: Cow::Borrowed(&finding.detail),
            remedy: remedy.steps(),
            reproduce: remedy.reproduce(),
            certificate: finding.facts.get(Slot::Fingerprint).map(Cow::Borrowed),
            docs_url: links.map(|links| links.docs(words.code)).unwrap_or_default(),
        }
    }
}

impl<'a> About<'a, '_> {
    fn problem<C: Copy + Into<Code>>(&self, finding: &'a Finding<C>) -> Problem<'a> {
        Problem::of(finding, self.target, self.last.and_then(|probe| probe.evidence.address), Some(self.links))
    }

    fn problems<C: Copy + Into<Code>>(&self, findings: &'a [Finding<C>]) -> Vec<Problem<'a>> {
        findings.iter().map(|finding| self.problem(finding)).collect()
    }

    fn probe(&self, probe: &'a Verdict) -> LastProbe<'a> {
        let Verdict { cause, also: _, warnings: _, evidence } = probe;
        let Evidence { at, duration, phases, address, attempts, response, tls: _, verified: _, chain: _ } = evidence;
        LastProbe {
            at: *at,
            duration_seconds: seconds(*duration),
            address: *address,
            result: probe.result(),
            cause: cause.as_ref().map(|finding| self.problem(finding)),
            attempts: attempts.iter().map(AttemptView::of).collect(),
            phases: PhasesView::of(phases, self.target),
            request: RequestView::of(self.target),
            response: response.as_ref().map(|response| ResponseView {
                status: response.status,
                version: Cow::Borrowed(response.version),
                body_excerpt: Cow::Borrowed(&response.body_excerpt),
            }),
            tls: TlsView::of(probe, self.target),
        }
    }
}

impl<'a> AttemptView<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        let Attempt { address, cause, detail } = attempt;
        Self { address: *address, cause: Cow::Borrowed(cause.code()), detail: Cow::Borrowed(detail) }
    }
}

impl PhasesView {
    fn of(phases: &Phases, target: &Target) -> Self {
        let parts = target.protocol().row().parts;
        let of = |part: Part| parts.contains(&part).then(|| seconds(part.of(phases)));
        Self {
            dns: seconds(phases.dns),
            connect: seconds(phases.connect),
            tls: of(Part::Tls),
            first_byte: of(Part::FirstByte),
            transfer: of(Part::Transfer),
        }
    }
}

impl<'a> RequestView<'a> {
    fn of(target: &'a Target) -> Self {
        let request = target.probe.request.as_ref();
        let path = request.map_or("", |request| &request.ask.path);
        Self {
            url: format!("{}://{}{path}", target.protocol(), endpoint(&target.server, target.port())),
            host: request.map(|request| Cow::Borrowed(&*request.host)),
            sni: match target.verified_name() {
                Some(VerifiedName::Dns(name)) => Some(name.to_string()),
                Some(VerifiedName::Ip(_)) | None => None,
            },
        }
    }
}

impl<'a> Question<'a> {
    fn of(target: &'a Target) -> Self {
        let probe = &target.probe;
        let tls = probe.tls.as_ref();
        let codes = &probe.expectation.status_codes;
        let is_http = target.protocol().has(Stage::Http);
        Self {
            interval_seconds: seconds(target.interval),
            unhealthy_interval_seconds: seconds(target.unhealthy_interval),
            timeout_seconds: seconds(probe.timeout),
            expected_status_codes: codes.iter().filter(|_| is_http).map(|codes| status_codes(*codes)).collect(),
            expected_body: Cow::Borrowed(&probe.expectation.body),
            sends: probe.request.as_ref().map(|request| request.ask.in_words()).unwrap_or_default(),
            expects: if is_http { probe.expectation.in_words() } else { Vec::new() },
            name: tls.map(|tls| tls.name.to_string()),
            name_source: tls.map(|tls| name_source(tls.name_source, target)),
            trust: tls.map(|tls| TrustView {
                mode: Cow::Borrowed(mode(tls.trust.mode())),
                anchors: anchor_names(&tls.trust),
            }),
            client_certificate: tls.is_some_and(|tls| tls.client_certificate.is_some()),
            proxy_protocol: probe.proxy_protocol,
            validate_cert_chain_and_expiry: tls.is_none_or(|tls| tls.validate_chain),
            validate_sni: tls.is_none_or(|tls| tls.validate_name),
            request: RequestView::of(target),
        }
    }
}

fn mode(mode: TrustMode) -> &'static str {
    match mode {
        TrustMode::WellKnown => "well_known",
        TrustMode::Configured => "configured",
    }
}

impl<'a> TlsView<'a> {
    fn of(probe: &'a Verdict, target: &'a Target) -> Option<Self> {
        let spec = target.probe.tls.as_ref()?;
        let Evidence { tls, verified, chain, .. } = &probe.evidence;
        let failed_here = probe.cause.as_ref().is_some_and(|finding| finding.code.stage() == Stage::Tls);
        if tls.is_none() && chain.is_none() && !failed_here {
            return None;
        }
        let anchors = match (spec.trust.mode(), chain.as_ref().and_then(|chain| chain.trusted_root.as_ref())) {
            (TrustMode::WellKnown, Some(root)) => vec![root.clone()],
            (TrustMode::WellKnown, None) | (TrustMode::Configured, _) => anchor_names(&spec.trust),
        };
        let certificates = chain.as_ref().map(|chain| chain.certificates.as_slice()).unwrap_or_default();
        Some(Self {
            version: tls.map(|session| Cow::Borrowed(session.version)),
            cipher: tls.map(|session| Cow::Borrowed(session.cipher)),
            verified: *verified,
            chain: certificates.iter().map(CertificateView::of).collect(),
            trust: TrustView { mode: Cow::Borrowed(mode(spec.trust.mode())), anchors },
        })
    }
}

impl<'a> CertificateView<'a> {
    pub(in crate::view) fn of(certificate: &'a PresentedCertificate) -> Self {
        let PresentedCertificate {
            position,
            role,
            on_path,
            subject,
            issuer,
            serial,
            fingerprint_sha256,
            not_before,
            not_after,
            dns_names,
            ip_addresses,
            public_key,
            signature_algorithm,
            faults,
        } = certificate;
        Self {
            position: *position,
            role: *role,
            on_path: *on_path,
            subject: Cow::Borrowed(subject),
            issuer: Cow::Borrowed(issuer),
            serial: Cow::Borrowed(serial),
            not_before: *not_before,
            not_after: *not_after,
            dns_names: Cow::Borrowed(dns_names),
            ip_addresses: Cow::Borrowed(ip_addresses),
            public_key: Cow::Borrowed(public_key),
            signature_algorithm: Cow::Borrowed(signature_algorithm),
            fingerprint_sha256: Cow::Borrowed(fingerprint_sha256),
            faults: faults.iter().map(|cause| Cow::Borrowed(cause.code())).collect(),
        }
    }
}

impl PastProbe {
    fn of(past: health::PastProbe) -> Self {
        let health::PastProbe { at, duration, cause, status } = past;
        Self {
            at,
            result: past.result(),
            cause: cause.map(|cause| Cow::Borrowed(cause.code())),
            duration_seconds: seconds(duration),
            status,
        }
    }
}
