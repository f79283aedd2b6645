//! Servers by name: which name server is asked, and what a failed lookup does.

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::{Backend, http};
use tokio::net::UdpSocket;

use super::scrape::Scrape;
use super::{ConfigFile, Exporter, text};

/// A server that only the lab's name server knows, and a configuration that probes it.
struct Named {
    nameserver: Nameserver,
    config: ConfigFile,
    _backend: Backend,
}

impl Named {
    async fn start() -> Self {
        let backend = Backend::start([127, 0, 0, 1].into(), http::ok()).expect("a backend starts");
        // A TTL of 0: every probe asks anew.
        let zone = Zone::new().with(NAME, Answer::addresses([[127, 0, 0, 1]], 0));
        let nameserver = Nameserver::start(zone).await.expect("a name server starts");
        let config = ConfigFile::new(&format!(
            "probes: [{{name: quick, protocol: http, interval: 100ms, timeout: 20s, unhealthy_threshold: 3}}]\n\
             backend_settings: [{{name: http, protocol: http, port: {}, probe: quick}}]\n\
             backend_pools: [{{name: web, settings: [http], servers: [{NAME}]}}]\n",
            backend.address().port()
        ));
        Self { nameserver, config, _backend: backend }
    }

    async fn exporter(&self, further: &[&str]) -> Exporter {
        let nameserver = self.nameserver.address().to_string();
        let arguments = ["--config.file", text(&self.config.path), "--dns.nameserver", &nameserver];
        Exporter::start(&[&arguments as &[_], further].concat()).await
    }
}

#[tokio::test]
async fn the_name_server_of_the_flag_is_asked() {
    let named = Named::start().await;
    let exporter = named.exporter(&[]).await;
    exporter.scrape_until("the server was found by its name", |scrape| state(scrape) == "healthy").await;
    assert!(named.nameserver.questions(NAME) > 0);
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_no_harm_while_another_one_does() {
    let named = Named::start().await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
    let silent = silent.local_addr().expect("it is bound").to_string();
    for first in [silent.as_str(), "127.0.0.1:1"] {
        let nameserver = named.nameserver.address().to_string();
        let exporter = Exporter::start(&[
            "--config.file",
            text(&named.config.path),
            "--dns.nameserver",
            first,
            "--dns.nameserver",
            &nameserver,
        ])
        .await;
        exporter.scrape_until("the server was found by its name", |scrape| state(scrape) == "healthy").await;
    }
}

#[tokio::test]
async fn the_last_known_good_addresses_are_probed_while_the_lookup_fails_unless_the_flag_says_no() {
    let cases = [
        (&[] as &[&str], "healthy", None),
        (&["--dns.last-known-good", "10m"], "healthy", None),
        (&["--dns.last-known-good", "0s"], "unknown", Some("dns_server_failure")),
        // It is over long before the threshold is reached.
        (&["--dns.last-known-good", "100ms"], "unknown", Some("dns_server_failure")),
    ];
    for (flags, expected, cause) in cases {
        let named = Named::start().await;
        let exporter = named.exporter(flags).await;
        exporter.scrape_until("the server was found by its name", |scrape| state(scrape) == "healthy").await;
        named.nameserver.set(NAME, Answer::ServerFailure);
        let asked = named.nameserver.questions(NAME);
        let probed = probes(&exporter.scrape().await);
        let scrape = exporter
            .scrape_until("the failed lookups have their effect", |scrape| {
                // Well over the threshold.
                named.nameserver.questions(NAME) >= asked + 10 && probes(scrape) >= probed + 10.0
            })
            .await;
        assert_eq!((state(&scrape).as_str(), scrape.cause(&[]).as_deref()), (expected, cause), "{flags:?}");
        let page = exporter.get("/").await.body;
        assert_eq!(page.contains("lookup fails"), expected == "healthy", "remembered addresses are said to be so");
        named.nameserver.set(NAME, Answer::addresses([[127, 0, 0, 1]], 0));
        exporter.scrape_until("all is well again", |scrape| state(scrape) == "healthy").await;
    }
}

fn state(scrape: &Scrape) -> String {
    scrape.state(&[]).expect("there is a row")
}

fn probes(scrape: &Scrape) -> f64 {
    scrape.value("backend_health_probes_total", &[])
}

const NAME: &str = "app.lab.test";
