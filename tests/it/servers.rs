//! Servers as Debian has them, each set up in a way that people report, and what is made of their answers: nginx, Apache and
//! `HAProxy`.

mod behind;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use backend_health_exporter::lab::tls::{Credential, Profile};
use backend_health_exporter::probe::{ClientCertificate, ProbeSpec};
use backend_health_exporter::verdict::{Cause, Side};

use crate::faults::{HOST, Probe, Secure, judged, prober, told};

/// A server's process, with its files.
struct Server {
    process: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Server {
    /// Starts `program` with what `configuration` makes of a directory, which has the files of [`Certificates`], and a port.
    fn start(certificates: &Certificates, program: &[&str], configuration: impl Fn(&Path, u16) -> String) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let directory = TempDir::new().expect("a directory");
        let path = directory.path();
        certificates.write(path);
        let file = path.join("server.conf");
        fs::write(&file, configuration(path, port)).expect("a file");
        let process = Command::new(program[0])
            .args(&program[1..])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(fs::File::create(path.join("out.log")).expect("a file"))
            .stderr(fs::File::create(path.join("err.log")).expect("a file"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} is to be installed: {error}", program[0]));
        let mut server = Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)), directory };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(server.address).is_err() {
            let ended = server.process.try_wait().expect("a process");
            assert!(ended.is_none() && Instant::now() < deadline, "{program:?} does not listen\n{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn nginx(certificates: &Certificates, server: &str) -> Self {
        Self::start(certificates, &["nginx", "-e", "stderr", "-c"], |path, port| {
            let path = path.display();
            format!(
                "daemon off; master_process off; pid {path}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
                 client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; \
                 scgi_temp_path {path}/s;\nssl_certificate {path}/server.pem; ssl_certificate_key {path}/server.key;\n\
                 ssl_client_certificate {path}/clients.pem;\nserver {{ listen 127.0.0.1:{port} {server} }}\n}}\n"
            )
        })
    }

    fn apache(certificates: &Certificates, more: &str) -> Self {
        Self::start(certificates, &["apache2", "-DFOREGROUND", "-f"], |path, port| {
            let path = path.display();
            let modules = "/usr/lib/apache2/modules";
            format!(
                "ServerRoot {path}\nPidFile {path}/pid\nServerName {HOST}\nErrorLog {path}/error.log\nMutex file:{path} default\n\
                 LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
                 LoadModule authz_core_module {modules}/mod_authz_core.so\n\
                 LoadModule ssl_module {modules}/mod_ssl.so\n\
                 LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so\n\
                 DocumentRoot {path}/www\n<Directory />\nRequire all granted\n</Directory>\n\
                 Listen 127.0.0.1:{port}\nSSLEngine on\nSSLCertificateFile {path}/server.pem\n\
                 SSLCertificateKeyFile {path}/server.key\nSSLCACertificateFile {path}/clients.pem\n{more}\n"
            )
        })
    }

    fn haproxy(certificates: &Certificates, bind: &str, more: &str) -> Self {
        Self::start(certificates, &["haproxy", "-db", "-f"], |path, port| {
            let bind = bind.replace("CRT", &format!("crt {}/both.pem", path.display()));
            let bind = bind.replace("CLIENTS", &format!("ca-file {}/clients.pem", path.display()));
            format!(
                "defaults\nmode http\ntimeout client 20s\ntimeout connect 5s\ntimeout server 5s\nfrontend f\n\
                 bind 127.0.0.1:{port} {bind}\n{more}\nhttp-request return status 200 content-type text/plain string ready\n"
            )
        })
    }

    fn log(&self) -> String {
        let files = ["out.log", "err.log", "error.log"];
        files.iter().filter_map(|file| fs::read_to_string(self.directory.path().join(file)).ok()).collect()
    }

    /// What a probe comes to: the cause with its side and a fragment of its detail, or that all is well.
    async fn check(&self, what: &str, probe: &Probe, expected: Option<(Cause, Side, &str)>) {
        let spec: ProbeSpec = probe.of(self.address);
        let (_, verdict) = judged(&prober(), &spec).await;
        let found = verdict.cause.as_ref();
        let sees = (found.map(|finding| (finding.code, finding.side())), expected.map(|(code, side, _)| (code, side)));
        assert_eq!(sees.0, sees.1, "{what}: {:?}\n{}", told(&verdict), self.log());
        if let (Some(finding), Some((_, _, words))) = (found, expected) {
            assert!(finding.detail.contains(words), "{what}: {:?}, without {words:?}", told(&verdict));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Certificates {
    secure: Secure,
    server: Credential,
    /// Of the CA that the servers accept, and of another one.
    ours: Arc<ClientCertificate>,
    strangers: Arc<ClientCertificate>,
}

impl Certificates {
    fn new() -> Self {
        let secure = Secure::new();
        let server = secure.pki.root.issue(&Profile::server(HOST)).expect("a certificate");
        let of = |issuer: &Credential| {
            let ours = issuer.issue(&Profile::client("us")).expect("a certificate");
            Arc::new(ClientCertificate::new(vec![ours.der()], ours.key_der()).expect("a usable pair"))
        };
        let (ours, strangers) = (of(&secure.pki.root), of(&secure.pki.strange_root));
        Self { secure, server, ours, strangers }
    }

    fn write(&self, directory: &Path) {
        let write = |name: &str, text: String| fs::write(directory.join(name), text).expect("a file");
        write("server.pem", self.server.pem());
        write("server.key", self.server.key_pem());
        write("both.pem", self.server.pem() + &self.server.key_pem());
        write("clients.pem", self.secure.pki.root.pem());
        fs::create_dir(directory.join("www")).expect("a directory");
        write("www/healthz", "ready\n".to_owned());
    }

    fn https(&self) -> Probe {
        Probe::https(&self.secure.trust)
    }
}

const REQUIRED: (Cause, Side) = (Cause::TlsClientCertificateRequired, Side::Gateway);
const REJECTED: (Cause, Side) = (Cause::TlsClientCertificateRejected, Side::Gateway);

#[allow(clippy::unnecessary_wraps)] // Reads as what is expected.
fn is((cause, side): (Cause, Side), words: &str) -> Option<(Cause, Side, &str)> {
    Some((cause, side, words))
}

#[tokio::test]
async fn nginx_wants_a_client_certificate_over_http() {
    let certificates = Certificates::new();
    let https = || certificates.https();
    let serves = "return 200 ready;";
    for versions in ["TLSv1.2", "TLSv1.3"] {
        let on =
            Server::nginx(&certificates, &format!("ssl; ssl_protocols {versions}; ssl_verify_client on; {serves}"));
        on.check("none", &https(), is(REQUIRED, "got none, and answered 400")).await;
        on.check("a stranger's", &https().showing(&certificates.strangers), is(REJECTED, "got ours, and answered 400"))
            .await;
        on.check("ours", &https().showing(&certificates.ours), None).await;
        on.check("protocol tls", &Probe::tls(&certificates.secure.trust), None).await;
        let plain = (Cause::HttpToTlsPort, Side::Gateway);
        on.check("plain HTTP", &Probe::http(), is(plain, "the port is for TLS, not for plain HTTP")).await;
    }
    let own = "ssl; ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) { return 403; } return 200 ready;";
    let own = Server::nginx(&certificates, own);
    own.check("none", &https(), is(REQUIRED, "got none, and answered 403")).await;
    own.check("a stranger's", &https().showing(&certificates.strangers), is(REJECTED, "answered 400")).await;
    own.check("ours", &https().showing(&certificates.ours), None).await;
    let codes = "ssl; ssl_verify_client on; error_page 495 =495 /e; error_page 496 =496 /e; location = /e { return 200 no; } \
                 location / { return 200 ready; }";
    let codes = Server::nginx(&certificates, codes);
    codes.check("none, 496", &https(), is(REQUIRED, "got none, and answered 496")).await;
    codes.check("a stranger's, 495", &https().showing(&certificates.strangers), is(REJECTED, "answered 495")).await;
    // Nobody asked for a certificate: it is a status like any other.
    let forbids = Server::nginx(&certificates, "ssl; return 403;");
    let status = (Cause::HttpStatusMismatch, Side::Server);
    forbids.check("not asked for", &https().showing(&certificates.ours), is(status, "received 403")).await;
}

#[tokio::test]
async fn nginx_speaks_http2_only() {
    let certificates = Certificates::new();
    let other = (Cause::HttpVersionMismatch, Side::Gateway);
    let plain = Server::nginx(&certificates, "http2; return 200 ready;");
    plain.check("without TLS", &Probe::http(), is(other, "a frame of HTTP/2 (SETTINGS)")).await;
    let secure = Server::nginx(&certificates, "ssl http2; return 200 ready;");
    secure.check("ALPN", &certificates.https(), None).await;
}

#[tokio::test]
async fn apache_wants_a_client_certificate_for_a_path() {
    let certificates = Certificates::new();
    let https = || certificates.https();
    let path = "<Location />\nSSLVerifyClient require\n</Location>";
    let old = Server::apache(&certificates, &format!("SSLProtocol TLSv1.2\n{path}"));
    old.check("none", &https(), is(REQUIRED, "the server asked to renegotiate TLS")).await;
    old.check("ours, which it cannot get", &https().showing(&certificates.ours), is(REQUIRED, "asked to renegotiate"))
        .await;
    let new = Server::apache(&certificates, &format!("SSLProtocol TLSv1.3\n{path}"));
    new.check("none", &https(), is(REQUIRED, "answered 403")).await;
    new.check("ours, which it cannot get", &https().showing(&certificates.ours), is(REQUIRED, "answered 403")).await;
    let plain = (Cause::HttpToTlsPort, Side::Gateway);
    new.check("plain HTTP", &Probe::http(), is(plain, "the port is for TLS")).await;
    for versions in ["TLSv1.2", "TLSv1.3"] {
        let whole = Server::apache(&certificates, &format!("SSLProtocol {versions}\nSSLVerifyClient require"));
        whole.check("none", &https(), is(REQUIRED, "the alert")).await;
        whole.check("a stranger's", &https().showing(&certificates.strangers), is(REJECTED, "the alert")).await;
        whole.check("ours", &https().showing(&certificates.ours), None).await;
    }
}

#[tokio::test]
async fn haproxy_wants_a_client_certificate_and_says_nothing_of_http2() {
    let certificates = Certificates::new();
    let https = || certificates.https();
    let required = Server::haproxy(&certificates, "ssl CRT CLIENTS verify required", "");
    required.check("none", &https(), is(REQUIRED, "certificate_required (116)")).await;
    required.check("a stranger's", &https().showing(&certificates.strangers), is(REJECTED, "unknown_ca (48)")).await;
    required.check("ours", &https().showing(&certificates.ours), None).await;
    let optional = Server::haproxy(
        &certificates,
        "ssl CRT CLIENTS verify optional crt-ignore-err all ca-ignore-err all",
        "http-request deny deny_status 403 unless { ssl_c_used } { ssl_c_verify 0 }",
    );
    optional.check("none", &https(), is(REQUIRED, "got none, and answered 403")).await;
    optional
        .check("a stranger's", &https().showing(&certificates.strangers), is(REJECTED, "got ours, and answered 403"))
        .await;
    optional.check("ours", &https().showing(&certificates.ours), None).await;
    // It says nothing to who does not greet it in HTTP/2, and neither do we guess.
    let closed = (Cause::TcpReset, Side::Server);
    let plain = Server::haproxy(&certificates, "proto h2", "");
    plain.check("HTTP/2 only", &Probe::http(), is(closed, "closed the connection without a response")).await;
}
