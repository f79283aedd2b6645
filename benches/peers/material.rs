//! What the contenders need: certificates, addresses, and a configuration for each.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use backend_health_exporter::lab::tls::{Credential, KeyAlgorithm, Profile};

use crate::scenario::Scenario;

/// The name that the certificates are for.
pub const HOST: &str = "app.bench.test";
/// Where the backends listen, on every address of 127/8.
pub const PORT: u16 = 29_080;
/// Where they tell what they saw.
pub const COUNT_PORT: u16 = 29_081;
/// Where each contender serves its metrics.
pub const METRICS_PORT: u16 = 29_082;

/// How the backends are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    /// ECDSA P-256: leaf and intermediate sent.
    HttpsEcdsa,
    /// RSA 2048: leaf and intermediate sent.
    HttpsRsa,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::HttpsEcdsa => "https-ecdsa",
            Self::HttpsRsa => "https-rsa",
        }
    }

    pub fn is_tls(self) -> bool {
        self != Self::Http
    }

    fn key(self) -> KeyAlgorithm {
        match self {
            Self::Http | Self::HttpsEcdsa => KeyAlgorithm::EcdsaP256,
            Self::HttpsRsa => KeyAlgorithm::Rsa2048,
        }
    }
}

/// Whose files to write, and where.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[arg(long)]
    https: bool,
    #[arg(long)]
    servers: u32,
    #[arg(long)]
    interval_milliseconds: u64,
    directory: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let kind = if arguments.https { Kind::HttpsEcdsa } else { Kind::Http };
    let interval = Duration::from_millis(arguments.interval_milliseconds);
    write(&arguments.directory, &Scenario { kind, servers: arguments.servers, interval, contenders: &[] })?;
    Ok(())
}

/// The files of a scenario.
pub struct Materials {
    pub root: PathBuf,
    pub chain: PathBuf,
    pub key: PathBuf,
    /// The intermediate and its key.
    pub issuer: PathBuf,
    pub issuer_key: PathBuf,
    pub exporter: PathBuf,
    pub haproxy: PathBuf,
    pub haproxy_unverified: PathBuf,
    pub envoy: PathBuf,
    pub blackbox: PathBuf,
}

/// The address of a server; all of them are this machine.
pub fn address(server: u32) -> Ipv4Addr {
    // Neither the network's own address nor the one that everybody uses.
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 64, 0, 1)) + server)
}

pub fn write(directory: &Path, scenario: &Scenario) -> anyhow::Result<Materials> {
    fs::create_dir_all(directory)?;
    let key = scenario.kind.key();
    let authority = |name: &str| Profile { key, ..Profile::authority(name) };
    let root = Credential::self_signed(&authority("Bench Root"))?;
    let intermediate = root.issue(&authority("Bench Intermediate"))?;
    let leaf = intermediate.issue(&Profile { key, ..Profile::server(HOST) })?;
    let file = |name: &str, text: String| -> anyhow::Result<PathBuf> {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    };
    let root = file("root.pem", root.pem())?;
    Ok(Materials {
        chain: file("chain.pem", leaf.pem() + &intermediate.pem())?,
        key: file("key.pem", leaf.key_pem())?,
        issuer: file("intermediate.pem", intermediate.pem())?,
        issuer_key: file("intermediate-key.pem", intermediate.key_pem())?,
        exporter: file("backend_health.yml", exporter(scenario))?,
        haproxy: file("haproxy.cfg", haproxy(scenario, &format!("required ca-file {}", root.display())))?,
        haproxy_unverified: file("haproxy-unverified.cfg", haproxy(scenario, "none"))?,
        envoy: file("envoy.yaml", envoy(scenario, &root))?,
        blackbox: file("blackbox.yml", blackbox(scenario, &root))?,
        root,
    })
}

fn exporter(scenario: &Scenario) -> String {
    let protocol = if scenario.kind.is_tls() { "https" } else { "http" };
    let interval = backend_health_exporter::words::setting(scenario.interval);
    let trust = if scenario.kind.is_tls() { "trusted_root_certificates: [root.pem]" } else { "" };
    let mut text = format!(
        "probes: [{{name: p, protocol: {protocol}, host: {HOST}, interval: {interval}, timeout: {timeout}ms}}]\n\
         backend_settings:\n  - name: s\n    protocol: {protocol}\n    port: {PORT}\n    probe: p\n    {trust}\n\
         backend_pools:\n  - name: bench\n    settings: [s]\n    servers:\n",
        timeout = scenario.interval.as_millis().min(5_000),
    );
    for server in 0..scenario.servers {
        let _ = writeln!(text, "      - {}", address(server));
    }
    text
}

fn haproxy(scenario: &Scenario, verify: &str) -> String {
    let check = if scenario.kind.is_tls() {
        format!("check check-ssl verify {verify} check-sni {HOST} verifyhost {HOST} no-ssl-reuse")
    } else {
        "check".to_owned()
    };
    // It wants a descriptor for each server at once, which a host need not allow, and does not need them.
    let mut text = format!(
        "global\n  no strict-limits\n  nbthread 1\n  maxconn 1000\n  log /dev/null local0\n  tune.ssl.default-dh-param 2048\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n  timeout check 5s\n\
         frontend metrics\n  bind 127.0.0.1:{METRICS_PORT}\n  http-request use-service prometheus-exporter if {{ path /metrics }}\n\
         backend bench\n  option httpchk\n  http-check send meth GET uri / ver HTTP/1.1 hdr Host {HOST} hdr Connection close\n  \
         http-check expect status 200-399\n  default-server inter {}ms fall 3 rise 1\n",
        scenario.interval.as_millis()
    );
    for server in 0..scenario.servers {
        let _ = writeln!(text, "  server s{server} {}:{PORT} {check}", address(server));
    }
    text
}

fn envoy(scenario: &Scenario, root: &Path) -> String {
    let interval = format!("{}s", scenario.interval.as_secs_f64());
    let tls = if scenario.kind.is_tls() {
        format!(
            "    transport_socket:\n      name: envoy.transport_sockets.tls\n      typed_config:\n        \
             \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n        \
             sni: {HOST}\n        max_session_keys: 0\n        common_tls_context:\n          validation_context:\n            \
             trusted_ca: {{filename: {}}}\n            match_typed_subject_alt_names:\n            \
             - {{san_type: DNS, matcher: {{exact: {HOST}}}}}\n",
            root.display()
        )
    } else {
        String::new()
    };
    let mut text = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {METRICS_PORT}}}}}}}\n\
         static_resources:\n  clusters:\n  - name: bench\n    type: STATIC\n    connect_timeout: 5s\n{tls}    \
         health_checks:\n    - timeout: 5s\n      interval: {interval}\n      no_traffic_interval: {interval}\n      \
         no_traffic_healthy_interval: {interval}\n      initial_jitter: {interval}\n      unhealthy_threshold: 3\n      \
         healthy_threshold: 1\n      reuse_connection: false\n      \
         http_health_check: {{path: /, host: {HOST}, expected_statuses: [{{start: 200, end: 400}}]}}\n    \
         load_assignment:\n      cluster_name: bench\n      endpoints:\n      - lb_endpoints:\n"
    );
    for server in 0..scenario.servers {
        let _ = writeln!(
            text,
            "        - endpoint: {{address: {{socket_address: {{address: {}, port_value: {PORT}}}}}}}",
            address(server)
        );
    }
    text
}

fn blackbox(scenario: &Scenario, root: &Path) -> String {
    let tls = if scenario.kind.is_tls() {
        format!("      tls_config: {{ca_file: {}, server_name: {HOST}}}\n", root.display())
    } else {
        String::new()
    };
    format!(
        "modules:\n  bench:\n    prober: http\n    timeout: 5s\n    http:\n      method: GET\n      headers: {{Host: {HOST}}}\n      \
         preferred_ip_protocol: ip4\n      follow_redirects: false\n{tls}"
    )
}
