//! What an HTTP exchange means: how it broke, and what is not as expected of a response.

use super::handshake::{NO_RENEGOTIATION, alert_name};
use super::text::quoted;
use super::{Case, Cause, Facts, Finding, Notice, Slot, matching};
use crate::probe::{
    BodyEnd, HttpFault, ProbeSpec, Response, ResponseProgress, TlsFacts, alert_in_clear, looks_like_tls,
};
use crate::words::took;

/// What broke it.
pub(super) fn of_fault(spec: &ProbeSpec, fault: &HttpFault, tls: Option<&TlsFacts>) -> (Cause, String) {
    let timeout = took(spec.timeout);
    match fault {
        HttpFault::Timeout { progress: ResponseProgress::Nothing, .. }
            if tls.is_some_and(|facts| facts.renegotiation_requested) =>
        {
            let detail = format!("the server asked to renegotiate TLS, and sent nothing more within {timeout}");
            (Cause::TlsClientCertificateRequired, format!("{detail}{NO_RENEGOTIATION}"))
        }
        HttpFault::Timeout { progress: ResponseProgress::Nothing, .. } => {
            (Cause::HttpTimeout, format!("not a byte of the response came within {timeout}"))
        }
        HttpFault::Timeout { progress: ResponseProgress::Head { received }, .. } => {
            (Cause::HttpTimeout, format!("only {received} bytes of an incomplete head came within {timeout}"))
        }
        HttpFault::Timeout { progress: ResponseProgress::Body { received, end }, quiet } => {
            let came = match end {
                BodyEnd::Length(length) => {
                    format!("{received} of {length} bytes of the body came within {timeout}")
                }
                BodyEnd::LastChunk => {
                    format!("{received} bytes of the body came within {timeout}, and not the last chunk, which ends it")
                }
                BodyEnd::Close => format!(
                    "{received} bytes of the body came; it has neither Content-Length nor chunks, so that only the \
                     connection's end ends it, and the server did not close within {timeout}, although asked to"
                ),
            };
            let since = match (is_over(*quiet, spec), end) {
                (true, BodyEnd::Length(_)) => {
                    format!(", and nothing more for the last {}; Content-Length announces the rest", took(*quiet))
                }
                (true, _) => format!("; nothing more came for the last {}", took(*quiet)),
                (false, _) => "; more was still coming".to_owned(),
            };
            (Cause::HttpTimeout, came + &since)
        }
        HttpFault::Reset(progress) => {
            let when = match progress {
                ResponseProgress::Nothing => "before the response".to_owned(),
                ResponseProgress::Head { received } => {
                    format!("within the response's head, after {received} bytes of it")
                }
                ResponseProgress::Body { received, end: BodyEnd::Length(length) } => {
                    format!("within the response's body, after {received} of {length} bytes")
                }
                ResponseProgress::Body { received, .. } => {
                    format!("within the response's body, after {received} bytes of it")
                }
            };
            (Cause::TcpReset, format!("the server reset the connection {when}"))
        }
        HttpFault::ClosedBeforeHead { received: 0 } => {
            (Cause::TcpReset, "the server closed the connection without a response".to_owned())
        }
        HttpFault::ClosedBeforeHead { received } => {
            (Cause::TcpReset, format!("the server closed the connection after {received} bytes of an incomplete head"))
        }
        HttpFault::Malformed(what) => (Cause::HttpMalformed, (*what).to_owned()),
        HttpFault::BadField(odd) => {
            (Cause::HttpMalformed, format!("the header field {} {}", quoted(&odd.field), odd.what))
        }
        HttpFault::NotHttp(bytes) => not_http(spec, bytes),
        HttpFault::BodyCutShort { received, end: BodyEnd::Length(announced) } => {
            (Cause::HttpMalformed, format!("the body ended after {received} of {announced} bytes"))
        }
        HttpFault::BodyCutShort { received, end: BodyEnd::LastChunk | BodyEnd::Close } => {
            (Cause::HttpMalformed, format!("the connection ended within the chunked body, after {received} bytes"))
        }
        HttpFault::HeadTooLarge => (Cause::HttpMalformed, "the response's heads are larger than 64 KiB".to_owned()),
        HttpFault::TooManyInterimResponses => {
            (Cause::HttpMalformed, "more than 16 interim (1xx) responses came before the real one".to_owned())
        }
    }
}

/// What the facts make of it: a body that does not end for a reason that is seen.
pub(super) fn case_of_fault(spec: &ProbeSpec, cause: Cause, fault: &HttpFault, tls: Option<&TlsFacts>) -> Option<Case> {
    match fault {
        HttpFault::Timeout { progress: ResponseProgress::Body { received: 1.., end }, quiet }
            if is_over(*quiet, spec) =>
        {
            match end {
                BodyEnd::Length(_) => Some(Case::TimeoutLength),
                BodyEnd::Close => Some(Case::TimeoutNoEnd),
                BodyEnd::LastChunk => None,
            }
        }
        _ if cause == Cause::TlsClientCertificateRequired => {
            tls.is_some_and(|facts| facts.renegotiation_requested).then_some(Case::RequiredLate)
        }
        _ => None,
    }
}

/// Whether a silence this long means that no more is on its way.
fn is_over(quiet: std::time::Duration, spec: &ProbeSpec) -> bool {
    quiet >= spec.timeout / 4
}

fn not_http(spec: &ProbeSpec, bytes: &[u8]) -> (Cause, String) {
    // Within TLS the port's own TLS has been spoken already.
    let is_plain = spec.tls.is_none();
    if let (true, Some(alert)) = (is_plain, alert_in_clear(bytes)) {
        let name = alert_name(alert.into());
        return (Cause::HttpToTlsPort, format!("the port answered plain HTTP with the TLS alert {name}"));
    }
    if is_plain && bytes.len() >= 3 && looks_like_tls(bytes) {
        return (Cause::HttpToTlsPort, "the port answered plain HTTP in TLS".to_owned());
    }
    if bytes.starts_with(b"PRI * HTTP/2") {
        return (Cause::HttpVersionMismatch, "the port answered with the preface of HTTP/2".to_owned());
    }
    match http2_frame(bytes) {
        Some(frame) => (Cause::HttpVersionMismatch, format!("the port answered with a frame of HTTP/2 ({frame})")),
        None => (Cause::HttpMalformed, format!("the response begins with {}", quoted(bytes))),
    }
}

/// The kind of frame that a server of HTTP/2 may send first, if it is one (RFC 9113, section 6).
fn http2_frame(bytes: &[u8]) -> Option<&'static str> {
    let [0, high, low, kind, flags, 0, 0, 0, 0, ..] = bytes else { return None };
    let length = u16::from_be_bytes([*high, *low]);
    match (kind, flags, length) {
        (4, 0, length) if length % 6 == 0 => Some("SETTINGS"),
        (4, 1, 0) => Some("SETTINGS"),
        (7, 0, 8..) => Some("GOAWAY"),
        (8, 0, 4) => Some("WINDOW_UPDATE"),
        _ => None,
    }
}

/// What is not as expected of a response; of the body only when it is complete.
pub(super) fn of_response(
    spec: &ProbeSpec,
    tls: Option<&TlsFacts>,
    response: &Response,
    is_complete: bool,
) -> Vec<Finding<Cause>> {
    let mut findings = Vec::new();
    if !spec.expectation.status_codes.iter().any(|(first, last)| (*first..=*last).contains(&response.status)) {
        let (finding, is_the_services) = of_status(spec, tls, response);
        findings.push(finding);
        // A page that says why nothing was served is not the one whose text is looked for.
        if !is_the_services {
            return findings;
        }
    }
    findings.extend(matching::findings(spec, response, is_complete));
    findings
}

/// Why this status came, and whether it is the service's own.
fn of_status(spec: &ProbeSpec, tls: Option<&TlsFacts>, response: &Response) -> (Finding<Cause>, bool) {
    let (codes, status) = (spec.expectation.statuses(), response.status);
    let facts = Facts::default().with(Slot::Expected, codes.clone()).with(Slot::Received, status.to_string());
    let said = Said::of(response);
    let explained = match (&spec.tls, tls) {
        (None, _) => said.tls_is_spoken_here(status).then(|| {
            let detail = format!("the server answered {status} and says that the port is for TLS, not for plain HTTP");
            (Cause::HttpToTlsPort, detail)
        }),
        (Some(tls), Some(facts)) => client_certificate(tls.client_certificate.is_some(), facts, status, &said),
        (Some(_), None) => None,
    };
    if let Some((cause, detail)) = explained.or_else(|| other_version(response, &said)) {
        let asked_in_time = tls.is_some_and(|facts| facts.client_certificate_requested);
        let is_late = cause == Cause::TlsClientCertificateRequired && !asked_in_time;
        let case = is_late.then_some(Case::RequiredLate);
        return (Finding::new(cause, detail).with(facts).in_case(case), false);
    }
    let redirect = response.location.as_ref().map(|to| format!(", a redirect to {}", quoted(to.as_bytes())));
    let detail = format!("expected status {codes}, received {status}{}", redirect.unwrap_or_default());
    (Finding::new(Cause::HttpStatusMismatch, detail).with(facts).in_case(case_of_status(status)), true)
}

/// Which steps fit a status.
fn case_of_status(status: u16) -> Option<Case> {
    Some(match status {
        300..=399 => Case::StatusRedirect,
        401 | 407 => Case::StatusAuthentication,
        403 => Case::StatusForbidden,
        404 | 410 => Case::StatusNotFound,
        429 => Case::StatusThrottled,
        400..=499 => Case::StatusRequest,
        502 | 504 => Case::StatusGateway,
        503 => Case::StatusUnavailable,
        500..=599 => Case::StatusError,
        _ => return None,
    })
}

/// A client certificate is what the server minds.
fn client_certificate(has_one: bool, facts: &TlsFacts, status: u16, said: &Said) -> Option<(Cause, String)> {
    if !matches!(status, 400 | 403 | 495 | 496) {
        return None;
    }
    let required = Cause::TlsClientCertificateRequired;
    if facts.renegotiation_requested {
        let detail = format!("the server asked to renegotiate TLS, and then answered {status}");
        return Some((required, format!("{detail}{NO_RENEGOTIATION}")));
    }
    if facts.client_certificate_requested {
        return Some(if has_one {
            let detail =
                format!("the server asked for a client certificate in the handshake, got ours, and answered {status}");
            (Cause::TlsClientCertificateRejected, detail)
        } else {
            let detail =
                format!("the server asked for a client certificate in the handshake, got none, and answered {status}");
            (required, detail)
        });
    }
    if status == 496 || said.client_certificate_is_wanted() {
        let detail = format!(
            "the server answered {status} and says that it wants a client certificate, for which it did not ask in the \
             handshake"
        );
        return Some((required, detail));
    }
    None
}

/// Another version of HTTP is what the server wants.
fn other_version(response: &Response, said: &Said) -> Option<(Cause, String)> {
    let status = response.status;
    let why = match status {
        505 => "HTTP version not supported".to_owned(),
        // Of AWS' load balancers.
        464 => "the version of the request does not fit its targets".to_owned(),
        426 => {
            let to = response.upgrade.as_deref()?;
            let is_later = ["h2", "http/2", "http/3"].iter().any(|name| to.to_ascii_lowercase().starts_with(name));
            is_later.then(|| format!("upgrade to {}", quoted(to.as_bytes())))?
        }
        400..=499 if said.http2_is_wanted() => "only HTTP/2 is spoken here".to_owned(),
        _ => return None,
    };
    Some((Cause::HttpVersionMismatch, format!("the server answered HTTP/1.1 with {status}: {why}")))
}

/// What the page of an error says, for the phrases of well-known servers.
struct Said(String);

impl Said {
    fn of(response: &Response) -> Self {
        // Long before this it has said why.
        const LOOKED_AT: usize = 8192;
        let text = String::from_utf8_lossy(&response.body[..response.body.len().min(LOOKED_AT)]).to_ascii_lowercase();
        // As pages break their lines, and as they write an apostrophe.
        Self(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").replace("&#39;", "'").replace("&apos;", "'"))
    }

    fn says(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.0.contains(phrase))
    }

    /// nginx, Apache, Go (Caddy, Traefik), Tomcat, Cheroot.
    fn tls_is_spoken_here(&self, status: u16) -> bool {
        const PHRASES: &[&str] = &[
            "plain http request was sent to https port",
            "speaking plain http to an ssl-enabled server port",
            "speaking plain http to a tls-enabled server port",
            "sent an http request to an https server",
            "sent a plain http request, but this server only speaks https",
            "this combination of host and port requires tls",
            "this combination of host and port requires ssl",
        ];
        matches!(status, 400 | 497) && (status == 497 || self.says(PHRASES))
    }

    /// The pages of nginx, Apache and IIS.
    fn client_certificate_is_wanted(&self) -> bool {
        const PHRASES: &[&str] = &[
            "no required ssl certificate was sent",
            "the ssl certificate error",
            "post-handshake authentication",
            "client certificate required",
            "requires a client certificate",
            "client certificate is required",
            "no client certificate",
        ];
        self.says(PHRASES)
    }

    /// Kestrel, Node.
    fn http2_is_wanted(&self) -> bool {
        const PHRASES: &[&str] = &[
            "request was sent to an http/2 only endpoint",
            "unknown alpn protocol, expected `h2`",
            "http/2 client preface",
            "requires http/2",
        ];
        self.says(PHRASES)
    }
}

/// What was taken of a response although it is not as it should be.
pub(super) fn notices(response: &Response) -> impl Iterator<Item = (Notice, String)> {
    let odd = response.odd_fields.iter();
    odd.map(|odd| (Notice::HttpOddHeader, format!("the header field {} {}", quoted(&odd.field), odd.what)))
}
