//! The demo: its configuration, its backends and its expectations belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use backend_health_exporter::lab::Demo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{DEADLINE, QUIET};

/// What a bare connect to a server tells.
#[derive(Debug, PartialEq, Eq)]
enum Connect {
    Open,
    Refused,
    Silent,
    Local,
}

async fn connect(address: SocketAddr, patience: Duration) -> Connect {
    match timeout(patience, TcpStream::connect(address)).await {
        Err(_) => Connect::Silent,
        Ok(Ok(_)) => Connect::Open,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Connect::Refused,
        Ok(Err(_)) => Connect::Local,
    }
}

fn parsed(demo: &Demo) -> Value {
    serde_saphyr::from_str(demo.config_yaml()).expect("the configuration is YAML")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_expectations_are_the_rows_of_the_configuration_in_its_order() {
    let demo = Demo::start().await.expect("the demo starts");
    let config = parsed(&demo);
    let mut rows = Vec::new();
    for pool in list(&config, "backend_pools") {
        for server in list(pool, "servers") {
            for setting in list(pool, "settings") {
                rows.push((text(pool, "name"), setting.as_str().unwrap(), server.as_str().unwrap()));
            }
        }
    }
    let expected: Vec<_> = demo.expected().iter().map(|row| (row.pool, row.setting, row.server)).collect();
    assert_eq!(rows, expected);
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "a row twice");
}

#[tokio::test]
async fn every_reference_in_the_configuration_leads_somewhere() {
    let demo = Demo::start().await.expect("the demo starts");
    let config = parsed(&demo);
    let probes: BTreeMap<_, _> =
        list(&config, "probes").iter().map(|probe| (text(probe, "name"), text(probe, "protocol"))).collect();
    let mut used = BTreeSet::new();
    let settings: BTreeSet<_> = list(&config, "backend_settings")
        .iter()
        .map(|setting| {
            assert_eq!(probes.get(text(setting, "probe")), Some(&text(setting, "protocol")), "{setting}");
            used.insert(text(setting, "probe"));
            text(setting, "name")
        })
        .collect();
    assert_eq!(used.len(), probes.len(), "a probe that nobody uses");
    let linked: BTreeSet<_> = list(&config, "backend_pools")
        .iter()
        .flat_map(|pool| list(pool, "settings"))
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(settings, linked);
}

#[tokio::test]
async fn every_row_connects_as_its_expectation_says() {
    let demo = Demo::start().await.expect("the demo starts");
    let config = parsed(&demo);
    let ports: BTreeMap<_, _> = list(&config, "backend_settings")
        .iter()
        .map(|setting| (text(setting, "name"), setting["port"].as_u64().and_then(|port| u16::try_from(port).ok())))
        .collect();
    for row in demo.expected() {
        let port = ports[row.setting].expect("a port");
        // What names resolve to is the name server's test.
        let Ok(address) = row.server.parse::<IpAddr>() else { continue };
        let wanted = match row.cause {
            Some("tcp_refused") => Connect::Refused,
            Some("tcp_timeout") => Connect::Silent,
            Some("local_network") => Connect::Local,
            None | Some(_) => Connect::Open,
        };
        let patience = if wanted == Connect::Silent { QUIET } else { DEADLINE };
        assert_eq!(connect(SocketAddr::new(address, port), patience).await, wanted, "{row:?}");
    }
}

#[tokio::test]
async fn every_cause_that_a_machine_can_produce_by_itself_is_shown() {
    let demo = Demo::start().await.expect("the demo starts");
    let shown: BTreeSet<_> = demo.expected().iter().filter_map(|row| row.cause).collect();
    let by_itself: BTreeSet<_> = backend_health_exporter::verdict::Cause::ALL
        .iter()
        .map(|cause| cause.code())
        .filter(|code| !ELSEWHERE.contains(code))
        .collect();
    assert_eq!(shown, by_itself);
    for state in ["Healthy", "Unhealthy", "Unknown"] {
        assert!(demo.expected().iter().any(|row| row.state == state), "{state}");
    }
}

/// Causes that take a starved host, or another host.
const ELSEWHERE: [&str; 4] = ["not_probed_yet", "local_exhausted", "local_overloaded", "tcp_unreachable"];
