//! One backend server: an address or a name, read from what somebody wrote.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

pub use crate::resolver::Host;
use crate::resolver::{Unusable, unusable};

/// One backend server, as written by the user and as understood by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As written, without the brackets of an IPv6 address: the `server` of rows and labels.
    pub written: Arc<str>,
    pub host: Host,
}

impl Server {
    /// What makes two of them the same server, however they are written: `::ffff:10.0.0.4` is reached as `10.0.0.4`.
    #[must_use]
    pub fn identity(&self) -> Host {
        match &self.host {
            Host::Ip(ip) => Host::Ip(ip.to_canonical()),
            Host::Name(name) => Host::Name(name.clone()),
        }
    }
}

/// Why a text is no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    #[error("a server must not be empty")]
    Empty,
    #[error("`{0}` carries a port; ports go to `port` of the backend setting or of the probe")]
    Port(String),
    #[error(
        "`{0}` looks like a URL; a server is only an IP address or a host name, path and protocol go to probe and backend setting"
    )]
    Url(String),
    #[error("`{0}` is neither an IP address nor a host name")]
    Malformed(String),
    #[error("no server can have the address `{0}` ({1}); write the server's own address or name")]
    Unusable(String, Unusable),
    #[error(
        "`{0}` is a link-local address, which is only reached through a network interface, and none can be given here; write \
         a global or unique local address, or a name"
    )]
    LinkLocal(String),
    #[error("`{0}` has letters that DNS does not carry; write it as `{1}`")]
    Unicode(String, String),
}

impl Server {
    /// Reads `10.0.0.4`, `2001:db8::7`, `[2001:db8::7]` or `app.example.com`.
    ///
    /// # Errors
    /// Says what the text is instead, when it is no server.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        if text.is_empty() {
            return Err(ServerError::Empty);
        }
        if text.contains('/') {
            return Err(ServerError::Url(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let Some((inner, after)) = rest.split_once(']') else {
                return Err(ServerError::Malformed(text.to_owned()));
            };
            let ip = without_zone(inner).parse::<Ipv6Addr>().map_err(|_| ServerError::Malformed(text.to_owned()))?;
            return match after {
                "" => Self::at(ip.into(), inner),
                _ if after.starts_with(':') => Err(ServerError::Port(text.to_owned())),
                _ => Err(ServerError::Malformed(text.to_owned())),
            };
        }
        if let Ok(ip) = without_zone(text).parse::<IpAddr>() {
            return Self::at(ip, text);
        }
        if let Some((host, port)) = text.rsplit_once(':')
            && !host.contains(':')
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(ServerError::Port(text.to_owned()));
        }
        match dns_name(text) {
            Some(name) => Ok(Self { written: text.into(), host: Host::Name(name.into()) }),
            None => Err(match in_ascii(text) {
                Some(ascii) => ServerError::Unicode(text.to_owned(), ascii),
                None => ServerError::Malformed(text.to_owned()),
            }),
        }
    }

    fn at(ip: IpAddr, written: &str) -> Result<Self, ServerError> {
        if let Some(why) = unusable(ip) {
            return Err(ServerError::Unusable(written.to_owned(), why));
        }
        // With its interface, too: what connects knows addresses only.
        if matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            return Err(ServerError::LinkLocal(written.to_owned()));
        }
        if written.contains('%') {
            return Err(ServerError::Malformed(written.to_owned()));
        }
        Ok(Self { written: written.into(), host: Host::Ip(ip) })
    }
}

/// `fe80::1%eth0` without `%eth0` (RFC 4007, section 11).
fn without_zone(text: &str) -> &str {
    match text.split_once('%') {
        Some((address, zone)) if address.contains(':') && !zone.is_empty() => address,
        _ => text,
    }
}

/// A name that has other letters than ASCII's in the form that DNS carries (RFC 5891), when that is a name.
fn in_ascii(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    dns_name(&idna::domain_to_ascii_strict(text.strip_suffix('.').unwrap_or(text)).ok()?)
}

/// The DNS name in lower case and without its final dot, when `text` is one (RFC 1123, underscores allowed).
/// A last label of digits only is an address with a slip, never a name (RFC 3696, section 2).
#[must_use]
pub fn dns_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label_holds = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    (name.len() <= 253 && name.split('.').all(label_holds) && !last_is_number).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_or_a_name_and_nothing_else() {
        let reads_as = |text: &str, written: &str, host: &str| {
            let server = Server::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((&*server.written, server.host.to_string().as_str()), (written, host), "{text}");
        };
        reads_as("10.0.0.4", "10.0.0.4", "10.0.0.4");
        reads_as("[2001:DB8::7]", "2001:DB8::7", "2001:db8::7");
        reads_as("2001:db8::7", "2001:db8::7", "2001:db8::7");
        reads_as("App.Example.com.", "App.Example.com.", "app.example.com");
        reads_as("web_1", "web_1", "web_1");
    }

    #[test]
    fn what_is_no_server_says_what_it_is_instead() {
        let refused = |text: &str, wanted: fn(String) -> ServerError| {
            assert_eq!(Server::parse(text), Err(wanted(text.to_owned())), "{text}");
        };
        assert_eq!(Server::parse(""), Err(ServerError::Empty));
        refused("10.0.0.4:80", ServerError::Port);
        refused("app.example.com:443", ServerError::Port);
        refused("[2001:db8::7]:443", ServerError::Port);
        refused("https://app.example.com", ServerError::Url);
        refused("10.0.0.999", ServerError::Malformed);
        refused("10.0.0", ServerError::Malformed);
        refused("-app.example.com", ServerError::Malformed);
        refused("app..example.com", ServerError::Malformed);
        refused("app example", ServerError::Malformed);
        refused("[10.0.0.4]", ServerError::Malformed);
        refused("a\nb", ServerError::Malformed);
    }

    #[test]
    fn an_address_that_no_server_can_have_is_none() {
        for (text, written, why) in [
            ("0.0.0.0", "0.0.0.0", "unspecified"),
            ("::", "::", "unspecified"),
            ("[::]", "::", "unspecified"),
            ("::ffff:0.0.0.0", "::ffff:0.0.0.0", "unspecified"),
            ("224.0.0.1", "224.0.0.1", "multicast"),
            ("ff02::1", "ff02::1", "multicast"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
        ] {
            let said =
                format!("no server can have the address `{written}` ({why}); write the server's own address or name");
            assert_eq!(Server::parse(text).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_link_local_address_cannot_be_given_its_interface() {
        for text in ["fe80::1", "[fe80::1]", "fe80::1%eth0", "[fe80::1%lo]", "fe80::1%25eth0", "febf::7%2"] {
            let error = Server::parse(text).unwrap_err();
            assert!(matches!(error, ServerError::LinkLocal(_)), "{text}: {error}");
        }
        for text in ["fc00::1%eth0", "10.0.0.4%eth0", "app.example.com%eth0", "fe80::1%"] {
            let error = Server::parse(text).unwrap_err();
            assert!(matches!(error, ServerError::Malformed(_)), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_in_other_letters_is_told_how_it_is_written() {
        for (text, ascii) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example", "xn--bcher-kva.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("straße.example.", "xn--strae-oqa.example"),
        ] {
            let said = format!("`{text}` has letters that DNS does not carry; write it as `{ascii}`");
            assert_eq!(Server::parse(text).unwrap_err().to_string(), said);
        }
        assert!(Server::parse("xn--bcher-kva.example").is_ok());
        for text in
            ["bü cher.example", "bücher..example", "-bücher-.example", "bücher.example:443", "\u{202e}a.example"]
        {
            let error = Server::parse(text).unwrap_err();
            assert!(!matches!(error, ServerError::Unicode(..)), "{text}: {error}");
        }
    }
}
