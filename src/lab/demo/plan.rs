//! The form of the demo's plan: settings, pools, servers, and what must be found.

use std::net::Ipv4Addr;

use crate::lab::behaviour::Behaviour;
use crate::lab::demo::Expected;

/// A pool and its servers.
#[derive(Debug)]
pub(super) struct Pool {
    pub name: &'static str,
    /// One line for the reader of the configuration.
    pub purpose: &'static str,
    /// Of the same port, all of them.
    pub settings: Vec<&'static Setting>,
    pub servers: Vec<Server>,
}

/// A backend setting.
#[derive(Debug)]
pub(super) struct Setting {
    pub name: &'static str,
    pub protocol: &'static str,
    /// Where its servers listen, if that is free.
    pub port: u16,
    pub probe: &'static str,
    /// Further lines of the setting, in YAML.
    pub keys: &'static [&'static str],
}

/// A server of a pool.
#[derive(Debug)]
pub(super) struct Server {
    pub written: &'static str,
    /// Absent for names and for what is not to be started.
    pub address: Option<Ipv4Addr>,
    /// What is the matter with it, for the reader of the configuration.
    pub note: &'static str,
    pub behaviour: Option<Behaviour>,
    /// One for each setting of the pool.
    pub outcomes: Vec<Outcome>,
}

/// What must be found: the cause's code, unless all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Healthy,
    Unhealthy(&'static str),
    Unknown(&'static str),
}

impl Pool {
    pub(super) fn port(&self) -> u16 {
        self.settings[0].port
    }

    pub(super) fn expected(&self) -> impl Iterator<Item = Expected> {
        self.servers.iter().flat_map(move |server| {
            self.settings.iter().zip(&server.outcomes).map(move |(setting, outcome)| Expected {
                pool: self.name,
                setting: setting.name,
                server: server.written,
                state: outcome.state(),
                cause: outcome.cause(),
            })
        })
    }
}

impl Server {
    /// A server that runs at this address.
    pub(super) fn at(
        written: &'static str,
        note: &'static str,
        behaviour: impl Into<Behaviour>,
        outcomes: impl Into<Vec<Outcome>>,
    ) -> Self {
        let address = Some(written.parse().expect("the plan's addresses are IPv4 addresses"));
        Self { written, address, note, behaviour: Some(behaviour.into()), outcomes: outcomes.into() }
    }

    /// A server that is only written down: a name, or an address that nobody can have.
    pub(super) fn written(written: &'static str, note: &'static str, outcome: Outcome) -> Self {
        Self { written, address: None, note, behaviour: None, outcomes: vec![outcome] }
    }
}

impl Outcome {
    fn state(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unhealthy(_) => "Unhealthy",
            Self::Unknown(_) => "Unknown",
        }
    }

    fn cause(self) -> Option<&'static str> {
        match self {
            Self::Healthy => None,
            Self::Unhealthy(cause) | Self::Unknown(cause) => Some(cause),
        }
    }
}

/// Every setting, in the order of the configuration.
pub(super) static SETTINGS: &[&Setting] = &[
    &HTTP,
    &ORDERS,
    &DATABASE,
    &SMTP_PROXY,
    &SMTPS_PROXY,
    &PAYMENTS,
    &APPLIANCE,
    &PARTNERS,
    &WEBSITE,
    &BANKING,
    &BANKING_WITH_CERTIFICATE,
    &LEGACY,
    &STAGING,
    &QUEUE,
];

pub(super) static HTTP: Setting =
    Setting { name: "http", protocol: "http", port: 8080, probe: "http-ready", keys: &["host_name: www.lab.test"] };

pub(super) static ORDERS: Setting =
    Setting { name: "orders-http", protocol: "http", port: 8080, probe: "service-health", keys: &[] };

pub(super) static DATABASE: Setting =
    Setting { name: "database-tcp", protocol: "tcp", port: 5432, probe: "tcp-open", keys: &[] };

pub(super) static SMTP_PROXY: Setting =
    Setting { name: "smtp-proxy", protocol: "tcp", port: 2525, probe: "tcp-proxy-line", keys: &[] };

pub(super) static SMTPS_PROXY: Setting = Setting {
    name: "smtps-proxy",
    protocol: "tls",
    port: 4650,
    probe: "tls-proxy-line",
    keys: &["host_name: mail.lab.test", TRUST],
};

pub(super) static PAYMENTS: Setting = Setting {
    name: "payments-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &["host_name: payments.lab.test", TRUST],
};

pub(super) static APPLIANCE: Setting = Setting {
    name: "appliance-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &["host_name: appliance.lab.test", "trusted_root_certificates: [lab-appliance.pem]"],
};

pub(super) static PARTNERS: Setting = Setting {
    name: "partners-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &[
        "host_name: partners.lab.test",
        TRUST,
        "certificate_revocation_lists: [lab-root.crl, lab-intermediate.crl]",
    ],
};

pub(super) static WEBSITE: Setting = Setting {
    name: "website-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &["host_name: website.lab.test   # no roots of its own: only well-known CAs are trusted"],
};

pub(super) static BANKING: Setting = Setting {
    name: "banking-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &["host_name: banking.lab.test", TRUST],
};

pub(super) static BANKING_WITH_CERTIFICATE: Setting = Setting {
    name: "banking-https-client-certificate",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &[
        "host_name: banking.lab.test",
        TRUST,
        "client_certificate: {certificate: lab-client.pem, private_key: lab-client.key}",
    ],
};

pub(super) static LEGACY: Setting = Setting {
    name: "legacy-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &["host_name: legacy.lab.test", TRUST],
};

pub(super) static STAGING: Setting = Setting {
    name: "staging-https",
    protocol: "https",
    port: 8443,
    probe: "https-healthz",
    keys: &["host_name: staging.lab.test", TRUST, "validate_cert_chain_and_expiry: false", "validate_sni: false"],
};

pub(super) static QUEUE: Setting = Setting {
    name: "queue-tls",
    protocol: "tls",
    port: 5671,
    probe: "tls-handshake",
    keys: &["host_name: queue.lab.test", TRUST],
};

const TRUST: &str = "trusted_root_certificates: [lab-root.pem]";
