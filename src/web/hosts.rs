//! The names under which browsers may see the site: a page of somebody else's name that a changed DNS answer points here
//! (DNS rebinding) is no part of it.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use thiserror::Error;

use crate::web::Paths;

/// `--web.allowed-host` and what goes without saying; without that flag and an external URL every name is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Option<Vec<String>>);

/// A value of `--web.allowed-host` that is no name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("--web.allowed-host {0:?}: expected a host name such as probes.example.com, without scheme, port or path")]
pub struct HostsError(String);

impl Hosts {
    /// `given` are the flag's values, `own` is what this host is called.
    ///
    /// # Errors
    /// One of `given` is no host name.
    pub fn new(given: &[String], paths: &Paths, own: Option<&str>) -> Result<Self, HostsError> {
        if given.is_empty() && paths.external_host().is_none() {
            return Ok(Self(None));
        }
        let mut names = vec!["localhost".to_owned()];
        for name in given {
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if !is_name || plain(name).is_empty() {
                return Err(HostsError(name.clone()));
            }
            names.push(plain(name));
        }
        names.extend(paths.external_host().map(plain));
        if let Some(own) = own.map(plain).filter(|own| !own.is_empty()) {
            names.extend(own.split_once('.').map(|(short, _)| short.to_owned()));
            names.push(own);
        }
        Ok(Self(Some(names)))
    }

    /// Whether a browser asks under a name that is not ours. An address cannot be rebound; who is no browser does not run
    /// other people's scripts.
    /// `forwarded` is what a trusted proxy says was asked for.
    pub(super) fn refuses(&self, uri: &Uri, headers: &HeaderMap, forwarded: Option<&Authority>) -> bool {
        let Some(names) = &self.0 else { return false };
        let says_nothing = uri.authority().is_none() && !headers.contains_key(header::HOST) && forwarded.is_none();
        if !is_browser(headers) || says_nothing {
            return false;
        }
        let Some(asked) = forwarded.cloned().or_else(|| authority(uri, headers)) else { return true };
        let host = asked.host();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_address = host.parse::<IpAddr>().is_ok() || bare.is_some_and(|bare| bare.parse::<Ipv6Addr>().is_ok());
        !is_address && !names.contains(&plain(host))
    }
}

/// The host that the client asked: HTTP/2's `:authority` and the absolute form come before `Host` (RFC 9112, 3.2.2).
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => headers.get(header::HOST)?.to_str().ok()?.parse().ok(),
    }
}

/// In lower case, and without the dot of the root.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Every browser says which languages it takes, and a script can change but not remove that. The others are for those
/// that may once not.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    let signs = ["accept-language", "origin", "referer", "sec-fetch-site", "sec-fetch-mode"];
    agent || signs.iter().any(|sign| headers.contains_key(*sign))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn refuses(hosts: &Hosts, host: &str, browser: bool) -> bool {
        let mut request = Request::get("/").header("host", host);
        if browser {
            request = request.header("accept-language", "en");
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        hosts.refuses(&head.uri, &head.headers, None)
    }

    #[test]
    fn a_browser_is_answered_under_our_names_only_where_they_are_given() {
        let paths = |external| Paths::parse(external, None, "/metrics").unwrap();
        let given = ["Probes.example.com".to_owned()];
        let hosts = Hosts::new(&given, &paths(Some("https://outer.example/x")), Some("box7.corp.example")).unwrap();
        let ours = [
            "probes.example.com",
            "PROBES.example.com.:9115",
            "outer.example",
            "localhost:19115",
            "box7",
            "box7.corp.example:1",
            "10.0.0.4:19115",
            "[::1]:19115",
        ];
        for host in ours {
            assert!(!refuses(&hosts, host, true), "{host}");
        }
        for host in ["evil.example:19115", "probes.example.com.evil.example", "a b", "10.0.0.4.evil.example", ""] {
            assert!(refuses(&hosts, host, true), "{host}");
            assert!(!refuses(&hosts, host, false), "{host} is asked by no browser");
        }
        let free = Hosts::new(&[], &paths(None), Some("box7")).unwrap();
        assert!(!refuses(&free, "evil.example", true));
        let external = Hosts::new(&[], &paths(Some("https://outer.example")), None).unwrap();
        assert!(refuses(&external, "evil.example", true) && !refuses(&external, "outer.example", true));
    }

    #[test]
    fn what_is_no_host_name_is_refused_with_the_flags_name() {
        let paths = Paths::parse(None, None, "/metrics").unwrap();
        for wrong in ["", ".", "https://probes.example.com", "probes.example.com:80", "a/b", "ä", "*"] {
            let error = Hosts::new(&[wrong.to_owned()], &paths, None).unwrap_err().to_string();
            assert!(error.starts_with("--web.allowed-host") && error.contains("expected"), "{error}");
        }
    }
}
