//! The demo's pools without TLS: applications, the network, names, databases, mail.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::lab::behaviour::Behaviour;
use crate::lab::demo::plan::Outcome::{Healthy, Unhealthy, Unknown};
use crate::lab::demo::plan::{DATABASE, HTTP, ORDERS, Pool, SMTP_PROXY, Server};
use crate::lab::dns::{Answer, Zone};
use crate::lab::{http, tcp};

/// The pools, in the order of the configuration.
pub(super) fn pools() -> Vec<Pool> {
    vec![shop(), orders(), inventory(), services(), database(), mail()]
}

fn shop() -> Pool {
    let servers = vec![
        Server::at("127.20.1.1", "in order", http::ok(), [Healthy]),
        Server::at("127.20.1.2", "slow, but in time", http::ok_after(Duration::from_millis(150)), [Healthy]),
        Server::at(
            "127.20.1.3",
            "answers 503",
            http::status(503, "no connection to the database\n"),
            [Unhealthy("http_status_mismatch")],
        ),
        Server::at(
            "127.20.1.4",
            "a maintenance page, with 200",
            http::status(200, "back in a few minutes\n"),
            [Unhealthy("http_body_mismatch")],
        ),
        Server::at("127.20.1.5", "takes the request and hangs", http::silent(), [Unhealthy("http_timeout")]),
        Server::at(
            "127.20.1.6",
            "sends its body byte by byte",
            http::drips_body(Duration::from_millis(100)),
            [Unhealthy("http_timeout")],
        ),
        Server::at("127.20.1.7", "crashes at each request", http::closes_without_answer(), [Unhealthy("tcp_reset")]),
        Server::at("127.20.1.8", "sends less than it announced", http::short_body(), [Unhealthy("http_malformed")]),
        Server::at("127.20.1.9", "an SSH server on this port", tcp::ssh_banner(), [Unhealthy("http_malformed")]),
        Server::at("127.20.1.10", "stopped: nothing listens", Behaviour::Refused, [Unhealthy("tcp_refused")]),
        Server::at("127.20.1.11", "takes HTTPS only", http::wants_tls(), [Unhealthy("http_to_tls_port")]),
        Server::at("127.20.1.12", "takes HTTP/2 only", http::wants_http2(), [Unhealthy("http_version_mismatch")]),
    ];
    Pool { name: "shop", purpose: "The web shop: what goes wrong in an application.", settings: vec![&HTTP], servers }
}

fn orders() -> Pool {
    let says = |headers: &[(&str, &str)], body: &str| {
        let json = [&[("Content-Type", "application/json")], headers].concat();
        http::answer(http::response(200, &json, body))
    };
    let up = r#"{"status": "UP"}"#;
    let servers = vec![
        Server::at("127.20.14.1", "in order, and says so", says(&[], up), [Healthy]),
        Server::at(
            "127.20.14.2",
            "calls itself down, with 200",
            says(&[], r#"{"status": "DOWN", "components": {"db": {"status": "DOWN"}}}"#),
            [Unhealthy("http_json_mismatch")],
        ),
        Server::at("127.20.14.3", "drains", says(&[("X-Draining", "true")], up), [Unhealthy("http_header_mismatch")]),
    ];
    Pool { name: "orders", purpose: "A service that reports its own health as JSON.", settings: vec![&ORDERS], servers }
}

fn inventory() -> Pool {
    let servers = vec![
        Server::at("127.20.2.1", "in order", http::ok(), [Healthy]),
        Server::at("127.20.2.2", "behind a firewall that drops", Behaviour::SilentSyn, [Unhealthy("tcp_timeout")]),
        Server::at("127.20.2.3", "resets each connection", tcp::resets(), [Unhealthy("tcp_reset")]),
        Server::written(
            "127.255.255.255",
            "a broadcast address: this host itself cannot connect to it",
            Unknown("local_network"),
        ),
    ];
    Pool { name: "inventory", purpose: "What goes wrong in the network.", settings: vec![&HTTP], servers }
}

fn services() -> Pool {
    let servers = vec![
        Server::written(APP_NAME, "in order, found by its name", Healthy),
        Server::written("missing.lab.test", "a name that does not exist", Unknown("dns_name_not_found")),
        Server::written("empty.lab.test", "a name without an address", Unknown("dns_no_address")),
        Server::written("blocked.lab.test", "a filter answers with 0.0.0.0", Unknown("dns_unusable_address")),
        Server::written("broken.lab.test", "the resolver fails", Unknown("dns_server_failure")),
        Server::written("silent.lab.test", "the resolver does not answer", Unknown("dns_timeout")),
    ];
    Pool { name: "services", purpose: "Servers by name: what goes wrong in DNS.", settings: vec![&HTTP], servers }
}

fn database() -> Pool {
    let servers = vec![
        Server::at("127.20.3.1", "in order", tcp::holds(), [Healthy]),
        Server::at("127.20.3.2", "in order", tcp::holds(), [Healthy]),
        Server::at("127.20.3.3", "stopped: nothing listens", Behaviour::Refused, [Unhealthy("tcp_refused")]),
        Server::at("127.20.3.4", "behind a firewall that drops", Behaviour::SilentSyn, [Unhealthy("tcp_timeout")]),
    ];
    Pool { name: "database", purpose: "No HTTP: an open port is enough.", settings: vec![&DATABASE], servers }
}

fn mail() -> Pool {
    let rejected = [Unhealthy("proxy_protocol_rejected")];
    let servers = vec![
        Server::at("127.20.4.1", "takes the PROXY line", tcp::accepts_proxy_line(), [Healthy]),
        Server::at("127.20.4.2", "closes at the PROXY line", tcp::closes_on_proxy_line(), rejected),
        Server::at("127.20.4.3", "resets at the PROXY line", tcp::resets_on_proxy_line(), rejected),
    ];
    Pool { name: "mail", purpose: "Behind the PROXY protocol.", settings: vec![&SMTP_PROXY], servers }
}

/// The names of the configuration, and how they are answered.
pub(super) fn zone() -> Zone {
    Zone::from([
        ("missing.lab.test", Answer::NameNotFound),
        ("empty.lab.test", Answer::NoData),
        ("blocked.lab.test", Answer::addresses([Ipv4Addr::UNSPECIFIED], 30)),
        ("broken.lab.test", Answer::ServerFailure),
        ("silent.lab.test", Answer::Silent),
        (APP_NAME, Answer::addresses([APP_ADDRESS], 30)),
    ])
}

/// A name for a server of the shop that is in order.
const APP_NAME: &str = "app.lab.test";
const APP_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 20, 1, 1);
