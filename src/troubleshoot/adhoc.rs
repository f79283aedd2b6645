//! What somebody wrote to have looked into, `host`, `host:port` or a URL, → the row that it would be. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::discovery::{Host, Server, ServerError};
use crate::probe::{
    ClientCertificate, Feature, NameSource, ProbeSpec, Protocol, Request, Stage, TlsSpec, Trust, TrustMode,
    VerifiedName,
};
use crate::target::Target;
use crate::words::{bracketed, endpoint, is_hidden};

/// A target that stands in no configuration: of no pool and no setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Adhoc {
    pub target: Target,
    /// Of a `host:port`, which does not say what is spoken there: how to speak TLS, if it is that.
    pub tls_if_spoken: Option<TlsSpec>,
}

/// How such a target is asked, beside what is written in it: the words are those of the flags.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The Host header and, unless `sni` says another, the name in TLS.
    pub host: Option<String>,
    /// The name in TLS alone.
    pub sni: Option<String>,
    pub trust: Arc<Trust>,
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// Faults of the chain, its dates and its name are only warnings.
    pub insecure: bool,
    /// Of the probe.
    pub timeout: Duration,
}

impl Manner {
    /// The name that the certificate must carry, and which flag says so.
    fn name(&self, server: &Server) -> Result<(VerifiedName, NameSource), String> {
        let named = [("--sni", &self.sni, NameSource::SniName), ("--host", &self.host, NameSource::ProbeHost)];
        for (flag, name, source) in named {
            if let Some(name) = name {
                return Ok((as_name(flag, name)?, source));
            }
        }
        let name = match &server.host {
            Host::Ip(ip) => VerifiedName::Ip(*ip),
            Host::Name(name) => VerifiedName::Dns(name.clone()),
        };
        Ok((name, NameSource::Server))
    }

    /// A flag that has no effect was meant to have one.
    fn check(&self, written: &Written) -> Result<(), String> {
        let Written { protocol, sniffs, .. } = written;
        let has_tls = protocol.has(Stage::Tls) || *sniffs;
        if self.host.is_some() && !has_tls && !protocol.has(Stage::Http) {
            return Err(format!("--host is for HTTP and TLS, and a {protocol} target has neither"));
        }
        let flags = [
            ("--sni", self.sni.is_some()),
            ("--client-certificate", self.client_certificate.is_some()),
            ("--insecure", self.insecure),
            ("--ca", self.trust.mode() == TrustMode::Configured),
        ];
        match flags.into_iter().find(|(_, is_given)| *is_given && !has_tls) {
            Some((flag, _)) => Err(format!("{flag} is for TLS, and a {protocol} target has none")),
            None => Ok(()),
        }
    }
}

fn as_name(flag: &str, text: &str) -> Result<VerifiedName, String> {
    match Server::parse(text).map(|server| server.host) {
        Ok(Host::Ip(ip)) => Ok(VerifiedName::Ip(ip)),
        Ok(Host::Name(name)) => Ok(VerifiedName::Dns(name)),
        Err(ServerError::Port(_)) => Err(format!("{flag} takes a name alone: the port stands in the target")),
        Err(error) => Err(format!("{flag}: {error}")),
    }
}

/// Reads `host` (https on 443), `host:port` (tcp, or tls), or a URL with the scheme `http`, `https`, `tcp` or `tls`.
///
/// # Errors
/// Says what the text is instead, or which part of the manner does not fit it.
pub fn adhoc(text: &str, manner: &Manner) -> Result<Adhoc, String> {
    let written = read(text)?;
    manner.check(&written)?;
    let Written { protocol, server, port, path, sniffs } = written;
    let (name, name_source) = manner.name(&server)?;
    let timeout = manner.timeout;
    let tls = TlsSpec {
        name,
        name_source,
        trust: manner.trust.clone(),
        client_certificate: manner.client_certificate.clone(),
        validate_chain: !manner.insecure,
        validate_name: !manner.insecure,
        expiry_warning: EXPIRY_WARNING,
    };
    // As browsers and curl have it: with the port, unless it is the scheme's own.
    let host = match &manner.host {
        Some(host) => bracketed(host).into_owned(),
        None if protocol.row().default_port == Some(port) => bracketed(&server.host.to_string()).into_owned(),
        None => endpoint(&server.host.to_string(), port),
    };
    let probe = ProbeSpec {
        request: protocol.has(Stage::Http).then(|| Request::new(host, path)),
        tls: protocol.has(Stage::Tls).then(|| tls.clone()),
        ..ProbeSpec::new(protocol, server.host, port, timeout)
    };
    let target = Target::single(server.written, probe);
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

    fn manner() -> Manner {
        Manner {
            host: None,
            sni: None,
            trust: Arc::new(Trust::new(TrustMode::WellKnown, Vec::new(), Vec::new()).unwrap()),
            client_certificate: None,
            insecure: false,
            timeout: Duration::from_secs(10),
        }
    }

    fn read(text: &str) -> Result<Adhoc, String> {
        adhoc(text, &manner())
    }

    #[test]
    fn flags_say_what_is_asked_for_and_of_whom() {
        let check =
            |text: &str, host: Option<&str>, sni: Option<&str>, expected: Result<(Option<&str>, &str), &str>| {
                let (host, sni) = (host.map(str::to_owned), sni.map(str::to_owned));
                let found = adhoc(text, &Manner { host, sni, insecure: true, ..manner() });
                match (found, expected) {
                    (Ok(Adhoc { target, tls_if_spoken }), Ok((host, name))) => {
                        let tls = target.probe.tls.or(tls_if_spoken).unwrap();
                        let asked = target.probe.request.map(|request| request.host.to_string());
                        assert_eq!((asked.as_deref(), tls.name.to_string().as_str()), (host, name), "{text}");
                        assert!(!tls.validate_chain && !tls.validate_name);
                    }
                    (Err(error), Err(words)) => assert!(error.contains(words), "{text}: {error}"),
                    (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
                }
            };
        let (a, b) = (Some("a.test"), Some("b.test"));
        check("10.0.0.4", a, None, Ok((Some("a.test"), "a.test")));
        check("10.0.0.4", None, b, Ok((Some("10.0.0.4"), "b.test")));
        check("10.0.0.4", a, b, Ok((Some("a.test"), "b.test")));
        check("10.0.0.4", Some("2001:db8::7"), None, Ok((Some("[2001:db8::7]"), "2001:db8::7")));
        check("10.0.0.4:636", a, None, Ok((None, "a.test")));
        check("tls://10.0.0.4:636", None, b, Ok((None, "b.test")));
        check("10.0.0.4", None, Some("b.test:443"), Err("--sni takes a name alone"));
        check("10.0.0.4", Some("http://a.test"), None, Err("--host"));
        check("tcp://10.0.0.4:25", a, None, Err("a tcp target has neither"));
        check("http://10.0.0.4", None, b, Err("--sni is for TLS, and a http target has none"));
        check("http://10.0.0.4", a, None, Err("--insecure is for TLS"));
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
