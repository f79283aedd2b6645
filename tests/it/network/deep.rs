//! The deep check over two routers: who answers at which distance, where packets end, and what gets lost on the way.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::has_ipv6;
use super::world::Namespace;

/// The exporter's host, two routers in a row, and the server's host behind them.
struct Road {
    exporter: Namespace,
    near: Namespace,
    far: Namespace,
    server: Namespace,
}

impl Road {
    fn new() -> Option<Self> {
        let road = Self {
            exporter: Namespace::new("exporter")?,
            near: Namespace::new("near")?,
            far: Namespace::new("far")?,
            server: Namespace::new("server")?,
        };
        let Self { exporter, near, far, server } = &road;
        exporter.connect("out", near, "in");
        near.connect("out", far, "in");
        far.connect("out", server, "in");
        for namespace in [near, far, server] {
            // No limit to the messages.
            namespace.sysctl("net.ipv4.icmp_ratemask=0");
            if has_ipv6() {
                namespace.sysctl("net.ipv6.icmp.ratelimit=0");
            }
        }
        for (namespace, interface, network, host) in [
            (exporter, "out", 1, 2),
            (near, "in", 1, 1),
            (near, "out", 2, 1),
            (far, "in", 2, 2),
            (far, "out", 3, 1),
            (server, "in", 3, 2),
        ] {
            namespace.ip(&format!("address add 10.88.{network}.{host}/24 dev {interface}"));
            if has_ipv6() {
                namespace.ip(&format!("address add fd88:{network}::{host}/64 dev {interface} nodad"));
            }
        }
        for router in [near, far] {
            router.sysctl("net.ipv4.ip_forward=1");
            if has_ipv6() {
                router.sysctl("net.ipv6.conf.all.forwarding=1");
            }
        }
        exporter.ip("route add default via 10.88.1.1");
        near.ip("route add 10.88.3.0/24 via 10.88.2.2");
        far.ip("route add default via 10.88.2.1");
        server.ip("route add default via 10.88.3.1");
        if has_ipv6() {
            exporter.ip("-6 route add default via fd88:1::1");
            near.ip("-6 route add fd88:3::/64 via fd88:2::2");
            far.ip("-6 route add default via fd88:2::1");
            server.ip("-6 route add default via fd88:3::1");
        }
        Some(road)
    }

    /// What the deep check says, as JSON, and its exit code.
    fn troubleshoot(&self, target: &str, further: &[&str]) -> (Value, Option<i32>) {
        let mut command = self.exporter.command(env!("CARGO_BIN_EXE_backend_health_exporter"));
        command.args(["troubleshoot", target, "--output", "json"]).args(further);
        let output = command.output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{target}: {error}\n{text}\n{said}"));
        (value, output.status.code())
    }
}

/// A program inside a namespace that ends with the test.
struct Running(Child);

impl Running {
    fn start(namespace: &Namespace, program: &str, arguments: &[&str]) -> Self {
        let mut command = namespace.command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A web server that is healthy on `/-/healthy`, on port 8080 of the server's host.
fn web_server(road: &Road) -> (Running, tempfile::TempDir) {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("backend_health.yml");
    std::fs::write(&file, "backend_pools: []\n").unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["run", "--web.listen-address", ":8080", "--config.file", file];
    let running = Running::start(&road.server, env!("CARGO_BIN_EXE_backend_health_exporter"), &arguments);
    until_open(road, "10.88.3.2:8080");
    (running, directory)
}

fn until_open(road: &Road, address: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let (ip, port) = address.rsplit_once(':').unwrap();
    loop {
        let mut command = road.server.command("curl");
        command.args(["-sk", "--max-time", "5", "-o", "/dev/null", &format!("telnet://{ip}:{port}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Whatever it answers, 7 is that nobody listens.
        if command.status().unwrap().code() != Some(7) {
            return;
        }
        assert!(Instant::now() < deadline, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The addresses of the hops, a silent one as `*`, with the kind of the last one.
fn hops(value: &Value) -> String {
    let hops = value["hops"].as_array().unwrap();
    let address = |hop: &Value| hop["address"].as_str().unwrap_or("*").to_owned();
    let kind = hops.last().map_or("", |hop| hop["type"].as_str().unwrap());
    format!("{} {kind}", hops.iter().map(address).collect::<Vec<_>>().join(" "))
}

#[track_caller]
fn check(value: &Value, expected: (&str, Option<&str>, &str)) {
    let cause = value["cause"]["code"].as_str();
    let status = value["connectionStatus"].as_str().unwrap();
    assert_eq!((status, cause, hops(value).as_str()), expected, "{value:#}");
}

fn issues(value: &Value) -> Vec<&str> {
    value["issues"].as_array().unwrap().iter().map(|issue| issue["type"].as_str().unwrap()).collect()
}

fn insights(value: &Value) -> Vec<&str> {
    value["insights"].as_array().unwrap().iter().map(|insight| insight["code"].as_str().unwrap()).collect()
}

/// Exporter, near, far and server.
fn way(v6: bool) -> [&'static str; 4] {
    if v6 {
        ["fd88:1::2", "fd88:1::1", "fd88:2::2", "fd88:3::2"]
    } else {
        ["10.88.1.2", "10.88.1.1", "10.88.2.2", "10.88.3.2"]
    }
}

fn families() -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(|v6| !v6 || has_ipv6())
}

fn at(ip: &str, port: u16) -> String {
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port).to_string()
}

#[test]
fn every_hop_on_the_way_is_named_and_the_server_at_its_end() {
    let Some(road) = Road::new() else { return };
    let (_server, _files) = web_server(&road);
    for v6 in families() {
        let [source, near, far, server] = way(v6);
        let (value, code) = road.troubleshoot(&format!("http://{}/-/healthy", at(server, 8080)), &[]);
        let all = format!("{source} {near} {far} {server} Destination");
        check(&value, ("Reachable", None, &all));
        assert_eq!((code, value["state"].as_str(), value["probesSent"].as_u64()), (Some(0), Some("Healthy"), Some(10)));
        assert_eq!(issues(&value), [""; 0]);
        let route = &value["stages"]["route"]["routes"][0];
        assert_eq!((route["type"].as_str(), route["gateway"].as_str()), (Some("unicast"), Some(near)), "{route}");
        assert_eq!((route["source"].as_str(), route["interface"].as_str()), (Some(source), Some("out")), "{route}");
        assert_eq!(value["stages"]["path"][0]["mtu"], 1500, "{value:#}");
        let link = &value["hops"][0]["links"][0];
        assert!(link["roundTripTimeAvg"].as_f64().is_some_and(|time| time > 0.0), "{link}");
        // A closed port is at the same distance.
        let (value, code) = road.troubleshoot(&at(server, 81), &[]);
        check(&value, ("Unreachable", Some("tcp_refused"), &all));
        assert_eq!((code, issues(&value)), (Some(1), vec!["NoListenerOnDestination"]));
        assert_eq!(value["stages"]["tcp"][0]["faults"][0]["type"], "refused");
    }
}

#[test]
fn a_router_two_hops_away_that_drops_is_found() {
    let Some(road) = Road::new() else { return };
    if !road.far.firewall("dropping", "forward", &["tcp dport 1000 drop"]) {
        return;
    }
    for v6 in families() {
        let [source, near, far, server] = way(v6);
        // Datagrams come through: the port alone is filtered.
        let (value, code) = road.troubleshoot(&at(server, 1000), &["--timeout", "15s"]);
        let all = format!("{source} {near} {far} {server} Destination");
        check(&value, ("Unreachable", Some("tcp_timeout"), &all));
        assert_eq!((code, insights(&value)), (Some(1), vec!["port_silent"]));
        assert_eq!(issues(&value), ["DestinationUnreachable", "GuestFirewall"]);
        assert_eq!(value["stages"]["tcp"][0]["faults"][0]["type"], "timeout");
        let end = &value["stages"]["path"][0]["traces"][0]["end"];
        assert_eq!(end, "nothing answers behind hop 2", "{value:#}");
    }
    // Nothing at all comes through any more.
    assert!(road.far.firewall("nothing", "forward", &["ip daddr 10.88.3.2 drop", "ip6 daddr fd88:3::2 drop"]));
    for v6 in families() {
        let [source, near, far, server] = way(v6);
        let (value, _) = road.troubleshoot(&at(server, 8080), &["--timeout", "15s"]);
        check(&value, ("Unreachable", Some("tcp_timeout"), &format!("{source} {near} {far} VnetLocal")));
        assert_eq!(insights(&value), ["lost_behind"]);
        let detail = value["insights"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("the last router that answers is {far}, 2 hops away")), "{detail}");
    }
}

#[test]
fn each_way_to_refuse_ends_the_way_where_it_happens() {
    let Some(road) = Road::new() else { return };
    for (kind, network) in [("unreachable", 10), ("prohibit", 11), ("blackhole", 12)] {
        road.far.ip(&format!("route add {kind} 10.88.{network}.0/24"));
        road.near.ip(&format!("route add 10.88.{network}.0/24 via 10.88.2.2"));
        road.exporter.ip(&format!("route add {kind} 10.88.{}.0/24", network + 10));
    }
    let (near, far) = ("10.88.1.1", "10.88.2.2");
    let by_far = format!("10.88.1.2 {near} {far} VnetLocal");
    let refused = |target: &str, what: &str| {
        let (value, code) = road.troubleshoot(target, &["--tries", "3"]);
        check(&value, ("Unreachable", Some("tcp_unreachable"), &by_far));
        let path = &value["stages"]["path"][0]["traces"][0];
        assert_eq!(
            (code, path["end"].as_str().unwrap()),
            (Some(1), format!("ends: {what}, says {far}").as_str()),
            "{target}"
        );
        let fault = &value["stages"]["tcp"][0]["faults"][0];
        assert_eq!((fault["type"].as_str(), fault["count"].as_u64()), (Some("unreachable"), Some(3)), "{target}");
    };
    refused("10.88.10.5:80", "host unreachable");
    refused("10.88.11.5:80", "administratively prohibited");
    let rejecting = [
        "tcp dport 1000 reject with icmp type net-unreachable",
        "tcp dport 1001 reject with icmp type host-unreachable",
        "tcp dport 1002 reject with icmp type port-unreachable",
        "tcp dport 1003 reject with icmp type prot-unreachable",
        "tcp dport 1004 reject with icmp type net-prohibited",
        "tcp dport 1005 reject with icmp type host-prohibited",
        "tcp dport 1006 reject with icmp type admin-prohibited",
    ];
    let rejecting = rejecting.map(|rule| format!("meta nfproto ipv4 {rule}"));
    if road.far.firewall("rejecting", "forward", &rejecting.each_ref().map(String::as_str)) {
        for (port, what) in [
            (1000, "no route to the network"),
            (1001, "host unreachable"),
            (1002, "port unreachable"),
            (1003, "protocol unreachable"),
            (1004, "administratively prohibited"),
            (1005, "administratively prohibited"),
            (1006, "administratively prohibited"),
        ] {
            refused(&format!("10.88.3.2:{port}"), what);
        }
    }
    // A router that has no way for it drops it before it looks at how far it may go.
    let (value, _) = road.troubleshoot("10.88.12.5:80", &["--tries", "3", "--timeout", "15s"]);
    check(&value, ("Unreachable", Some("tcp_timeout"), &format!("10.88.1.2 {near} VnetLocal")));
    assert_eq!(insights(&value), ["lost_behind"]);

    // On the local network nobody but this host itself can say so.
    let (value, _) = road.troubleshoot("10.88.1.77:80", &["--tries", "2"]);
    assert_eq!(
        (value["cause"]["code"].as_str(), issues(&value)),
        (Some("tcp_unreachable"), vec!["ARPMissing"]),
        "{value:#}"
    );
    assert_eq!(hops(&value), "10.88.1.2 Source", "{value:#}");

    // This host's own routes say so without a packet.
    for (network, kind, issue) in [
        (20, "unreachable", "UserDefinedRoute"),
        (21, "prohibit", "UserDefinedRoute"),
        (22, "blackhole", "UserDefinedRoute"),
    ] {
        let (value, code) = road.troubleshoot(&format!("10.88.{network}.5:80"), &["--timeout", "10s"]);
        let route = &value["stages"]["route"]["routes"][0];
        assert_eq!((code, route["type"].as_str()), (Some(3), Some(kind)), "{value:#}");
        assert_eq!((value["cause"]["code"].as_str(), issues(&value)), (Some("local_network"), vec![issue]));
    }
}

#[test]
fn a_router_that_says_what_fits_is_believed() {
    let Some(road) = Road::new() else { return };
    road.far.ip("link set out mtu 1400");
    for v6 in families() {
        let [_, _, far, server] = way(v6);
        let (value, _) = road.troubleshoot(&at(server, 81), &["--tries", "2", "--timeout", "15s"]);
        let path = &value["stages"]["path"][0];
        assert_eq!((path["mtu"].as_u64(), path["mtu_black_hole"].as_bool()), (Some(1400), Some(false)), "{path:#}");
        assert_eq!(path["mtu_detail"], format!("1400 bytes, says {far}"), "{path:#}");
    }
}

#[test]
fn a_black_hole_for_large_packets_is_proved_with_small_ones() {
    let Some(road) = Road::new() else { return };
    if !road.far.firewall("swallowing", "forward", &["meta length > 1300 drop"]) {
        return;
    }
    // Each packet by itself, as on a real cable.
    road.exporter.ip("link set out gso_max_segs 1");
    road.server.ip("link set in gso_max_segs 1");
    let directory = tempfile::TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let mut request = std::process::Command::new("openssl");
    request.args(["req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "9", "-subj", "/CN=app.test"]);
    request.args(["-addext", "subjectAltName=IP:10.88.3.2,IP:fd88:3::2", "-keyout", &key, "-out", &certificate]);
    assert!(request.output().unwrap().status.success());
    let arguments = ["s_server", "-accept", "8443", "-www", "-key", &key, "-cert", &certificate];
    let _server = Running::start(&road.server, "openssl", &arguments);
    until_open(&road, "10.88.3.2:8443");
    for v6 in families() {
        let server = way(v6)[3];
        let (value, code) = road.troubleshoot(&format!("https://{}", at(server, 8443)), &["--tries", "2"]);
        assert_eq!((code, value["cause"]["code"].as_str()), (Some(1), Some("tls_timeout")), "{value:#}");
        assert_eq!(value["connectionStatus"], "Degraded");
        // With small segments the handshake comes to its end, and only then the certificate is refused.
        let small = &value["stages"]["probe_in_small_segments"];
        assert_eq!(small["cause"], "cert_self_signed", "{value:#}");
        assert_eq!(value["stages"]["probe_again"]["cause"], "tls_timeout", "{value:#}");
        let insight = &value["insights"][0];
        assert_eq!((insight["code"].as_str(), insight["severity"].as_str()), (Some("mtu_black_hole"), Some("Error")));
        assert_eq!(value["stages"]["path"][0]["mtu_black_hole"], true, "{value:#}");
    }
}

#[test]
fn connections_that_open_only_at_the_second_syn_are_counted_as_loss() {
    let Some(road) = Road::new() else { return };
    let (_server, _files) = web_server(&road);
    let losing = ["tcp dport 8080 tcp flags & (syn | ack) == syn numgen inc mod 4 == 1 drop"];
    if !road.far.firewall("losing", "forward", &losing) {
        return;
    }
    let (value, code) = road.troubleshoot("http://10.88.3.2:8080/-/healthy", &["--tries", "12"]);
    assert_eq!((code, value["state"].as_str()), (Some(0), Some("Healthy")), "{value:#}");
    assert_eq!((value["connectionStatus"].as_str(), insights(&value)), (Some("Degraded"), vec!["loss"]));
    assert!(value["stages"]["tcp"][0]["resent"].as_u64().is_some_and(|resent| resent >= 2), "{value:#}");
    assert_eq!(issues(&value), ["NetworkError"]);
}
