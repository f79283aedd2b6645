//! `report` as one types it: what it writes where, and its exit codes.

mod login;
mod once;
mod remote;
mod terminal;
mod wait;
mod watch;

use std::process::Command;

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::{Backend, Behaviour, http};
use backend_health_exporter::view::report::Report;

use super::process::{Ended, Process};
use super::{BINARY, ConfigFile, DEADLINE, Exporter, Neighbours, text};

/// Runs it to its end.
async fn report(arguments: &[&str]) -> Ended {
    Process::spawn(Command::new(BINARY).arg("report").args(arguments)).ended(DEADLINE).await
}

fn code(ended: &Ended) -> Option<i32> {
    ended.status.code()
}

fn parsed(json: &str) -> Report<'static> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// A server that is well, one that refuses, and a name that does not exist.
struct Servers {
    neighbours: Neighbours,
    nameserver: Nameserver,
    config: ConfigFile,
}

impl Servers {
    /// Probed every 20 seconds.
    async fn start() -> Self {
        Self::every("20s").await
    }

    /// Where it is shorter than the timeout there is a warning on standard error.
    async fn every(interval: &str) -> Self {
        let neighbours = Neighbours::start([http::ok().into(), Behaviour::Refused]);
        let nameserver =
            Nameserver::start(Zone::new().with("known.lab.test", Answer::addresses([[127, 31, 0, 1]], 60)))
                .await
                .expect("a name server starts");
        let config = ConfigFile::new(&format!(
            "probes: [{{name: quick, protocol: http, interval: {interval}, timeout: 20s, unhealthy_threshold: 3}}]\n\
             backend_settings: [{{name: http, protocol: http, port: {}, probe: quick}}]\n\
             backend_pools:\n\
             - {{name: Web, settings: [http], servers: [127.31.0.1, 127.31.0.2]}}\n\
             - {{name: names, settings: [http], servers: [gone.lab.test, known.lab.test]}}\n",
            neighbours.port
        ));
        Self { neighbours, nameserver, config }
    }

    fn good(&self) -> &Backend {
        &self.neighbours.backends[0]
    }

    /// Probes them now.
    async fn report(&self, further: &[&str]) -> Ended {
        let nameserver = self.nameserver.address().to_string();
        let arguments = ["--config.file", text(&self.config.path), "--dns.nameserver", &nameserver];
        report(&[&arguments as &[_], further].concat()).await
    }

    /// Starts an exporter that has probed each of them.
    async fn exporter(&self, further: &[&str]) -> Exporter {
        let nameserver = self.nameserver.address().to_string();
        let arguments = ["--config.file", text(&self.config.path), "--dns.nameserver", &nameserver];
        Exporter::start(&[&arguments as &[_], further].concat()).await
    }
}

/// Flags, and the exit code that they lead to with these servers, however they are asked.
const CODES: &[(&[&str], i32)] = &[
    (&[], 1),
    (&["--pool", "web"], 1),
    (&["--pool", "WEB", "--state", "healthy"], 0),
    (&["--state", "HEALTHY"], 0),
    (&["--state", "Unknown"], 3),
    (&["--state", "unknown", "--state", "healthy"], 3),
    (&["--pool", "names"], 3),
    (&["--server", "127.31.0.1"], 0),
    (&["--server", "127.31.0.1", "--server", "KNOWN.lab.test"], 0),
    (&["--server", "127.31.0.2", "--setting", "HTTP"], 1),
    (&["--cause", "tcp_refused"], 1),
    (&["--cause", "DNS_name_not_found"], 3),
    (&["--side", "Server"], 1),
    (&["--side", "gateway"], 3),
    (&["--cause", "cert_expires_soon"], 2),
    (&["--cause", "cert_expires_soon", "--cause", "tcp_refused"], 2),
    (&["--side", "nobody"], 2),
    (&["--pool", "nobody"], 2),
    (&["--pool", "names", "--state", "unhealthy"], 2),
    (&["--state", "up"], 2),
    (&["--cause", "broken"], 2),
    (&["--output", "xml"], 2),
    (&["--watch.interval", "1s"], 2),
];
