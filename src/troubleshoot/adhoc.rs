//! What somebody wrote to have looked into, `host`, `host:port` or a URL, → the row that it would be. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::discovery::{Host, Server, ServerError};
use crate::probe::{Feature, NameSource, ProbeSpec, Protocol, Request, Stage, TlsSpec, Trust, VerifiedName};
use crate::target::{Target, TargetId};
use crate::words::{bracketed, endpoint, is_hidden};

/// A target that stands in no configuration: of no pool and no setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Adhoc {
    pub target: Target,
    /// Of a `host:port`, which does not say what is spoken there: how to speak TLS, if it is that.
    pub tls_if_spoken: Option<TlsSpec>,
}

/// Reads `host` (https on 443), `host:port` (tcp, or tls), or a URL with the scheme `http`, `https`, `tcp` or `tls`.
///
/// # Errors
/// Says what the text is instead.
pub fn adhoc(text: &str, trust: &Arc<Trust>, timeout: Duration) -> Result<Adhoc, String> {
    let Written { protocol, server, port, path, sniffs } = read(text)?;
    let name = match &server.host {
        Host::Ip(ip) => VerifiedName::Ip(*ip),
        Host::Name(name) => VerifiedName::Dns(name.clone()),
    };
    let tls = TlsSpec {
        name,
        name_source: NameSource::Server,
        trust: trust.clone(),
        client_certificate: None,
        validate_chain: true,
        validate_name: true,
        expiry_warning: EXPIRY_WARNING,
    };
    // As browsers and curl have it: with the port, unless it is the scheme's own.
    let host = server.host.to_string();
    let host =
        if protocol.row().default_port == Some(port) { bracketed(&host).into_owned() } else { endpoint(&host, port) };
    let target = Target {
        id: TargetId(0),
        pool: "".into(),
        setting: "".into(),
        server: server.written,
        interval: timeout,
        unhealthy_threshold: 1,
        probe: ProbeSpec {
            request: protocol.has(Stage::Http).then(|| Request::new(host, path)),
            tls: protocol.has(Stage::Tls).then(|| tls.clone()),
            ..ProbeSpec::new(protocol, server.host, port, timeout)
        },
    };
    Ok(Adhoc { target, tls_if_spoken: sniffs.then_some(tls) })
}

/// The parts of what was written.
struct Written {
    protocol: Protocol,
    server: Server,
    port: u16,
    path: String,
    /// What is spoken there is to be found out.
    sniffs: bool,
}

fn read(text: &str) -> Result<Written, String> {
    if text.chars().any(|character| is_hidden(character) || character.is_whitespace()) {
        return Err("a target holds neither spaces nor control characters".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        if text.contains('/') {
            return Err(format!("`{text}` is neither a host nor a URL; a URL begins with http:// or https://"));
        }
        let (server, port) = host_and_port(text)?;
        return Ok(match port {
            None => Written { protocol: Protocol::Https, server, port: 443, path: "/".to_owned(), sniffs: false },
            Some(port) => Written { protocol: Protocol::Tcp, server, port, path: "/".to_owned(), sniffs: true },
        });
    };
    let Some(protocol) = Protocol::parse(scheme) else {
        return Err(format!("`{scheme}://` is not known here; {} are", Protocol::list("and", |_| true)));
    };
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if authority.contains('@') {
        return Err("a user name or password in the URL is never sent; leave it out".to_owned());
    }
    let (server, port) = host_and_port(authority)?;
    let Some(port) = port.or(protocol.row().default_port) else {
        return Err(format!("a {protocol} target needs a port, like {protocol}://{authority}:5432"));
    };
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if !protocol.takes(Feature::Request) && path != "/" {
        return Err(format!("a {protocol} target has no path"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a path holds ASCII characters only; write the others as %XX".to_owned());
    }
    Ok(Written { protocol, server, port, path, sniffs: false })
}

fn host_and_port(text: &str) -> Result<(Server, Option<u16>), String> {
    match Server::parse(text) {
        Ok(server) => return Ok((server, None)),
        Err(ServerError::Port(_)) => {}
        Err(ServerError::Empty) => return Err("the target has no host".to_owned()),
        Err(ServerError::Url(_) | ServerError::Malformed(_)) => {
            return Err(format!("`{text}` is neither an IP address nor a host name, with or without a port"));
        }
        Err(error @ (ServerError::Unusable(..) | ServerError::LinkLocal(_) | ServerError::Unicode(..))) => {
            return Err(error.to_string());
        }
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let server = Server::parse(host).map_err(|error| error.to_string())?;
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok((server, Some(port))),
        Ok(_) | Err(_) => Err(format!("`{port}` is no port; ports go from 1 to 65535")),
    }
}

/// As a configuration has it by default.
const EXPIRY_WARNING: Duration = Duration::from_hours(21 * 24);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::TrustMode;

    fn read(text: &str) -> Result<Adhoc, String> {
        let trust = Arc::new(Trust::new(TrustMode::WellKnown, Vec::new(), Vec::new()).unwrap());
        adhoc(text, &trust, Duration::from_secs(10))
    }

    #[test]
    fn a_target_is_a_host_a_port_or_a_url() {
        let check = |text: &str, expected: &str| {
            let Adhoc { target, tls_if_spoken } = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let ProbeSpec { protocol, server, port, request, tls, .. } = &target.probe;
            let request = request.as_ref().map(|request| format!(" {} {}", request.host, request.ask.path));
            let name = tls.as_ref().map(|tls| format!(" for {}", tls.name));
            let sniffs = if tls_if_spoken.is_some() { " or tls" } else { "" };
            let (request, name) = (request.unwrap_or_default(), name.unwrap_or_default());
            assert_eq!(format!("{protocol} {server} {port}{request}{name}{sniffs}"), expected, "{text}");
        };
        check("app.example.com", "https app.example.com 443 app.example.com / for app.example.com");
        check("App.Example.com.", "https app.example.com 443 app.example.com / for app.example.com");
        check("10.0.0.4", "https 10.0.0.4 443 10.0.0.4 / for 10.0.0.4");
        check("2001:db8::7", "https 2001:db8::7 443 [2001:db8::7] / for 2001:db8::7");
        check("[2001:db8::7]:5432", "tcp 2001:db8::7 5432 or tls");
        check("db.example.com:5432", "tcp db.example.com 5432 or tls");
        check("http://app.example.com", "http app.example.com 80 app.example.com /");
        check("HTTP://10.0.0.4:8080/a?b=c#d", "http 10.0.0.4 8080 10.0.0.4:8080 /a?b=c");
        check("https://app.example.com?x", "https app.example.com 443 app.example.com /?x for app.example.com");
        check("https://[2001:db8::7]:8443/", "https 2001:db8::7 8443 [2001:db8::7]:8443 / for 2001:db8::7");
        check("tls://mx.example.com:465", "tls mx.example.com 465 for mx.example.com");
        check("tcp://10.0.0.4:5432", "tcp 10.0.0.4 5432");
    }

    #[test]
    fn what_is_no_target_says_what_would_be() {
        let check = |text: &str, words: &str| {
            let error = read(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        };
        check("", "no host");
        check("https://", "no host");
        check("app.example.com/healthz", "begins with http:// or https://");
        check("ftp://app.example.com", "http, https, tcp and tls");
        check("https://user:secret@app.example.com", "never sent");
        check("app.example.com:0", "no port");
        check("app.example.com:99999", "no port");
        check("tcp://10.0.0.4", "needs a port");
        check("tls://10.0.0.4:443/x", "no path");
        check("https://app.example.com/ä", "%XX");
        check("10.0.0.999", "neither an IP address nor a host name");
        check("a b", "neither spaces");
        check("a\u{1b}[2J", "control characters");
    }
}
