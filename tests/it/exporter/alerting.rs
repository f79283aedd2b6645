//! From a backend that dies to the message in somebody's hands: the exporter, a real Prometheus with the rules as they
//! are shipped, a real Alertmanager with the configuration as it is shipped, and a receiver.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path as Captured;
use axum::routing::post;
use backend_health_exporter::lab::{Behaviour, http};
use nix::sys::signal::Signal;
use reqwest::Client;
use rustls::RootCertStore;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::process::Process;
use super::prometheus::{Prometheus, where_it_listens};
use super::{ConfigFile, DEADLINE, Exporter, Neighbours, PAUSE, http_client, text};

/// What was shipped as minutes takes so many seconds here.
const SECONDS_FOR_A_MINUTE: u32 = 2;

/// Between two notifications of one group, here.
const GROUP_INTERVAL: Duration = Duration::from_secs(2);

/// Someone who is told.
#[derive(Clone, Debug, PartialEq)]
struct Notification {
    /// `pager` or `chat`.
    receiver: String,
    status: String,
    /// (name, status, labels, annotations) of every alert.
    alerts: Vec<(String, String, Value, Value)>,
}

impl Notification {
    fn new(receiver: String, body: &Value) -> Self {
        let alerts = body["alerts"].as_array().expect("a notification has alerts").iter().map(|alert| {
            let word = |value: &Value| value.as_str().expect("a string").to_owned();
            let name = word(&alert["labels"]["alertname"]);
            (name, word(&alert["status"]), alert["labels"].clone(), alert["annotations"].clone())
        });
        Self { receiver, status: body["status"].as_str().expect("a string").to_owned(), alerts: alerts.collect() }
    }

    fn names(&self) -> Vec<&str> {
        self.alerts.iter().map(|(name, ..)| name.as_str()).collect()
    }
}

/// Takes what Alertmanager sends.
struct Receiver {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Notification>>>,
    /// What Slack and `PagerDuty` were sent: the name and the whole body.
    posted: Arc<Mutex<Vec<(String, String)>>>,
    server: JoinHandle<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told: Arc<Mutex<Vec<Notification>>> = Arc::default();
        let posted: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (shared, services) = (told.clone(), posted.clone());
        let take = async move |Captured(receiver): Captured<String>, body: String| {
            if receiver == "slack" || receiver == "pagerduty" {
                services.lock().unwrap().push((receiver, body));
                return;
            }
            let body = serde_json::from_str(&body).expect("Alertmanager sends JSON");
            let notification = Notification::new(receiver, &body);
            // True, where other tests keep the machine busy, and another story.
            if notification.names().iter().any(|name| *name != "BackendHealthExporterProbesSkipped") {
                shared.lock().unwrap().push(notification);
            }
        };
        let router = Router::new().route("/{receiver}", post(take));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, told, posted, server }
    }

    fn told(&self) -> Vec<Notification> {
        self.told.lock().unwrap().clone()
    }

    fn posted(&self, service: &str) -> Option<String> {
        let posted = self.posted.lock().unwrap();
        posted.iter().find(|(name, _)| name == service).map(|(_, body)| body.clone())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Everything between a backend and a receiver. The pool `shop` has three servers, `mail` two.
struct World {
    shop: Neighbours,
    mail: Neighbours,
    exporter: Exporter,
    prometheus: Prometheus,
    alertmanager: SocketAddr,
    receiver: Receiver,
    client: Client,
    _config: ConfigFile,
    _alertmanager: Process,
    _directory: TempDir,
}

impl World {
    async fn start() -> Self {
        let shop = Neighbours::start([(); 3].map(|()| http::ok().into()));
        let mail = Neighbours::start([(); 2].map(|()| http::ok().into()));
        let config = ConfigFile::new(&yaml(shop.port, mail.port));
        let exporter = Exporter::run(&config.path).await;
        let receiver = Receiver::start().await;

        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("alertmanager.yml");
        std::fs::write(&file, alertmanager_yml(receiver.address)).expect("the file can be written");
        let mut process = Process::spawn(
            Command::new("prometheus-alertmanager")
                .arg(format!("--config.file={}", text(&file)))
                .arg(format!("--storage.path={}", text(&directory.path().join("data"))))
                .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]),
        );
        let alertmanager = process.said("where Alertmanager listens", where_it_listens).await;

        let of_prometheus = tempfile::tempdir().expect("a temporary directory");
        let place = |name: &str, content: String| {
            std::fs::write(of_prometheus.path().join(name), content).expect("the file can be written");
        };
        place("prometheus.yml", prometheus_yml(exporter.address, alertmanager));
        place("backend_health.rules.yml", rules());
        let prometheus = Prometheus::start(of_prometheus).await;
        let client = http_client(RootCertStore::empty()).build().unwrap();
        let this = Self {
            shop,
            mail,
            exporter,
            prometheus,
            alertmanager,
            receiver,
            client,
            _config: config,
            _alertmanager: process,
            _directory: directory,
        };
        let known = "sum(row:backend_health_unhealthy:verdict == bool 0) == 5";
        this.until("Prometheus knows five healthy rows", async |this| {
            (!this.prometheus.query(known).await.is_empty()).then_some(())
        })
        .await;
        assert_eq!(this.receiver.told(), [], "nothing is wrong yet");
        this
    }

    /// Looks until there is something to be found.
    async fn until<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look(self).await {
                return found;
            }
            if Instant::now() > deadline {
                let alerts = self.prometheus.query("ALERTS").await;
                panic!("never came true: {what}\n{alerts:#?}\n{:#?}", self.receiver.told());
            }
            sleep(PAUSE).await;
        }
    }

    /// Everything told from the notification with this number on, as soon as there is one with this status.
    async fn told(&self, from: usize, status: &str) -> Vec<Notification> {
        self.until(&format!("a notification that something is {status}"), async |this| {
            let told = this.receiver.told().split_off(from);
            told.iter().any(|notification| notification.status == status).then_some(told)
        })
        .await
    }

    /// The names of the alerts that Alertmanager keeps to itself because of others.
    async fn muted(&self) -> Vec<String> {
        let url = format!("http://{}/api/v2/alerts?active=false&silenced=false&inhibited=true", self.alertmanager);
        let alerts: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        let alerts = alerts.as_array().expect("a list").iter();
        let muted = alerts.filter(|alert| alert["status"]["state"] == "suppressed");
        muted.map(|alert| alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn yaml(shop: u16, mail: u16) -> String {
    let mut yaml =
        String::from("probes: [{name: quick, protocol: http, interval: 300ms, timeout: 20s}]\nbackend_settings:\n");
    for (name, port) in [("shop-http", shop), ("mail-http", mail)] {
        writeln!(yaml, "  - {{name: {name}, protocol: http, port: {port}, probe: quick}}").unwrap();
    }
    yaml.push_str(
        "backend_pools:\n\
         \x20 - {name: shop, settings: [shop-http], servers: [127.31.0.1, 127.31.0.2, 127.31.0.3]}\n\
         \x20 - {name: mail, settings: [mail-http], servers: [127.31.0.1, 127.31.0.2]}\n",
    );
    yaml
}

/// A file as it is shipped.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The same with something else in one place.
fn with(text: &str, shipped: &str, here: &str) -> String {
    assert_eq!(text.matches(shipped).count(), 1, "{shipped}");
    text.replace(shipped, here)
}

fn prometheus_yml(exporter: SocketAddr, alertmanager: SocketAddr) -> String {
    let text = shipped("prometheus/prometheus.yml");
    let text = with(&text, "scrape_interval: 15s", "scrape_interval: 1s\n  scrape_timeout: 1s");
    let text = with(&text, "evaluation_interval: 15s", "evaluation_interval: 1s");
    let text = with(&text, "targets: [localhost:9093]", &format!("targets: ['{alertmanager}']"));
    // Labels of the target that collide with the exporter's own, and one that does not.
    let labels = "labels: {pool: gpu-nodes, server: prober-1, cluster: east}";
    with(&text, "targets: [localhost:19115]", &format!("targets: ['{exporter}']\n        {labels}"))
}

fn alertmanager_yml(receiver: SocketAddr) -> String {
    let text = shipped("alertmanager/alertmanager.yml");
    let text = with(&text, "group_wait: 30s", "group_wait: 3s");
    let text = with(&text, "group_interval: 5m", &format!("group_interval: {}s", GROUP_INTERVAL.as_secs()));
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alertmanager/backend_health.tmpl");
    let text = with(&text, "templates: [backend_health.tmpl]", &format!("templates: ['{}']", templates.display()));
    let text = with(&text, "api_url_file: slack.url", &format!("api_url: http://{receiver}/slack"));
    let pagerduty = format!("routing_key: none\n        url: http://{receiver}/pagerduty");
    let text = with(&text, "routing_key_file: pagerduty.key", &pagerduty);
    // Each of them is told by a webhook as well.
    ["pager", "chat"].iter().fold(text, |text, name| {
        let head = format!("  - name: {name}\n");
        with(&text, &head, &format!("{head}    webhook_configs: [{{url: 'http://{receiver}/{name}'}}]\n"))
    })
}

/// The rules with minutes made short: in `for` and in windows of time.
fn rules() -> String {
    let text = with(&shipped("prometheus/backend_health.rules.yml"), "interval: 30s", "interval: 1s");
    let mut quick = String::new();
    let mut rest = text.as_str();
    while let Some(end) = rest.find(['m', 'h']) {
        let (before, after) = rest.split_at(end);
        let digits = before.len() - before.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        let (head, number) = before.split_at(before.len() - digits);
        let is_time = head.ends_with(['[', ' ']) && after[1..].starts_with([']', '\n', ')']);
        match number.parse::<u32>() {
            Ok(number) if is_time => {
                let minutes = if after.starts_with('h') { 60 * number } else { number };
                write!(quick, "{head}{}s", minutes * SECONDS_FOR_A_MINUTE).unwrap();
            }
            _ => write!(quick, "{before}{}", &after[..1]).unwrap(),
        }
        rest = &after[1..];
    }
    quick.push_str(rest);
    assert!(!quick.contains("m]") && !quick.contains("h]"), "{quick}");
    quick
}

#[tokio::test]
async fn a_dead_server_and_then_a_dead_pool_are_one_notification_each_and_both_resolve() {
    let world = World::start().await;

    world.shop.backends[1].set(Behaviour::Refused).unwrap();
    let told = world.told(0, "firing").await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].receiver.as_str(), told[0].names()), ("chat", vec!["BackendHealthServerUnhealthy"]));
    let (_, _, labels, annotations) = &told[0].alerts[0];
    let port = world.shop.port.to_string();
    let instance = world.exporter.address.to_string();
    let expected = [
        ("alertname", "BackendHealthServerUnhealthy"),
        ("severity", "warning"),
        ("job", "backend_health"),
        ("instance", &instance),
        ("pool", "shop"),
        ("setting", "shop-http"),
        ("server", "127.31.0.2"),
        ("port", &port),
        ("protocol", "http"),
        ("cluster", "east"),
    ];
    assert_eq!(*labels, Value::from_iter(expected), "no label more: a cause would make it another alert");
    assert_eq!(annotations["cause"], "tcp_refused");
    let summary = format!("shop: 127.31.0.2 port {port} is unhealthy: Connection refused.");
    assert_eq!(annotations["summary"], summary);
    let remedy = annotations["remedy"].as_str().unwrap();
    assert!(remedy.contains(&format!("is listening on port {port}: `ss -ltnp`.")), "{remedy}");
    let description = annotations["description"].as_str().unwrap();
    for word in ["127.31.0.2", &port, "shop", "shop-http", &instance, "Connection refused (tcp_refused)", remedy] {
        assert!(description.contains(word), "{word} is not in {description}");
    }
    for placeholder in ["PORT", "SETTING", "SUBJECT", "RECEIVED", "SERVER", "POOL"] {
        assert!(!description.contains(placeholder), "{placeholder} is in {description}");
    }
    let slack = world.until("Slack is told", async |this| this.receiver.posted("slack")).await;
    for words in [&summary, "First: ", "/row?pool=shop&setting=shop-http&server=127.31.0.2|Look>"] {
        assert!(slack.replace("\\u0026", "&").replace("\\u003e", ">").contains(words), "{words} is not in {slack}");
    }
    assert_eq!(annotations["runbook_url"], "http://localhost:19115/docs/alerts#BackendHealthServerUnhealthy");
    assert_eq!(annotations["row_url"], "http://localhost:19115/row?pool=shop&setting=shop-http&server=127.31.0.2");

    world.shop.backends[1].set(http::ok()).unwrap();
    let told = world.told(1, "resolved").await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].receiver.as_str(), told[0].names()), ("chat", vec!["BackendHealthServerUnhealthy"]));

    for backend in &world.mail.backends {
        backend.set(Behaviour::Refused).unwrap();
    }
    world.told(2, "firing").await;
    // Its servers have alerts of their own by and by, and the pool one more: all of them stay in the house.
    world
        .until("the other alerts are muted", async |this| {
            let muted = this.muted().await;
            let count = |name: &str| muted.iter().filter(|muted| *muted == name).count();
            (count("BackendHealthServerUnhealthy") == 2 && count("BackendHealthPoolDegraded") == 1).then_some(())
        })
        .await;
    // Time enough to be told of, if they were to be.
    sleep(3 * GROUP_INTERVAL).await;
    let told = world.receiver.told().split_off(2);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].receiver.as_str(), told[0].names()), ("pager", vec!["BackendHealthPoolNoHealthyServer"]));
    let (_, _, labels, annotations) = &told[0].alerts[0];
    assert_eq!((&labels["pool"], &labels["severity"]), (&"mail".into(), &"critical".into()));
    let description = annotations["description"].as_str().unwrap();
    let cause = "Commonest cause, on 2: Connection refused (tcp_refused). Who acts: whoever runs the server. First: ";
    for word in ["0 of 2 servers of the pool mail are healthy", cause, "Servers: 127.31.0.1, 127.31.0.2."] {
        assert!(description.contains(word), "{word} is not in {description}");
    }

    assert_eq!(annotations["page_url"], "http://localhost:19115/?pool=mail&setting=mail-http");
    let paged = world.until("PagerDuty is told", async |this| this.receiver.posted("pagerduty")).await;
    for words in ["\"group\":\"mail\"", "\"severity\":\"critical\"", "0 of 2 servers are healthy", "First: "] {
        assert!(paged.contains(words), "{words} is not in {paged}");
    }

    for backend in &world.mail.backends {
        backend.set(http::ok()).unwrap();
    }
    let told = world.told(3, "resolved").await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].receiver.as_str(), told[0].names()), ("pager", vec!["BackendHealthPoolNoHealthyServer"]));
}

#[tokio::test]
async fn an_exporter_that_dies_is_one_notification_and_resolves_nothing() {
    let mut world = World::start().await;
    world.shop.backends[0].set(Behaviour::Refused).unwrap();
    let told = world.told(0, "firing").await;
    assert_eq!(told[0].names(), ["BackendHealthServerUnhealthy"]);

    world.exporter.process.signal(Signal::SIGTERM);
    world.exporter.process.ended(DEADLINE).await;
    let absent = async |this: &World| (this.receiver.told().len() > 1).then_some(());
    world.until("the exporter's end is told", absent).await;
    let forgotten = "ALERTS{alertname='BackendHealthServerUnhealthy'}";
    world
        .until("Prometheus has forgotten the server", async |this| {
            this.prometheus.query(forgotten).await.is_empty().then_some(())
        })
        .await;
    sleep(3 * GROUP_INTERVAL).await;
    let told = world.receiver.told().split_off(1);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].receiver.as_str(), told[0].names()), ("pager", vec!["BackendHealthExporterAbsent"]));
    assert_eq!(told[0].status, "firing");
}
