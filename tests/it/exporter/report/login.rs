//! Logins and TLS of `--http.config.file`, against an exporter with its own `--web.config.file`, and against what goes
//! wrong.

use backend_health_exporter::lab::tls::{
    Chain, Credential, Identity, Pki, Profile, ServerTls, Terms, Validity, Versions,
};
use backend_health_exporter::lab::{Backend, Service, http};

use super::{Servers, code, remote, report, text};

#[tokio::test]
async fn a_client_certificate_and_a_login_open_a_guarded_exporter() {
    let servers = Servers::start().await;
    let root = Credential::self_signed(&Profile::authority("Our Root")).unwrap();
    let leaf = root.issue(&Profile::server("127.0.0.1")).unwrap();
    let client = root.issue(&Profile::client("on call")).unwrap();
    let stranger = Credential::self_signed(&Profile::authority("Their Root")).unwrap();
    let stranger = stranger.issue(&Profile::client("stranger")).unwrap();
    for (name, content) in [
        ("root.pem", root.pem()),
        ("site.pem", leaf.pem()),
        ("site.key", leaf.key_pem()),
        ("client.pem", client.pem()),
        ("client.key", client.key_pem()),
        ("stranger.pem", stranger.pem()),
        ("stranger.key", stranger.key_pem()),
        ("password", "correct horse\n".to_owned()),
    ] {
        servers.config.write_beside(name, content);
    }
    let hash = bcrypt::hash("correct horse", 4).unwrap();
    let web = format!(
        "tls_server_config:\n  cert_file: site.pem\n  key_file: site.key\n  client_ca_file: root.pem\n  \
         client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users: {{oncall: '{hash}'}}\n"
    );
    let web = servers.config.write_beside("web.yml", web);
    let exporter = servers.exporter(&["--web.config.file", text(&web)]).await;
    let url = format!("https://{}", exporter.address);
    let login = "basic_auth: {username: oncall, password_file: password}\n";
    let tls = "tls_config: {ca_file: root.pem, cert_file: client.pem, key_file: client.key}\n";
    let strange = "tls_config: {ca_file: root.pem, cert_file: stranger.pem, key_file: stranger.key}\n";
    // The file, and words of the answer; none: it works.
    let cases = [
        (format!("{login}{tls}"), None),
        (format!("{login}{tls}").replace("ca_file: root.pem", "insecure_skip_verify: true"), None),
        (format!("{login}{tls}").replace("ca_file: root.pem", "ca_file: root.pem, server_name: 127.0.0.1"), None),
        (tls.to_owned(), Some("401 Unauthorized: it wants a login: basic_auth")),
        (
            format!("basic_auth: {{username: oncall, password: x}}\n{tls}"),
            Some("the login in --http.config.file is refused"),
        ),
        (format!("authorization: {{credentials: x}}\n{tls}"), Some("the login in --http.config.file is refused")),
        (
            format!("{login}tls_config: {{ca_file: root.pem}}\n"),
            Some("another client certificate? tls_config.cert_file"),
        ),
        (format!("{login}{strange}"), Some("another client certificate? tls_config.cert_file")),
        (format!("{login}{tls}").replace("ca_file: root.pem", "ca_file: stranger.pem"), Some("tls_config.ca_file")),
        (login.to_owned(), Some("tls_config.ca_file")),
    ];
    for (content, expected) in cases {
        let file = servers.config.write_beside("http.yml", &content);
        // At once: before the first probes have ended all rows are Unknown.
        let ended = report(&["--url", &url, "--http.config.file", text(&file), "--output", "json"]).await;
        match expected {
            None => assert!(matches!(code(&ended), Some(1 | 3)) && ended.stderr.is_empty(), "{content}: {ended:?}"),
            Some(words) => {
                assert_eq!(code(&ended), Some(2), "{content}: {ended:?}");
                assert!(ended.stderr.contains(words), "{content}: {}", ended.stderr);
            }
        }
        assert!(!ended.stderr.contains("horse"), "{}", ended.stderr);
    }
}

/// What stands in for an exporter with this certificate.
fn secure(tls: &ServerTls) -> Backend {
    let answer = http::answer(http::response(200, &[], remote::json()));
    Backend::start([127, 0, 0, 1].into(), Service::tls(tls, answer)).unwrap()
}

#[tokio::test]
async fn the_name_in_the_file_is_asked_for_and_checked() {
    let pki = Pki::new().unwrap();
    let backend = secure(&ServerTls::new(&pki.identity(Chain::Good, "exporter.lab.test").unwrap()).unwrap());
    let root = super::ConfigFile::new("");
    root.write_beside("root.pem", pki.root.pem());
    let address = backend.address().to_string();
    let ask = async |more: &str| {
        let file = root.write_beside("http.yml", format!("tls_config: {{ca_file: root.pem{more}}}\n"));
        report(&["--url", &format!("https://{address}/some"), "--http.config.file", text(&file)]).await
    };
    let named = ask(", server_name: exporter.lab.test").await;
    assert_eq!(code(&named), Some(1), "{named:?}");
    let sni: Vec<_> = backend.handshakes().iter().filter_map(|handshake| handshake.server_name.clone()).collect();
    assert_eq!(sni, ["exporter.lab.test"]);
    let request = String::from_utf8(backend.requests().pop().unwrap()).unwrap().to_lowercase();
    assert!(request.starts_with("get /some/api/v1/backendhealth http/1.1\r\n"), "{request}");
    assert_eq!(request.matches("host: ").count(), 1, "{request}");
    assert!(request.contains(&format!("\r\nhost: {address}\r\n")), "the request is for the URL's host: {request}");

    for (more, words) in [
        ("", "tls_config.server_name in the file of --http.config.file says which name is right"),
        (", server_name: other.lab.test", "tls_config.server_name"),
        (", server_name: 127.0.0.2", "tls_config.server_name"),
    ] {
        let ended = ask(more).await;
        assert_eq!(code(&ended), Some(2), "{more}: {ended:?}");
        assert!(ended.stderr.contains(words), "{more}: {}", ended.stderr);
    }
    assert_eq!(code(&ask(", insecure_skip_verify: true").await), Some(1));
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_the_file_names_it() {
    let profile =
        Profile { hosts: vec!["127.0.0.1".to_owned()], ..Profile::authority("as openssl req -x509 makes it") };
    let own = Credential::self_signed(&profile).unwrap();
    let expired = Credential::self_signed(&Profile { validity: Validity::days(-9, -1), ..profile }).unwrap();
    let other = Credential::self_signed(&Profile::authority("other")).unwrap();
    let files = super::ConfigFile::new("");
    for (shown, trusted, expected) in [
        (&own, &own, Ok(1)),
        (&own, &other, Err("tls_config.ca_file")),
        (&expired, &expired, Err("its certificate has expired")),
    ] {
        let backend = secure(&ServerTls::new(&Identity::new(shown, &[])).unwrap());
        files.write_beside("ca.pem", trusted.pem());
        let file = files.write_beside("http.yml", "tls_config: {ca_file: ca.pem}\n");
        let url = format!("https://{}", backend.address());
        let ended = report(&["--url", &url, "--http.config.file", text(&file)]).await;
        match expected {
            Ok(expected) => assert_eq!(code(&ended), Some(expected), "{ended:?}"),
            Err(words) => {
                assert_eq!(code(&ended), Some(2), "{ended:?}");
                assert!(ended.stderr.contains(words), "{}", ended.stderr);
            }
        }
    }
}

#[tokio::test]
async fn the_versions_of_the_file_are_the_only_ones_that_are_spoken() {
    let pki = Pki::new().unwrap();
    let identity = pki.identity(Chain::Good, "127.0.0.1").unwrap();
    let terms = Terms { versions: Versions::Tls12, ..Terms::default() };
    let backend = secure(&ServerTls::with(&identity, terms).unwrap());
    let files = super::ConfigFile::new("");
    files.write_beside("root.pem", pki.root.pem());
    for (version, expected) in [("max_version: TLS12", 1), ("min_version: TLS11", 1), ("min_version: TLS13", 2)] {
        let file = files.write_beside("http.yml", format!("tls_config: {{ca_file: root.pem, {version}}}\n"));
        let url = format!("https://{}", backend.address());
        let ended = report(&["--url", &url, "--http.config.file", text(&file)]).await;
        assert_eq!(code(&ended), Some(expected), "{version}: {ended:?}");
    }
}

#[tokio::test]
async fn headers_and_a_proxy_of_the_file_are_used() {
    let proxy = Backend::start([127, 0, 0, 1].into(), http::answer(http::response(200, &[], remote::json()))).unwrap();
    let files = super::ConfigFile::new(&format!(
        "proxy_url: http://{}\nhttp_headers: {{X-Scope-OrgID: {{values: [team]}}}}\nauthorization: {{credentials: tok}}\n",
        proxy.address()
    ));
    let ended = report(&["--url", "http://exporter.lab.test:19115", "--http.config.file", text(&files.path)]).await;
    assert_eq!(code(&ended), Some(1), "{ended:?}");
    let request = String::from_utf8(proxy.requests().pop().unwrap()).unwrap().to_lowercase();
    for words in [
        "get http://exporter.lab.test:19115/api/v1/backendhealth http/1.1\r\n",
        "\r\nx-scope-orgid: team\r\n",
        "\r\nauthorization: bearer tok\r\n",
    ] {
        assert!(request.contains(words), "{words}: {request}");
    }
}
