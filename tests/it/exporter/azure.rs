//! Azure's REST API of the running exporter: reports and probes on demand as Azure's clients ask for them.

mod on_demand;
mod sdk;

use std::process::Command;
use std::sync::Arc;

use backend_health_exporter::lab::tls::{Credential, Profile};
use backend_health_exporter::lab::{Backend, http};
use reqwest::{Method, RequestBuilder, Response};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{BINARY, ConfigFile, DEADLINE, Exporter, PAUSE, http_client, text};

const GATEWAY: &str = "/subscriptions/sub-1/resourceGroups/group/providers/Microsoft.Network/applicationGateways/gw";

/// One server that answers, in a pool; and pools without servers and without settings.
fn config_of(backend: &Backend, more: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        "probes: [{{name: quick, protocol: http, interval: 1s, timeout: 20s}}]\n\
         backend_settings: [{{name: plain, protocol: http, port: {}, probe: quick}}]\n\
         backend_pools:\n  \
           - {{name: web, settings: [plain], servers: [127.0.0.1]}}\n  \
           - {{name: empty, settings: [plain], servers: []}}\n  \
           - {{name: idle, settings: [], servers: [127.0.0.1]}}\n{more}",
        backend.address().port()
    ))
}

fn good_backend() -> Backend {
    Backend::start([127, 0, 0, 1].into(), http::ok()).expect("a backend starts")
}

impl Exporter {
    fn port(&self) -> u16 {
        self.address.port()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// Where the operation that this begins has its result.
    async fn started(&self, path: &str, body: Option<&Value>) -> String {
        let request = self.request(Method::POST, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        let (status, location) = (response.status(), header(&response, "location"));
        assert_eq!(status, 202, "{}", response.text().await.unwrap());
        assert_eq!(header(&response, "retry-after"), "1");
        location
    }

    /// The result of an operation, when it has one.
    async fn result(&self, location: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let response = self.client.get(location).send().await.expect("an answer");
            match response.status().as_u16() {
                200 => {
                    assert_eq!(header(&response, "content-type"), "application/json; charset=utf-8");
                    return response.json().await.expect("JSON");
                }
                202 => assert_eq!(header(&response, "location"), location),
                other => panic!("{location} answers {other}: {}", response.text().await.unwrap()),
            }
            assert!(Instant::now() < deadline, "{location} never has a result");
            sleep(PAUSE).await;
        }
    }
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn the_report_is_the_result_of_an_operation() {
    let backend = good_backend();
    let config = config_of(&backend, "");
    let exporter = Exporter::run(&config.path).await;
    exporter.get_until("/-/ready", 200).await;
    let expected = json!({"backendAddressPools": [
        {
            "backendAddressPool": {"id": format!("{GATEWAY}/backendAddressPools/web")},
            "backendHttpSettingsCollection": [{
                "backendHttpSettings": {"id": format!("{GATEWAY}/backendHttpSettingsCollection/plain")},
                "servers": [{
                    "address": "127.0.0.1",
                    "health": "Healthy",
                    "healthProbeLog": "Success: the server answered with status 200.",
                }],
            }],
        },
        {
            "backendAddressPool": {"id": format!("{GATEWAY}/backendAddressPools/empty")},
            "backendHttpSettingsCollection": [{
                "backendHttpSettings": {"id": format!("{GATEWAY}/backendHttpSettingsCollection/plain")},
                "servers": [],
            }],
        },
        {
            "backendAddressPool": {"id": format!("{GATEWAY}/backendAddressPools/idle")},
            "backendHttpSettingsCollection": [],
        },
    ]});
    // Path, and the query that the result's address has.
    let cases = [
        (format!("{GATEWAY}/backendhealth?api-version=2021-08-01"), "?api-version=2021-08-01"),
        (format!("{GATEWAY}/backendHealth?$expand=x&API-VERSION=2099-12-31"), "?api-version=2099-12-31"),
        (format!("{GATEWAY}/BACKENDHEALTH/"), ""),
        (
            format!(
                "{}/backendhealth",
                GATEWAY.replace("subscriptions", "Subscriptions").replace("Gateways", "gateways")
            ),
            "",
        ),
        (format!("{}/backendhealth", GATEWAY.replace("Microsoft.Network", "microsoft.network")), ""),
        (format!("{}/backendhealth", GATEWAY.replace("resourceGroups", "resourcegroups")), ""),
    ];
    for (path, query) in cases {
        let location = exporter.started(&path, None).await;
        let origin = format!("http://{}", exporter.address);
        let below = location.strip_prefix(&origin).unwrap_or_else(|| panic!("{location} is elsewhere"));
        let (place, id) = below.rsplit_once('/').unwrap();
        assert_eq!(place, "/subscriptions/sub-1/providers/Microsoft.Network/locations/local/operationResults");
        assert!(id.len() == 36 + query.len() && id.ends_with(query), "{location}");
        assert_eq!(exporter.result(&location).await, expected, "{path}");
        let shouted = location.replace("/providers/microsoft", "/PROVIDERS/Microsoft").replace("sub-1", "SUB-1");
        assert_eq!(exporter.result(&shouted).await, expected);
        let head = exporter.client.head(&location).send().await.expect("an answer");
        assert_eq!(head.status(), 200);
        let other = location.replace("sub-1", "sub-2");
        assert_eq!(exporter.client.get(&other).send().await.expect("an answer").status(), 404);
    }
}

#[tokio::test]
async fn what_is_not_there_is_an_error_in_azures_shape() {
    let backend = good_backend();
    let config = config_of(&backend, "");
    let exporter = Exporter::run(&config.path).await;
    let operation = "/subscriptions/s/providers/Microsoft.Network/locations/local/operationResults";
    let unknown = format!("{operation}/00000000-0000-4000-8000-000000000000");
    let long = format!("{}/backendhealth", GATEWAY.replace("sub-1", &"x".repeat(91)));
    let slash = format!("{}/backendhealth", GATEWAY.replace("sub-1", "a%2Fb"));
    // Method, path, status, code, and the value of `Allow`.
    let cases = [
        (Method::GET, format!("{GATEWAY}/backendhealth"), 405, "MethodNotAllowed", "POST"),
        (Method::DELETE, unknown.clone(), 405, "MethodNotAllowed", "GET, HEAD"),
        (Method::GET, unknown, 404, "OperationNotFound", ""),
        (Method::GET, format!("{operation}/x"), 404, "OperationNotFound", ""),
        (Method::GET, GATEWAY.to_owned(), 404, "NotFound", ""),
        (Method::POST, format!("{GATEWAY}/stop"), 404, "NotFound", ""),
        (Method::POST, long, 400, "InvalidResourceName", ""),
        (Method::POST, slash, 400, "InvalidResourceName", ""),
    ];
    for (method, path, status, code, allow) in cases {
        let response = exporter.request(method, &path).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), header(&response, "allow").as_str()), (status, allow), "{path}");
        assert_eq!(header(&response, "content-type"), "application/json; charset=utf-8", "{path}");
        let error: Value = response.json().await.expect("JSON");
        assert_eq!(error["error"]["code"], code, "{path}");
        assert!(error["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    }
    for origin in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        for action in ["backendhealth", "getBackendHealthOnDemand"] {
            let request = exporter.request(Method::POST, &format!("{GATEWAY}/{action}")).header(origin.0, origin.1);
            assert_eq!(request.send().await.expect("an answer").status(), 403, "{origin:?} {action}");
        }
    }
}

#[tokio::test]
async fn with_configured_names_there_is_one_gateway() {
    let backend = good_backend();
    let names = "azure: {subscription: Sub, resource_group: Group, application_gateway: Gw, location: West(1)}\n";
    let config = config_of(&backend, names);
    let exporter = Exporter::run(&config.path).await;
    exporter.get_until("/-/ready", 200).await;
    let of = |sub: &str, group: &str, gateway: &str| {
        format!("/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Network/applicationGateways/{gateway}")
    };
    let location = exporter.started(&format!("{}/backendhealth", of("sub", "GROUP", "gw")), None).await;
    let place = "/subscriptions/sub/providers/Microsoft.Network/locations/West%281%29/operationResults/";
    assert!(location.contains(place), "{location}");
    let report = exporter.result(&location).await;
    let id = &report["backendAddressPools"][0]["backendAddressPool"]["id"];
    assert_eq!(*id, format!("{}/backendAddressPools/web", of("Sub", "Group", "Gw")), "spelled as configured");
    for (sub, group, gateway) in [("x", "Group", "Gw"), ("Sub", "x", "Gw"), ("Sub", "Group", "x")] {
        for action in ["backendhealth", "getBackendHealthOnDemand"] {
            let path = format!("{}/{action}", of(sub, group, gateway));
            let response = exporter.request(Method::POST, &path).send().await.expect("an answer");
            assert_eq!(response.status(), 404, "{path}");
            let error: Value = response.json().await.expect("JSON");
            assert_eq!(error["error"]["code"], "ResourceNotFound", "{path}");
        }
    }
    config.write(
        &std::fs::read_to_string(&config.path).unwrap().replace("application_gateway: Gw", "application_gateway: New"),
    );
    assert_eq!(exporter.reload().await.status, 200);
    exporter.started(&format!("{}/backendhealth", of("Sub", "Group", "new")), None).await;
}

#[tokio::test]
async fn the_location_leads_back_to_where_the_client_asked() {
    let backend = good_backend();
    let config = config_of(&backend, "");
    let external = "https://outer.example/a/health";
    // Flags, the prefix of the request's path, the Host header, what the location begins with.
    let cases: [(&[&str], &str, &str, &str); 7] = [
        (&[], "", "probes.example.com", "http://probes.example.com/subscriptions/"),
        (&[], "", "probes.example.com:19115", "http://probes.example.com:19115/subscriptions/"),
        (&[], "", "[2001:db8::7]:19115", "http://[2001:db8::7]:19115/subscriptions/"),
        (&["--web.route-prefix", "/health"], "/health", "a.example", "http://a.example/health/subscriptions/"),
        (&["--web.external-url", external], "/a/health", "a.example", "https://outer.example/a/health/subscriptions/"),
        (
            &["--web.external-url", external, "--web.route-prefix", "/"],
            "",
            "a.example",
            "https://outer.example/a/health/subscriptions/",
        ),
        (&[], "", "user@evil.example", "/subscriptions/"),
    ];
    for (flags, prefix, host, expected) in cases {
        let exporter = Exporter::start(&[&["--config.file", text(&config.path)] as &[_], flags].concat()).await;
        let response = exporter
            .request(Method::POST, &format!("{prefix}{GATEWAY}/backendhealth"))
            .header("host", host)
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("forwarded", "host=evil.example;proto=https")
            .send()
            .await
            .expect("an answer");
        let location = header(&response, "location");
        assert!(location.starts_with(expected), "{flags:?} {host}: {location}");
        let (_, path) = location.split_once("/subscriptions/").unwrap();
        let polled = format!("http://{}{prefix}/subscriptions/{path}", exporter.address);
        exporter.result_at(&polled).await;
    }
    // A client of HTTP/1.0 does not have to say whom it asks.
    let exporter = Exporter::run(&config.path).await;
    let mut stream = TcpStream::connect(exporter.address).await.unwrap();
    stream.write_all(format!("POST {GATEWAY}/backendhealth HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 202") && answer.contains("\r\nlocation: /subscriptions/sub-1/"), "{answer}");
}

impl Exporter {
    /// Likewise when the exporter is known by another address than the one that reaches it.
    async fn result_at(&self, url: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.client.get(url).send().await.expect("an answer").status() != 200 {
            assert!(Instant::now() < deadline, "{url} never has a result");
            sleep(PAUSE).await;
        }
    }
}

/// A configuration whose site has TLS, and the root that its certificate comes from.
fn with_tls(config: &ConfigFile) -> (Credential, std::path::PathBuf) {
    let root = Credential::self_signed(&Profile::authority("Our Root")).unwrap();
    let leaf = root.issue(&Profile::server("localhost")).unwrap();
    config.write_beside("root.pem", root.pem());
    config.write_beside("site.pem", leaf.pem());
    config.write_beside("site.key", leaf.key_pem());
    let web = config.write_beside("web.yml", "tls_server_config: {cert_file: site.pem, key_file: site.key}\n");
    (root, web)
}

#[tokio::test]
async fn over_http2_the_authority_is_what_the_client_asked() {
    let backend = good_backend();
    let config = config_of(&backend, "");
    let (root, web) = with_tls(&config);
    let arguments = ["--config.file", text(&config.path), "--web.config.file", text(&web)];
    let exporter =
        Exporter::start_by(Command::new(BINARY).args(arguments).args(["--web.listen-address", "127.0.0.1:0"])).await;
    let mut roots = RootCertStore::empty();
    roots.add(root.der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let client = http_client(RootCertStore::empty()).tls_backend_preconfigured(tls).build().unwrap();
    let origin = format!("https://localhost:{}", exporter.address.port());
    let request = client.post(format!("{origin}{GATEWAY}/backendhealth")).bearer_auth("nobody.looks.at.this");
    let response = request.send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (202, reqwest::Version::HTTP_2));
    let location = header(&response, "location");
    assert!(location.starts_with(&format!("{origin}/subscriptions/")), "{location}");
    let polled = client.get(&location).bearer_auth("nobody.looks.at.this").send().await.expect("an answer");
    assert!([200, 202].contains(&polled.status().as_u16()));
}
