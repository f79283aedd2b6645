//! Another program on this host takes all ports: servers that are well become Unknown, and come back with the ports.

use std::fmt::Write as _;

use super::world::{Exporter, rows_in, turned_unhealthy};
use super::{SERVER, World};

/// Rows of one healthy server.
const ROWS: usize = 10;

/// Takes every port towards the server that comes free.
const TAKES_THEM: &str = "
import socket, time
kept = []
end = time.monotonic() + 120
while time.monotonic() < end:
    connection = socket.socket()
    try:
        connection.connect(('10.77.2.2', 8080))
        kept.append(connection)
    except OSError:
        connection.close()
        time.sleep(0.01)
";

#[test]
fn healthy_servers_are_unknown_while_another_program_holds_all_ports_and_healthy_again_afterwards() {
    let Some(world) = World::new() else { return };
    let World { exporter: host, server, .. } = &world;
    let _server = server.serve(SERVER, &["8080"]);
    host.until_answered("http://10.77.2.2:8080/");
    let mut config = "probes:\n  - {name: p, protocol: http, interval: 1s, timeout: 1s, unhealthy_threshold: 2}\n\
                      backend_settings:\n"
        .to_owned();
    let names: Vec<String> = (0..ROWS).map(|number| format!("s{number}")).collect();
    for name in &names {
        writeln!(config, "  - {{name: {name}, protocol: http, port: 8080, probe: p}}").unwrap();
    }
    writeln!(config, "backend_pools:\n  - {{name: pool, settings: [{}], servers: [10.77.2.2]}}", names.join(", "))
        .unwrap();
    let exporter = Exporter::start(host, &config, &[]);
    let all = |state: &'static str| move |metrics: &str| rows_in(metrics, state) == ROWS;
    exporter.metrics_when("all are healthy", all("healthy"));

    host.sysctl("net.ipv4.ip_local_port_range=40000 40001");
    let holder = host.serve(TAKES_THEM, &[]);
    let metrics = exporter.metrics_when("nothing is known of any", all("unknown"));
    let causes: Vec<&str> = metrics.lines().filter(|line| line.starts_with("backend_health_cause_info{")).collect();
    let exhausted = |line: &&str| line.contains("cause=\"local_exhausted\",stage=\"local\",side=\"exporter\"");
    assert_eq!(causes.iter().filter(|line| exhausted(line)).count(), ROWS, "{causes:#?}");

    drop(holder);
    host.sysctl("net.ipv4.ip_local_port_range=32768 60999");
    let metrics = exporter.metrics_when("all are healthy again", all("healthy"));
    assert_eq!(turned_unhealthy(&metrics), 0, "{metrics}");
}
