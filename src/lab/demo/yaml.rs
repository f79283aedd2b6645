//! The demo's configuration file, written for a reader.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;

use crate::lab::demo::plan::{Pool, SETTINGS, Server};

/// The whole file. `ports` maps the ports that settings prefer to those that they got.
pub(super) fn config(pools: &[Pool], ports: &BTreeMap<u16, u16>) -> Result<String, fmt::Error> {
    let mut yaml = String::from(PROBES);
    writeln!(yaml, "\nbackend_settings:")?;
    for setting in SETTINGS {
        writeln!(yaml, "  - name: {}", setting.name)?;
        writeln!(yaml, "    protocol: {}", setting.protocol)?;
        writeln!(yaml, "    port: {}", ports.get(&setting.port).unwrap_or(&setting.port))?;
        writeln!(yaml, "    probe: {}", setting.probe)?;
        for line in setting.keys {
            writeln!(yaml, "    {line}")?;
        }
    }
    writeln!(yaml, "\nbackend_pools:")?;
    for pool in pools {
        let settings: Vec<&str> = pool.settings.iter().map(|setting| setting.name).collect();
        writeln!(yaml, "  # {}", pool.purpose)?;
        writeln!(yaml, "  - name: {}", pool.name)?;
        writeln!(yaml, "    settings: [{}]", settings.join(", "))?;
        writeln!(yaml, "    servers:")?;
        for Server { written, note, .. } in &pool.servers {
            writeln!(yaml, "      - {written:<18} # {note}")?;
        }
    }
    Ok(yaml)
}

const PROBES: &str = r#"# The configuration of the demo. Every server here is a real one, in this very process, on loopback.
# Quick intervals and a low threshold, so that there is something to see after a few seconds.

probes:
  - name: http-ready
    protocol: http
    path: /healthz
    interval: 2s
    timeout: 1s
    unhealthy_threshold: 2
    match: {status_codes: ["200-399"], body: ready}
  - name: service-health
    protocol: http
    path: /actuator/health
    headers: {X-Probe: demo}
    interval: 2s
    unhealthy_interval: 1s
    timeout: 1s
    unhealthy_threshold: 2
    match:
      json: [{path: $.status, equals: UP}]
      headers: [{name: X-Draining, exists: false}]
  - name: https-healthz
    protocol: https
    path: /healthz
    interval: 2s
    timeout: 1s
    unhealthy_threshold: 2
  - name: tcp-open
    protocol: tcp
    interval: 2s
    timeout: 1s
    unhealthy_threshold: 2
  - name: tcp-proxy-line
    protocol: tcp
    interval: 2s
    timeout: 1s
    unhealthy_threshold: 2
    enable_probe_proxy_protocol_header: true
  - name: tls-handshake
    protocol: tls
    interval: 2s
    timeout: 1s
    unhealthy_threshold: 2
  - name: tls-proxy-line
    protocol: tls
    interval: 2s
    timeout: 1s
    unhealthy_threshold: 2
    enable_probe_proxy_protocol_header: true
"#;
