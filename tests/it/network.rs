//! What goes wrong on the way to a server and on this host, in networks of their own: hosts, routers, cables and
//! firewalls made of network namespaces.

#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod deep;
mod ports;
mod world;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;

use self::world::{Exporter, Namespace, rows_in, turned_unhealthy};

/// A server, and what must be said of it.
struct Case {
    name: String,
    server: IpAddr,
    port: u16,
    timeout: u8,
    cause: &'static str,
    detail: String,
}

/// The exporter's host, a router, and a server's host behind it.
struct World {
    exporter: Namespace,
    router: Namespace,
    server: Namespace,
}

impl World {
    fn new() -> Option<Self> {
        let world = Self {
            exporter: Namespace::new("exporter")?,
            router: Namespace::new("router")?,
            server: Namespace::new("server")?,
        };
        let Self { exporter, router, server } = &world;
        exporter.connect("near", router, "far");
        router.connect("near", server, "far");
        // No limit to the messages.
        for setting in ["net.ipv4.icmp_ratemask=0", "net.ipv4.ip_forward=1"] {
            router.sysctl(setting);
            server.sysctl(setting);
        }
        for (namespace, interface, v4, v6) in [
            (exporter, "near", "10.77.1.2/24", "fd77:1::2/64"),
            (router, "far", "10.77.1.1/24", "fd77:1::1/64"),
            (router, "near", "10.77.2.1/24", "fd77:2::1/64"),
            (server, "far", "10.77.2.2/24", "fd77:2::2/64"),
        ] {
            namespace.ip(&format!("address add {v4} dev {interface}"));
            if has_ipv6() {
                namespace.ip(&format!("address add {v6} dev {interface} nodad"));
            }
        }
        exporter.ip("route add default via 10.77.1.1");
        server.ip("route add default via 10.77.2.1");
        if has_ipv6() {
            for namespace in [router, server] {
                namespace.sysctl("net.ipv6.conf.all.forwarding=1");
                namespace.sysctl("net.ipv6.icmp.ratelimit=0");
            }
            exporter.ip("-6 route add default via fd77:1::1");
            server.ip("-6 route add default via fd77:2::1");
        }
        Some(world)
    }
}

fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Cases in both families, which every cause must hold in.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// `v4` and `v6`: the server, and the detail, in which `WHO` stands for the server with its port.
    fn add(&mut self, name: &str, port: u16, timeout: u8, cause: &'static str, v4: (&str, &str), v6: (&str, &str)) {
        for (family, (server, detail)) in [("v4", v4), ("v6", v6)] {
            let server: IpAddr = server.parse().unwrap();
            if server.is_ipv6() && !has_ipv6() {
                println!("skipped: {name} over IPv6, which this kernel does not speak");
                continue;
            }
            let who = std::net::SocketAddr::new(server, port).to_string();
            let detail = detail.replace("WHO", &who);
            self.0.push(Case { name: format!("{name} {family}"), server, port, timeout, cause, detail });
        }
    }

    /// One exporter probes them all.
    fn check(&self, host: &Namespace) {
        let log = self.check_with(&Exporter::start(host, &self.config(), &[]));
        assert!(!log.contains("netlink is forbidden"), "{log}");
    }

    /// Gives its log.
    fn check_with(&self, exporter: &Exporter<'_>) -> String {
        let metrics = exporter.metrics_when("every row has ended a probe", |metrics| {
            self.0.iter().all(|case| {
                let line = format!("backend_health_probes_total{{pool=\"{}\"", case.name);
                metrics.lines().any(|other| other.starts_with(&line) && !other.ends_with(" 0"))
            })
        });
        let report = exporter.fetch("/api/v1/backendhealth").expect("the report");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let mut wrong = String::new();
        for case in &self.0 {
            let line = format!("backend_health_cause_info{{pool=\"{}\"", case.name);
            let cause = metrics.lines().find(|other| other.starts_with(&line)).unwrap_or("no cause");
            let (stage, side, turned) = match case.cause {
                "tcp_refused" => ("tcp", "server", "unhealthy"),
                "tcp_timeout" | "tcp_unreachable" => ("tcp", "network", "unhealthy"),
                _ => ("local", "exporter", "unknown"),
            };
            let wanted = format!("cause=\"{}\",stage=\"{stage}\",side=\"{side}\"", case.cause);
            let state_is = metrics.lines().any(|other| {
                other.starts_with(&format!("backend_health_state{{pool=\"{}\"", case.name))
                    && other.ends_with(&format!("state=\"{turned}\"}} 1"))
            });
            if !cause.contains(&wanted) || !state_is || shown(&report, case) != case.detail {
                writeln!(
                    wrong,
                    "{}: wanted {turned}, {wanted}, {:?}; found {cause}, {}",
                    case.name,
                    case.detail,
                    shown(&report, case)
                )
                .unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        exporter.log()
    }

    fn config(&self) -> String {
        let mut text = "probes:\n".to_owned();
        for timeout in 1..=5 {
            writeln!(
                text,
                "  - {{name: p{timeout}, protocol: tcp, interval: 6s, timeout: {timeout}s, unhealthy_threshold: 1}}"
            )
            .unwrap();
        }
        let mut settings: Vec<(u16, u8)> = self.0.iter().map(|case| (case.port, case.timeout)).collect();
        settings.sort_unstable();
        settings.dedup();
        text.push_str("backend_settings:\n");
        for (port, timeout) in settings {
            writeln!(text, "  - {{name: s{port}-{timeout}, protocol: tcp, port: {port}, probe: p{timeout}}}").unwrap();
        }
        text.push_str("backend_pools:\n");
        for Case { name, server, port, timeout, .. } in &self.0 {
            writeln!(text, "  - {{name: \"{name}\", settings: [s{port}-{timeout}], servers: [\"{server}\"]}}").unwrap();
        }
        text
    }
}

/// What the report says of the case's row.
fn shown<'r>(report: &'r Value, case: &Case) -> &'r str {
    let row = report["rows"].as_array().and_then(|rows| rows.iter().find(|row| row["pool"] == case.name));
    row.and_then(|row| row["last_probe"]["cause"]["detail"].as_str()).unwrap_or("no cause")
}

#[test]
fn who_says_that_a_server_cannot_be_reached_is_named() {
    let Some(world) = World::new() else { return };
    let World { exporter, router, server } = &world;
    for (kind, subnet) in [("unreachable", 10), ("prohibit", 11), ("blackhole", 12)] {
        router.ip(&format!("route add {kind} 10.77.{subnet}.0/24"));
        if has_ipv6() {
            router.ip(&format!("-6 route add {kind} fd77:{subnet}::/64"));
        }
    }
    // What the router sends to the server's host comes back.
    router.ip("route add 10.77.20.0/24 via 10.77.2.2");
    if has_ipv6() {
        router.ip("-6 route add fd77:20::/64 via fd77:2::2");
    }
    let mut cases = Cases::default();
    let cannot = "tcp_unreachable";
    let refused = ("10.77.2.2", "WHO refused the connection");
    cases.add("refused", 80, 5, "tcp_refused", refused, ("fd77:2::2", "WHO refused the connection"));
    cases.add(
        "router's unreachable route",
        80,
        5,
        cannot,
        ("10.77.10.5", "WHO: host unreachable, says 10.77.1.1"),
        ("fd77:10::5", "WHO: no route to the network, says fd77:1::1"),
    );
    let prohibited = ("10.77.11.5", "WHO: administratively prohibited, says 10.77.1.1");
    let prohibited_v6 = ("fd77:11::5", "WHO: administratively prohibited, says fd77:1::1");
    cases.add("router's prohibit route", 80, 5, cannot, prohibited, prohibited_v6);
    let dropped = ("10.77.12.5", "no answer from WHO within 2 s");
    cases.add("router's blackhole", 80, 2, "tcp_timeout", dropped, ("fd77:12::5", "no answer from WHO within 2 s"));
    let loops = ("10.77.20.5", "WHO: time to live exceeded, which is a routing loop, says 10.77.2.2");
    let loops_v6 = ("fd77:20::5", "WHO: time to live exceeded, which is a routing loop, says fd77:2::2");
    cases.add("routing loop", 80, 5, cannot, loops, loops_v6);
    let absent = ("10.77.2.50", "WHO: host unreachable, says 10.77.1.1");
    let absent_v6 = ("fd77:2::50", "WHO: host unreachable, says fd77:1::1");
    cases.add("absent behind the router", 80, 5, cannot, absent, absent_v6);
    let nobody = "WHO: nobody answers for the address on the local network";
    cases.add("absent on the link", 80, 5, cannot, ("10.77.1.50", nobody), ("fd77:1::50", nobody));
    cases.add("absent on the link, briefly", 80, 2, cannot, ("10.77.1.51", nobody), ("fd77:1::51", nobody));

    let forwarding = [
        "tcp dport 1000 meta nfproto ipv4 reject with icmp type net-unreachable",
        "tcp dport 1001 meta nfproto ipv4 reject with icmp type host-unreachable",
        "tcp dport 1002 meta nfproto ipv4 reject with icmp type port-unreachable",
        "tcp dport 1003 meta nfproto ipv4 reject with icmp type prot-unreachable",
        "tcp dport 1004 meta nfproto ipv4 reject with icmp type net-prohibited",
        "tcp dport 1005 meta nfproto ipv4 reject with icmp type host-prohibited",
        "tcp dport 1006 meta nfproto ipv4 reject with icmp type admin-prohibited",
        "tcp dport 1000 meta nfproto ipv6 reject with icmpv6 type no-route",
        "tcp dport 1001 meta nfproto ipv6 reject with icmpv6 type addr-unreachable",
        "tcp dport 1002 meta nfproto ipv6 reject with icmpv6 type port-unreachable",
        "tcp dport 1003 meta nfproto ipv6 reject with icmpv6 type policy-fail",
        "tcp dport 1004 meta nfproto ipv6 reject with icmpv6 type reject-route",
        "tcp dport 1005 meta nfproto ipv6 reject with icmpv6 type admin-prohibited",
        "tcp dport 1006 meta nfproto ipv6 reject with icmpv6 type admin-prohibited",
        "tcp dport 1007 drop",
        "tcp dport 1008 reject with tcp reset",
    ];
    let arriving =
        ["tcp dport 1010 reject", "tcp dport 1011 reject with icmpx type admin-prohibited", "tcp dport 1012 drop"];
    if router.firewall("forwarding", "forward", &forwarding) && server.firewall("arriving", "input", &arriving) {
        let by_router = [
            (1000, "no route to the network", "no route to the network"),
            (1001, "host unreachable", "host unreachable"),
            (1002, "port unreachable", "port unreachable"),
            (1003, "protocol unreachable", "source address refused by policy"),
            (1004, "administratively prohibited", "route rejected"),
            (1005, "administratively prohibited", "administratively prohibited"),
            (1006, "administratively prohibited", "administratively prohibited"),
        ];
        for (port, v4, v6) in by_router {
            let v4 = format!("WHO: {v4}, says 10.77.1.1");
            let v6 = format!("WHO: {v6}, says fd77:1::1");
            cases.add(&format!("router rejects {port}"), port, 5, cannot, ("10.77.2.2", &v4), ("fd77:2::2", &v6));
        }
        let reset = "WHO refused the connection";
        cases.add("router resets", 1008, 5, "tcp_refused", ("10.77.2.2", reset), ("fd77:2::2", reset));
        for (port, what) in [(1010, "port unreachable"), (1011, "administratively prohibited")] {
            let v4 = format!("WHO: {what}, says 10.77.2.2");
            let v6 = format!("WHO: {what}, says fd77:2::2");
            cases.add(&format!("server rejects {port}"), port, 5, cannot, ("10.77.2.2", &v4), ("fd77:2::2", &v6));
        }
        let silence = "no answer from WHO within 2 s";
        for (port, who) in [(1007, "router"), (1012, "server")] {
            let name = format!("{who} drops");
            cases.add(&name, port, 2, "tcp_timeout", ("10.77.2.2", silence), ("fd77:2::2", silence));
        }
    }
    cases.check(exporter);
}

#[test]
fn what_this_host_does_itself_is_never_booked_on_a_server() {
    let Some(world) = World::new() else { return };
    let World { exporter, router, .. } = &world;
    for (kind, subnet) in [("unreachable", 30), ("prohibit", 31), ("blackhole", 32)] {
        exporter.ip(&format!("route add {kind} 10.77.{subnet}.0/24"));
        if has_ipv6() {
            exporter.ip(&format!("-6 route add {kind} fd77:{subnet}::/64"));
        }
    }
    exporter.ip("route add throw 10.77.33.0/24");
    exporter.ip("route add 10.77.40.0/24 via 10.77.1.99");
    exporter.connect("unplugged", router, "gone");
    exporter.ip("address add 10.77.50.1/24 dev unplugged");
    if has_ipv6() {
        exporter.ip("-6 route del default");
        exporter.ip("-6 route add fd77:2::/64 via fd77:1::1");
        exporter.ip("-6 route add fd77:40::/64 via fd77:1::99");
        exporter.ip("-6 route add fd77:41::/64 via fd77:1::99");
        exporter.ip("route add 10.77.41.0/24 via inet6 fd77:1::99");
        exporter.ip("address add fd77:50::1/64 dev unplugged nodad");
    }
    router.ip("link set gone down");

    let mut cases = Cases::default();
    let ours = "local_network";
    for (subnet, why) in [
        (30, "an unreachable route of this host forbids it"),
        (31, "a prohibit route of this host forbids it"),
        (32, "a blackhole route of this host swallows it"),
        (33, "this host has no route to it"),
    ] {
        let (v4, v6) = (format!("10.77.{subnet}.5"), format!("fd77:{subnet}::5"));
        cases.add(&format!("own route {subnet}"), 80, 5, ours, (&v4, why), (&v6, why));
    }
    for (word, timeout, last) in [("", 5, 5), (", briefly", 2, 6)] {
        let (v4, v6) = (format!("10.77.40.{last}"), format!("fd77:40::{last}"));
        cases.add(
            &format!("silent next hop{word}"),
            80,
            timeout,
            ours,
            (&v4, "the next hop 10.77.1.99 does not answer on the local network"),
            (&v6, "the next hop fd77:1::99 does not answer on the local network"),
        );
        let (v4, v6) = (format!("10.77.50.{last}"), format!("fd77:50::{last}"));
        let why = "the link of network interface unplugged is down";
        cases.add(&format!("unplugged{word}"), 80, timeout, ours, (&v4, why), (&v6, why));
    }
    if has_ipv6() {
        let why = "the next hop fd77:1::99 does not answer on the local network";
        cases.add("next hop of the other family", 80, 5, ours, ("10.77.41.5", why), ("fd77:41::5", why));
    }
    let v6 = ("fd77:33::6", "this host has no route to it");
    let broadcast = ("10.77.1.255", "it is a broadcast address, which nobody can connect to");
    cases.add("no server's address", 80, 5, ours, broadcast, v6);

    let leaving = [
        "tcp dport 1000 reject",
        "tcp dport 1001 reject with icmpx type host-unreachable",
        "tcp dport 1002 reject with icmpx type admin-prohibited",
        "tcp dport 1003 drop",
    ];
    if exporter.firewall("leaving", "output", &leaving) {
        for (port, what) in
            [(1000, "port unreachable"), (1001, "host unreachable"), (1002, "administratively prohibited")]
        {
            let why = format!("this host itself rejects it: {what}");
            cases.add(&format!("own firewall {port}"), port, 5, ours, ("10.77.2.2", &why), ("fd77:2::2", &why));
            let name = format!("own firewall on the link {port}");
            cases.add(&name, port, 5, ours, ("10.77.1.1", &why), ("fd77:1::1", &why));
        }
        let why = "this host itself drops it: its own firewall, or its traffic control, lets no packet out";
        cases.add("own firewall drops", 1003, 3, ours, ("10.77.2.2", why), ("fd77:2::2", why));
    }
    cases.check(exporter);
}

#[test]
fn a_sandbox_without_netlink_leaves_our_own_trouble_ours() {
    let Some(world) = World::new() else { return };
    let host = &world.exporter;
    host.ip("route add 10.77.40.0/24 via 10.77.1.99");
    if has_ipv6() {
        host.ip("-6 route add fd77:40::/64 via fd77:1::99");
    }
    world.router.ip("route add unreachable 10.77.60.0/24");
    host.ip("route add unreachable 10.77.33.0/24");
    let mut cases = Cases::default();
    let hop = "the next hop 10.77.1.99 does not answer on the local network";
    let ours = "this host itself rejects it: host unreachable";
    let mut add = |name: &str, timeout, cause, first, second| cases.add(name, 80, timeout, cause, first, second);
    add("silent next hop", 5, "local_network", ("10.77.40.5", hop), ("fd77:40::5", ours));
    // By a probe that does not wait until the kernel gives up.
    add("silent next hop, briefly", 2, "local_network", ("10.77.40.6", hop), ("10.77.40.6", hop));
    let nobody = "WHO: nobody answers for the address on the local network";
    add("nobody there", 5, "tcp_unreachable", ("10.77.1.50", nobody), ("10.77.1.50", nobody));
    let router = "WHO: host unreachable, says 10.77.1.1";
    add("a router says so", 5, "tcp_unreachable", ("10.77.60.5", router), ("10.77.60.5", router));
    let barred = "an unreachable route of this host forbids it";
    add("own route", 5, "local_network", ("10.77.33.5", barred), ("10.77.33.5", barred));
    let log = cases.check_with(&Exporter::start_without(&[nix::libc::AF_NETLINK], host, &cases.config()));
    assert_eq!(log.matches("netlink is forbidden here").count(), 1, "{log}");
}

#[test]
fn a_network_that_is_gone_all_at_once_makes_no_server_unhealthy() {
    let Some(world) = World::new() else { return };
    let World { exporter: host, server, .. } = &world;
    // Servers of two kinds: one answers at once, the other one keeps probes under way while the network goes.
    let _servers = [8080, 8081].map(|port| server.serve(SERVER, &[&port.to_string()]));
    let mut config = "probes:\n  - {name: p, protocol: http, path: /-/healthy, interval: 1s, timeout: 1s, \
                      unhealthy_threshold: 1}\nbackend_settings:\n"
        .to_owned();
    let mut settings = Vec::new();
    for (kind, port) in [("quick", 8080), ("slow", 8081)] {
        for number in 0..20 {
            writeln!(config, "  - {{name: {kind}{number}, protocol: http, port: {port}, probe: p}}").unwrap();
            settings.push(format!("{kind}{number}"));
        }
    }
    writeln!(config, "backend_pools:\n  - {{name: pool, settings: [{}], servers: [10.77.2.2]}}", settings.join(", "))
        .unwrap();
    for port in [8080, 8081] {
        host.until_answered(&format!("http://10.77.2.2:{port}/"));
    }
    let exporter = Exporter::start(host, &config, &[]);
    let all = |state: &'static str| move |metrics: &str| rows_in(metrics, state) == 40;
    for _ in 0..3 {
        exporter.metrics_when("all are healthy", all("healthy"));
        host.ip("link set near down");
        let metrics = exporter.metrics_when("nothing is known of any", all("unknown"));
        let causes = metrics.lines().filter(|line| line.starts_with("backend_health_cause_info{"));
        assert!(
            causes.clone().count() == 40 && causes.clone().all(|line| line.contains("stage=\"local\"")),
            "{metrics}"
        );
        host.ip("link set near up");
        host.ip("route add default via 10.77.1.1");
    }
    let metrics = exporter.metrics_when("all are healthy again", all("healthy"));
    assert_eq!(turned_unhealthy(&metrics), 0, "{metrics}");
}

/// Answers many at once: on port 8080 right away, else after 300 ms.
const SERVER: &str = "
import http.server, sys, time
port = int(sys.argv[1])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0 if port == 8080 else 0.3)
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(('10.77.2.2', port), Answer).serve_forever()
";

#[test]
fn a_host_without_a_source_address_says_so() {
    let (Some(exporter), Some(router)) = (Namespace::new("exporter"), Namespace::new("router")) else { return };
    exporter.connect("bare", &router, "far");
    exporter.ip("route add 10.77.60.0/24 dev bare");
    let mut cases = Cases::default();
    if has_ipv6() {
        exporter.sysctl("net.ipv6.conf.bare.addr_gen_mode=1");
        exporter.ip("-6 address flush dev bare");
        exporter.ip("-6 route add fd77:60::/64 dev bare");
    }
    let why = "this host has no source address for it";
    cases.add("bare", 80, 5, "local_network", ("10.77.60.5", why), ("fd77:60::5", why));
    cases.check(&exporter);
}

#[test]
fn ephemeral_ports_that_are_used_up_are_this_hosts_trouble() {
    let Some(world) = World::new() else { return };
    let World { exporter: host, router, .. } = &world;
    host.sysctl("net.ipv4.ip_local_port_range=40000 40001");
    let mut servers = vec!["10.77.12.5"];
    router.ip("route add blackhole 10.77.12.0/24");
    if has_ipv6() {
        servers.push("fd77:12::5");
        router.ip("-6 route add blackhole fd77:12::/64");
    }
    for server in servers {
        // Each probe keeps a port for two seconds; of six in a row with two ports, some find none.
        let mut config = "probes:\n  - {name: p, protocol: tcp, interval: 2s, timeout: 2s, unhealthy_threshold: 1}\n\
                          backend_settings:\n"
            .to_owned();
        for number in 0..6 {
            writeln!(config, "  - {{name: s{number}, protocol: tcp, port: 80, probe: p}}").unwrap();
        }
        writeln!(
            config,
            "backend_pools:\n  - {{name: pool, settings: [s0, s1, s2, s3, s4, s5], servers: [\"{server}\"]}}"
        )
        .unwrap();
        let exporter = Exporter::start(host, &config, &[]);
        let metrics = exporter.metrics_when("a probe finds no port", |metrics| {
            failures(metrics, "local_exhausted") > 0 && failures(metrics, "tcp_timeout") > 0
        });
        let all = metrics.lines().filter(|line| line.starts_with(POOL_FAILURES)).map(count).sum::<u64>();
        let expected = failures(&metrics, "local_exhausted") + failures(&metrics, "tcp_timeout");
        assert_eq!(all, expected, "{metrics}");
        exporter.report_when("no free local port towards this address");
    }
}

#[test]
fn a_resolver_that_this_host_cannot_ask_is_not_blamed() {
    let Some(world) = World::new() else { return };
    let World { exporter: host, router, .. } = &world;
    host.ip("route add unreachable 10.77.30.0/24");
    host.ip("route add blackhole 10.77.32.0/24");
    host.ip("route add 10.77.40.0/24 via 10.77.1.99");
    host.connect("unplugged", router, "gone");
    host.ip("address add 10.77.50.1/24 dev unplugged");
    router.ip("link set gone down");
    router.ip("route add blackhole 10.77.12.0/24");
    let mut rows = vec![
        ("10.77.30.53:53", "local_network", "app.test: 10.77.30.53:53 could not be asked"),
        ("10.77.32.53:53", "local_network", "app.test: 10.77.32.53:53 could not be asked"),
        ("10.77.40.53:53", "local_network", "no resolver could be asked: the next hop 10.77.1.99 does not answer"),
        (
            "10.77.50.53:53",
            "local_network",
            "no resolver could be asked: the link of network interface unplugged is down",
        ),
        ("10.77.12.53:53", "dns_timeout", "app.test: no resolver answered in time"),
    ];
    if host.firewall("leaving", "output", &["udp dport 54 drop"]) {
        rows.push(("10.77.2.2:54", "local_network", "app.test: 10.77.2.2:54 could not be asked"));
    }
    let config = "probes:\n  - {name: p, protocol: tcp, interval: 2s, timeout: 2s, unhealthy_threshold: 1}\n\
                  backend_settings:\n  - {name: s, protocol: tcp, port: 80, probe: p}\n\
                  backend_pools:\n  - {name: pool, settings: [s], servers: [app.test]}\n";
    let exporters: Vec<_> =
        rows.iter().map(|row| (row, Exporter::start(host, config, &["--dns.nameserver", row.0]))).collect();
    for ((nameserver, cause, detail), exporter) in exporters {
        let metrics = exporter.metrics_when("a probe ended", |metrics| {
            metrics.lines().any(|line| line.starts_with(POOL_FAILURES) && count(line) > 0)
        });
        let found: Vec<_> = metrics.lines().filter(|line| line.starts_with(POOL_FAILURES) && count(line) > 0).collect();
        assert!(failures(&metrics, cause) > 0, "{nameserver}: wanted {cause}, found {found:#?}");
        assert!(metrics.contains("state=\"unknown\"} 1"), "{nameserver}");
        exporter.report_when(detail);
    }
}

const POOL_FAILURES: &str = "backend_health_pool_probe_failures_total{";

/// How many probes of the whole pool ended with this cause.
fn failures(metrics: &str, cause: &str) -> u64 {
    let cause = format!("cause=\"{cause}\"");
    metrics.lines().filter(|line| line.starts_with(POOL_FAILURES) && line.contains(&cause)).map(count).sum()
}

/// The sample's value.
fn count(line: &str) -> u64 {
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no count: {line}"))
}
