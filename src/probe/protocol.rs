//! The one table of protocols: whatever depends on which protocol is spoken stands in its row.
//!
//! The configuration, the verdict, the views and the deep check read the row; none of them asks for a protocol by name.

use std::fmt;

use super::phases::Part;

/// What is true of a protocol.
#[derive(Debug)]
pub struct Row {
    /// As in the configuration, in labels and in the report.
    pub word: &'static str,
    pub default_port: Option<u16>,
    /// What a probe goes through, in this order; trouble on this host can show in any of them.
    pub stages: &'static [Stage],
    /// What takes its time, in this order.
    pub parts: &'static [Part],
    /// Offered in the TLS handshake (ALPN).
    pub alpn: &'static [&'static str],
    /// Which keys of the configuration it has a use for.
    pub features: &'static [Feature],
    /// Azure's collection of such backend settings, a part of their resource ids.
    pub azure_collection: &'static str,
    /// What a server did that passed a probe, when it said nothing.
    pub success: &'static str,
}

macro_rules! protocols {
    ($($(#[$doc:meta])* $name:ident $row:tt)+) => {
        /// How a server is spoken to; the value of `protocol` in the configuration.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Protocol { $($(#[$doc])* $name),+ }

        impl Protocol {
            /// All of them, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            #[must_use]
            pub const fn row(self) -> &'static Row {
                match self { $(Self::$name => &Row $row),+ }
            }
        }
    };
}

protocols! {
    Http {
        word: "http",
        default_port: Some(80),
        stages: &[Stage::Dns, Stage::Tcp, Stage::Http],
        parts: &[Part::Dns, Part::Connect, Part::FirstByte, Part::Transfer],
        alpn: &[],
        features: &[Feature::Name, Feature::Request],
        azure_collection: "backendHttpSettingsCollection",
        success: "the server answered",
    }
    Https {
        word: "https",
        default_port: Some(443),
        stages: &[Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Http],
        parts: &[Part::Dns, Part::Connect, Part::Tls, Part::FirstByte, Part::Transfer],
        alpn: &["http/1.1"],
        features: &[Feature::Name, Feature::Request, Feature::Certificates],
        azure_collection: "backendHttpSettingsCollection",
        success: "the server answered",
    }
    Tcp {
        word: "tcp",
        default_port: None,
        stages: &[Stage::Dns, Stage::Tcp],
        parts: &[Part::Dns, Part::Connect],
        alpn: &[],
        features: &[Feature::ProxyLine],
        azure_collection: "backendSettingsCollection",
        success: "the server accepted the connection",
    }
    Tls {
        word: "tls",
        default_port: None,
        stages: &[Stage::Dns, Stage::Tcp, Stage::Tls],
        parts: &[Part::Dns, Part::Connect, Part::Tls],
        alpn: &[],
        features: &[Feature::Name, Feature::Certificates, Feature::ProxyLine],
        azure_collection: "backendSettingsCollection",
        success: "the TLS handshake was completed",
    }
}

impl Protocol {
    /// As in the configuration, in labels and in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The protocol with this word, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|protocol| protocol.as_str().eq_ignore_ascii_case(word))
    }

    /// Whether its probes go through this stage.
    #[must_use]
    pub fn has(self, stage: Stage) -> bool {
        self.row().stages.contains(&stage)
    }

    /// Whether keys of the configuration that are about this mean anything.
    #[must_use]
    pub fn takes(self, feature: Feature) -> bool {
        self.row().features.contains(&feature)
    }

    /// The words of those that are `wanted`, as in a sentence: `http, https or tls`.
    #[must_use]
    pub fn list(conjunction: &str, wanted: impl Fn(Self) -> bool) -> String {
        let words: Vec<_> = Self::ALL.iter().filter(|protocol| wanted(**protocol)).map(|it| it.as_str()).collect();
        match words.as_slice() {
            [] => "none".to_owned(),
            [only] => (*only).to_owned(),
            [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What of a protocol keys of the configuration are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The server is told which name it is called by: a Host header or SNI.
    Name,
    /// A request with a path, and a response to match.
    Request,
    Certificates,
    /// A PROXY protocol line before anything else.
    ProxyLine,
}

/// Where a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// On this host.
    Local,
    Dns,
    Tcp,
    Tls,
    Http,
}

impl Stage {
    pub const ALL: &[Self] = &[Self::Local, Self::Dns, Self::Tcp, Self::Tls, Self::Http];

    /// As in labels and in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }

    /// In a few words, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Local => "This host",
            Self::Dns => "DNS lookup",
            Self::Tcp => "TCP connection",
            Self::Tls => "TLS handshake",
            Self::Http => "HTTP request",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_found_by_its_word_in_any_case() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::parse(&protocol.as_str().to_uppercase()), Some(*protocol));
        }
        assert_eq!(Protocol::parse("udp"), None);
    }

    #[test]
    fn protocols_are_listed_as_in_a_sentence() {
        assert_eq!(Protocol::list("or", |_| true), "http, https, tcp or tls");
        assert_eq!(Protocol::list("and", |protocol| protocol.takes(Feature::Certificates)), "https and tls");
        assert_eq!(Protocol::list("and", |protocol| protocol == Protocol::Tcp), "tcp");
        assert_eq!(Protocol::list("and", |_| false), "none");
    }

    /// What a row says in one place must not deny what it says in another.
    #[test]
    fn every_row_agrees_with_itself() {
        for protocol in Protocol::ALL {
            let Row { stages, parts, alpn, .. } = protocol.row();
            assert!(stages.starts_with(&[Stage::Dns, Stage::Tcp]) && !stages.contains(&Stage::Local), "{protocol}");
            assert!(parts.starts_with(&[Part::Dns, Part::Connect]), "{protocol}");
            let tls = protocol.has(Stage::Tls);
            assert_eq!(tls, parts.contains(&Part::Tls), "{protocol}");
            assert_eq!(tls, protocol.takes(Feature::Certificates), "{protocol}");
            assert!(tls || alpn.is_empty(), "{protocol}");
        }
    }
}
