//! TLS, client certificates, logins and the rate limit, from a web configuration file to the socket.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::config::web::{WebConfig, WebConfigFile};
use backend_health_exporter::web::{Access, Entry, Paths, Rate};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use reqwest::{ClientBuilder, Version};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::web::{Running, Setup, builder, client, header, over, start, trusting};

/// How the checked file becomes what the site runs with.
fn access(config: WebConfig) -> Access {
    let WebConfig { tls, users, headers, rate_limit, .. } = config;
    let rate = rate_limit.map(|limit| Rate { interval: limit.interval, burst: limit.burst });
    Access::new(tls, users, headers, rate)
}

/// A CA, and a directory with a server's certificate of it: `ca.pem`, `web.pem`, `web.key`.
pub struct Certificates {
    directory: TempDir,
    ca: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "A CA of the tests");
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        fs::write(directory.path().join("ca.pem"), ca.pem()).unwrap();
        let this = Self { directory, ca: ca.der().clone(), issuer: Issuer::new(params, key) };
        this.renew();
        this
    }

    fn renew(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path().join("web.pem"), certificate.pem()).unwrap();
        fs::write(self.path().join("web.key"), key.serialize_pem()).unwrap();
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        roots
    }

    /// A client that trusts the CA.
    pub fn client(&self) -> ClientBuilder {
        builder(self.roots())
    }

    /// A connection that has agreed on HTTP/2, for what no client would send.
    pub async fn h2_stream(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        let mut tls = trusting(self.roots());
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap()
    }

    /// A client with a certificate of `issuer` for `names`.
    fn client_with(&self, issuer: &Self, names: &[SanType]) -> ClientBuilder {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.subject_alt_names = names.to_vec();
        let certificate = params.signed_by(&key, &issuer.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![certificate.der().clone()], key)
            .unwrap();
        over(tls, &[b"h2", b"http/1.1"])
    }

    /// Reads a web configuration with our certificate and `more`, keys of `tls_server_config` first.
    fn read(&self, more: &str) -> WebConfigFile {
        let path = self.path().join("web.yml");
        fs::write(&path, format!("tls_server_config:\n  cert_file: web.pem\n  key_file: web.key\n{more}")).unwrap();
        WebConfigFile::new(path)
    }

    fn access(&self, more: &str) -> Access {
        access(self.read(more).read().unwrap())
    }
}

pub fn tls_only(certificates: &Certificates) -> Access {
    certificates.access("")
}

fn users(names: &[(&str, &str)]) -> Vec<(String, String)> {
    names.iter().map(|(name, password)| ((*name).to_owned(), bcrypt::hash(password, 4).unwrap())).collect()
}

fn https(address: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", address.port())
}

async fn status(site: &Running, client: ClientBuilder) -> Result<u16, reqwest::Error> {
    let response = client.build().unwrap().get(https(site.address(), "/-/healthy")).send().await?;
    Ok(response.status().as_u16())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test]
async fn without_a_right_login_no_route_says_anything() {
    let config = WebConfig { users: users(&[("alice", "open sesame"), ("bob", "ü:b")]), ..WebConfig::default() };
    let site = start(Setup { access: access(config), ..Setup::default() }).await;
    let paths = ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"];
    for path in paths {
        let response = site.get(path).await;
        assert_eq!(response.status(), 401, "{path}");
        assert!(header(&response, "www-authenticate").starts_with("Basic"), "{path}");
        assert!(response.text().await.unwrap().starts_with("unauthorized"), "{path}");
        for (name, password) in [("alice", "wrong"), ("alice", ""), ("carol", "open sesame"), ("", "")] {
            let request = client().get(site.http(path)).basic_auth(name, Some(password));
            assert_eq!(request.send().await.unwrap().status(), 401, "{path} {name}");
        }
    }
    assert_eq!(client().post(site.http("/-/reload")).send().await.unwrap().status(), 401);
    for (name, password) in [("alice", "open sesame"), ("bob", "ü:b")] {
        for (path, expected) in paths.into_iter().zip([200, 200, 200, 503, 404]) {
            let request = client().get(site.http(path)).basic_auth(name, Some(password));
            assert_eq!(request.send().await.unwrap().status(), expected, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn requests_above_the_rate_are_refused_and_told_when_to_come_back() {
    let rate = Rate { interval: Duration::from_hours(1), burst: 2 };
    let access = Access::new(None, [], axum::http::HeaderMap::new(), Some(rate));
    let site = start(Setup { access, ..Setup::default() }).await;
    assert_eq!(site.get("/-/healthy").await.status(), 200);
    assert_eq!(site.get("/nothing").await.status(), 404);
    let refused = site.get("/metrics").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((3590..=3600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn open_health_endpoints_ask_nobody_who_they_are() {
    let config = WebConfig { users: users(&[("alice", "open sesame")]), ..WebConfig::default() };
    let paths = Paths::parse(None, Some("/probes"), "/metrics").unwrap();
    let entry = Entry { open_health: true, ..Entry::default() };
    let site = start(Setup { access: access(config), paths, entry, ..Setup::default() }).await;
    for (path, expected) in [
        ("/probes/-/healthy", 200),
        ("/probes/-/ready", 503),
        ("/-/healthy", 401),
        ("/probes/-/healthy/", 401),
        ("/probes//-/healthy", 401),
        ("/probes/metrics", 401),
        ("/probes/", 401),
    ] {
        assert_eq!(site.get(path).await.status(), expected, "{path}");
    }
    for path in ["/probes/-/reload", "/probes/-/healthy"] {
        assert_eq!(client().post(site.http(path)).send().await.unwrap().status(), 401, "{path}");
    }
}

#[tokio::test]
async fn headers_of_the_file_are_on_every_response_over_our_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    let text = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    \
        Strict-Transport-Security: max-age=60\nbasic_auth_users:\n  alice: ";
    fs::write(&path, format!("{text}{}\n", bcrypt::hash("x", 4).unwrap())).unwrap();
    let access = access(WebConfigFile::new(path).read().unwrap());
    let site = start(Setup { access, ..Setup::default() }).await;
    for response in [
        site.get("/").await,
        client().get(site.http("/")).basic_auth("alice", Some("x")).send().await.unwrap(),
        client().get(site.http("/nothing")).basic_auth("alice", Some("x")).send().await.unwrap(),
    ] {
        assert_eq!(header(&response, "x-frame-options"), "sameorigin");
        assert_eq!(header(&response, "strict-transport-security"), "max-age=60");
    }
}

#[tokio::test]
async fn tls_speaks_http2_unless_the_file_forbids_it() {
    let certificates = Certificates::new();
    let check = async |more: &str, client: ClientBuilder, expected: Version| {
        let site = start(Setup { access: certificates.access(more), ..Setup::default() }).await;
        let client = client.build().unwrap();
        let response = client.get(https(site.address(), "/metrics")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, expected), "{more}");
        let own = format!("https://localhost:{}", site.address().port());
        for (origin, status) in [(own.as_str(), 200), ("https://evil.example", 403), ("https://localhost", 403)] {
            let request = client.post(https(site.address(), "/-/reload")).header("origin", origin);
            assert_eq!(request.send().await.unwrap().status(), status, "{more} {origin}");
        }
    };
    check("", certificates.client(), Version::HTTP_2).await;
    check("", over(trusting(certificates.roots()), &[b"http/1.1"]), Version::HTTP_11).await;
    check("http_server_config:\n  http2: false\n", certificates.client(), Version::HTTP_11).await;
    check("  max_version: TLS12\n", certificates.client(), Version::HTTP_2).await;
    check("  min_version: TLS13\n  curve_preferences: [CurveP384]\n", certificates.client(), Version::HTTP_2).await;
}

#[tokio::test]
async fn plain_http_is_not_answered_on_a_tls_listener_and_strangers_do_not_trust_it() {
    let certificates = Certificates::new();
    let site = start(Setup { access: tls_only(&certificates), ..Setup::default() }).await;
    assert!(client().get(site.http("/-/healthy")).send().await.is_err());
    assert!(status(&site, Certificates::new().client()).await.is_err());
    assert_eq!(status(&site, certificates.client()).await.unwrap(), 200);
}

#[tokio::test]
async fn client_certificates_decide_who_comes_in() {
    #[derive(Debug)]
    enum Client {
        Without,
        Ours,
        OursOtherName,
        OursByIp,
        Foreign,
    }
    use Client::{Foreign, Ours, OursByIp, OursOtherName, Without};

    async fn check(more: &str, let_in: &[Client], kept_out: &[Client]) {
        let (certificates, strangers) = (Certificates::new(), Certificates::new());
        let site = start(Setup { access: certificates.access(more), ..Setup::default() }).await;
        let client = |kind: &Client| match kind {
            Without => certificates.client(),
            Ours => certificates.client_with(&certificates, &[dns("x.example"), dns("scraper.example")]),
            OursOtherName => certificates.client_with(&certificates, &[dns("other.example")]),
            OursByIp => certificates.client_with(&certificates, &[SanType::IpAddress("10.0.0.9".parse().unwrap())]),
            Foreign => certificates.client_with(&strangers, &[dns("scraper.example")]),
        };
        for kind in let_in {
            let answer = status(&site, client(kind)).await;
            assert!(answer.as_ref().is_ok_and(|status| *status == 200), "{kind:?}: {answer:?}\n{more}");
        }
        for kind in kept_out {
            let answer = status(&site, client(kind)).await;
            assert!(answer.is_err(), "{kind:?}: {answer:?}\n{more}");
        }
    }

    let ca = "  client_ca_file: ca.pem\n  client_auth_type:";
    check("  client_auth_type: NoClientCert\n", &[Without, Ours, Foreign], &[]).await;
    check("  client_auth_type: RequestClientCert\n", &[Without, Ours, Foreign], &[]).await;
    check("  client_auth_type: RequireAnyClientCert\n", &[Ours, Foreign], &[Without]).await;
    check(&format!("{ca} VerifyClientCertIfGiven\n"), &[Without, Ours, OursOtherName], &[Foreign]).await;
    check(&format!("{ca} RequireAndVerifyClientCert\n"), &[Ours, OursOtherName], &[Without, Foreign]).await;
    for version in ["TLS12", "TLS13"] {
        let more = format!(
            "{ca} RequireAndVerifyClientCert\n  client_allowed_sans: [scraper.example, 10.0.0.9]\n  \
            min_version: {version}\n  max_version: {version}\n"
        );
        check(&more, &[Ours, OursByIp], &[Without, OursOtherName, Foreign]).await;
    }
}

#[tokio::test]
async fn a_changed_file_holds_for_the_next_request_and_a_broken_one_for_none() {
    let certificates = Certificates::new();
    let hash = |password| bcrypt::hash(password, 4).unwrap();
    let with_user = |password| format!("basic_auth_users:\n  alice: {}\n", hash(password));
    let mut file = certificates.read(&with_user("first"));
    let site = start(Setup { access: access(file.read().unwrap()), ..Setup::default() }).await;
    // A connection that is kept would end at each change, perhaps in the moment in which the next request is sent.
    let client = certificates.client().pool_max_idle_per_host(0).build().unwrap();
    let url = https(site.address(), "/-/healthy");
    let ask = async |password: &str| {
        client.get(&url).basic_auth("alice", Some(password)).send().await.unwrap().status().as_u16()
    };
    assert_eq!((ask("first").await, ask("second").await), (200, 401));

    certificates.read("nonsense: true\n");
    assert!(file.read_if_changed().unwrap().is_err());
    assert_eq!((ask("first").await, ask("second").await), (200, 401));

    certificates.read(&with_user("second"));
    site.access.send_replace(Arc::new(access(file.read_if_changed().unwrap().unwrap())));
    assert_eq!((ask("first").await, ask("second").await), (401, 200));
    assert!(file.read_if_changed().is_none());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_connection_and_the_old_ones_end() {
    let certificates = Certificates::new();
    let mut file = certificates.read("");
    let site = start(Setup { access: access(file.read().unwrap()), ..Setup::default() }).await;
    let leaf = async || {
        let stream = tokio::net::TcpStream::connect(site.address()).await.unwrap();
        let tls = trusting(certificates.roots());
        let name = "localhost".try_into().unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        (stream.get_ref().1.peer_certificates().unwrap()[0].to_vec(), stream)
    };
    let (before, mut open) = leaf().await;
    assert_eq!(leaf().await.0, before);
    certificates.renew();
    site.access.send_replace(Arc::new(access(file.read_if_changed().unwrap().unwrap())));
    assert_ne!(leaf().await.0, before);
    let mut rest = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut open, &mut rest);
    tokio::time::timeout(Duration::from_secs(10), end).await.expect("the old connection stays").unwrap();
}

#[tokio::test]
async fn the_shipped_example_starts_a_site_that_asks_for_a_login() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/web.yml");
    let config = WebConfigFile::new(&example).read().unwrap();
    let site = start(Setup { access: access(config), ..Setup::default() }).await;
    let mut roots = RootCertStore::empty();
    let pem = fs::read(example.with_file_name("certificates/web.pem")).unwrap();
    let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
    roots.add(certificate).unwrap();
    assert_eq!(status(&site, builder(roots.clone())).await.unwrap(), 401);
    let request = builder(roots).build().unwrap().get(https(site.address(), "/-/healthy"));
    assert_eq!(request.basic_auth("admin", Some("change-me")).send().await.unwrap().status(), 200);
}

/// Without Prometheus' own tool on this host there is nothing to compare with.
#[test]
fn promtool_accepts_the_shipped_example() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/web.yml");
    match Command::new("promtool").args(["check", "web-config"]).arg(example).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}
