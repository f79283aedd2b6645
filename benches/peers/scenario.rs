//! What is measured: so many servers of a kind, each probed once an interval, and who takes part.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::contender::Contender;
use crate::material::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub kind: Kind,
    pub servers: u32,
    pub interval: Duration,
    pub contenders: &'static [Contender],
}

/// Each with what it is there for. Those who matter for it take part, so that a full run ends within 25 minutes.
pub const ALL: &[Scenario] = &[FEW, HTTP, ECDSA, RSA, FAST, SLOW_HTTP, SLOW_ECDSA, MANY_HTTP, MANY_ECDSA];

/// As many probes a second as [`HTTP`] and [`MANY_HTTP`], of few servers: whether cost grows with servers.
pub const FEW: Scenario =
    Scenario { servers: 100, interval: Duration::from_millis(100), contenders: &[FLOOR, EXPORTER], ..HTTP };

/// What a probe costs.
pub const HTTP: Scenario = Scenario {
    kind: Kind::Http,
    servers: 1_000,
    interval: Duration::from_secs(1),
    contenders: &[FLOOR, EXPORTER, HAPROXY, Contender::Envoy],
};

/// What a handshake costs, verified or not, at a rate that all of them can keep up with.
pub const ECDSA: Scenario = Scenario {
    kind: Kind::HttpsEcdsa,
    interval: Duration::from_secs(2),
    contenders: &[
        FLOOR,
        Contender::FloorWithoutChain,
        EXPORTER,
        Contender::ExporterNewChains,
        HAPROXY,
        Contender::HaproxyUnverified,
        Contender::Envoy,
    ],
    ..HTTP
};

pub const RSA: Scenario = Scenario { kind: Kind::HttpsRsa, contenders: &[FLOOR, EXPORTER, HAPROXY], ..ECDSA };

/// Whether probes start when they should.
pub const FAST: Scenario = Scenario { servers: 5_000, ..HTTP };

/// Rarely enough for who has to be asked for each probe.
pub const SLOW_HTTP: Scenario =
    Scenario { interval: Duration::from_secs(5), contenders: &[EXPORTER, HAPROXY, Contender::Blackbox], ..HTTP };

pub const SLOW_ECDSA: Scenario = Scenario { kind: Kind::HttpsEcdsa, ..SLOW_HTTP };

/// Memory, and what a scrape costs and disturbs.
pub const MANY_HTTP: Scenario = Scenario { servers: 20_000, interval: Duration::from_secs(20), ..HTTP };

pub const MANY_ECDSA: Scenario = Scenario { kind: Kind::HttpsEcdsa, contenders: &[EXPORTER, HAPROXY], ..MANY_HTTP };

const FLOOR: Contender = Contender::Floor;
const EXPORTER: Contender = Contender::Exporter;
const HAPROXY: Contender = Contender::Haproxy;

impl Scenario {
    #[must_use]
    pub fn name(&self) -> String {
        format!(
            "{} {} servers at {}",
            self.kind.name(),
            self.servers,
            backend_health_exporter::words::setting(self.interval)
        )
    }

    /// Probes a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.servers) / self.interval.as_secs_f64()
    }

    /// Whether a contender is started once and measured again and again, since it takes long until everything has been
    /// probed; else all take turns.
    #[must_use]
    pub fn settles_slowly(&self) -> bool {
        self.interval >= Duration::from_secs(5)
    }

    /// Whether it is looked at what scrapes do to the probes.
    #[must_use]
    pub fn is_scraped_often(&self) -> bool {
        self.servers >= 10_000
    }
}

impl Serialize for Scenario {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}
