//! The file of `--http.config.file`: Prometheus' `http_config`, and what is said about a wrong one.

use std::fs;

use backend_health_exporter::config::http::HttpConfig;
use backend_health_exporter::lab::tls::{Credential, Profile};
use rustls::pki_types::ServerName;
use tempfile::TempDir;

/// A directory with a CA, a client's certificate with its key, a key that belongs to neither, and secrets in files.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = Credential::self_signed(&Profile::authority("Our Root")).unwrap();
    let client = root.issue(&Profile::client("on call")).unwrap();
    let other = Credential::self_signed(&Profile::client("other")).unwrap();
    for (name, content) in [
        ("ca.pem", root.pem()),
        ("client.pem", client.pem()),
        ("client.key", client.key_pem()),
        ("other.key", other.key_pem()),
        ("token", " s3cr3t\n".to_owned()),
        ("name", "alice\n".to_owned()),
        ("two-lines", "a\nb".to_owned()),
    ] {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn read(directory: &TempDir, text: &str) -> Result<HttpConfig, String> {
    let path = directory.path().join("http.yml");
    fs::write(&path, text).unwrap();
    HttpConfig::read(&path)
        .map_err(|problems| problems.to_string().replace(&format!("{}/", directory.path().display()), ""))
}

#[test]
fn nothing_in_the_file_means_no_login_and_the_usual_trust() {
    for text in ["", "# nothing\n", "basic_auth:\n", "tls_config: {}\n"] {
        let config = read(&directory(), text).unwrap();
        assert!(config.headers.is_empty() && config.server_name.is_none(), "{text:?}");
        assert!(config.tls.enable_sni && config.proxy.is_none(), "{text:?}");
        assert_eq!(config.tls.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}

#[test]
fn every_way_to_log_in_ends_in_one_header() {
    fn check(text: &str, expected: &str) {
        let config = read(&directory(), text).unwrap();
        assert_eq!(config.headers["authorization"], expected, "{text}");
        assert!(config.headers["authorization"].is_sensitive(), "{text}");
    }
    check("basic_auth: {username: alice, password: s3cr3t}\n", "Basic YWxpY2U6czNjcjN0");
    check("basic_auth: {username_file: name, password_file: token}\n", "Basic YWxpY2U6czNjcjN0");
    check("basic_auth: {username: alice}\n", "Basic YWxpY2U6");
    check("authorization: {credentials: s3cr3t}\n", "Bearer s3cr3t");
    check("authorization: {type: Token, credentials_file: token}\n", "Token s3cr3t");
    check("authorization: {credentials: '', credentials_file: token}\n", "Bearer s3cr3t");
}

#[test]
fn what_else_prometheus_knows_is_understood() {
    let directory = directory();
    let text = format!(
        "tls_config:
  ca_file: ca.pem
  cert_file: {}/client.pem
  key_file: client.key
  server_name: exporter.example.com
  min_version: TLS12
  max_version: TLS12
http_headers:
  X-Scope-OrgID: {{values: [a, b]}}
  X-Token: {{files: [token], secrets: [x]}}
",
        directory.path().display()
    );
    let config = read(&directory, &text).unwrap();
    assert_eq!(config.server_name, Some(ServerName::try_from("exporter.example.com").unwrap()));
    assert!(config.tls.client_auth_cert_resolver.has_certs());
    let values = |name: &str| -> Vec<String> {
        config.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (values("x-scope-orgid"), values("x-token")),
        (vec!["a".to_owned(), "b".to_owned()], vec!["x".to_owned(), "s3cr3t".to_owned()])
    );

    let config = read(&directory, "proxy_url: http://p:3128\n").unwrap();
    assert_eq!(config.proxy.as_deref(), Some("http://p:3128"));

    let block = |name: &str| {
        let text = fs::read_to_string(directory.path().join(name)).unwrap();
        text.replace("-----BEGIN", "    -----BEGIN").trim_end().replace('\n', "\n    ") + "\n"
    };
    let (ca, cert, key) = (block("ca.pem"), block("client.pem"), block("client.key"));
    let config = read(&directory, &format!("tls_config:\n  ca: |\n{ca}  cert: |\n{cert}  key: |\n{key}")).unwrap();
    assert!(config.tls.client_auth_cert_resolver.has_certs());
    let config = read(&directory, "tls_config: {server_name: 10.0.0.1, min_version: TLS10}\n").unwrap();
    assert!(!config.tls.enable_sni, "an address is never sent");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
    fn check(text: &str, expected: &str) {
        let problems = read(&directory(), text).unwrap_err();
        assert!(problems.contains(expected), "{text}\n{problems}\n{expected}");
        assert!(problems.starts_with("http.yml:"), "{problems}");
    }
    check("basic_aut: {}\n", "http.yml:1:1: basic_aut: unknown key `basic_aut`; did you mean `basic_auth`?");
    check(
        "tls_config:\n  cafile: x\n",
        "http.yml:2:3: tls_config.cafile: unknown key `cafile`; did you mean `ca_file`?",
    );
    check("- a\n", "expected a mapping with the keys basic_auth, ");
    check("basic_auth: {username: a, password: b, password_file: token}\n", "password_file: there is password already");
    check(
        "basic_auth: {password_file: missing}\n",
        "http.yml:1:29: basic_auth.password_file: cannot read `missing`: there is no such file",
    );
    check("basic_auth: {username_ref: x}\n", "unknown key `username_ref`; did you mean `username");
    check("basic_auth: {username: 'a:b'}\n", "basic_auth.username: a user's name has no colon");
    check("basic_auth: alice\n", "basic_auth: expected a mapping with the keys username");
    check(
        "basic_auth: {}\nauthorization: {credentials: x}\n",
        "http.yml:2:16: authorization: there is basic_auth already; keep one of them",
    );
    check("authorization: {}\n", "authorization.credentials: missing: give credentials or credentials_file");
    check("authorization: {type: basic, credentials: x}\n", "given by basic_auth");
    check("authorization: {credentials_file: two-lines}\n", "authorization: it cannot be sent in a header");
    for key in ["oauth2", "bearer_token", "no_proxy", "follow_redirects", "enable_http2", "proxy_from_environment"] {
        check(&format!("{key}: x\n"), &format!("http.yml:1:1: {key}: unknown key `{key}`; "));
    }
    check("proxy_url: nonsense\n", "proxy_url: expected a URL such as http://");
    check("http_headers: [a]\n", "http_headers: expected a mapping of header names");
    check("http_headers: {Authorization: {values: [x]}}\n", "http_headers.Authorization: this header is not set here");
    check("http_headers: {'a b': {values: [x]}}\n", "this is no name of a header");
    check("http_headers: {A: {files: [missing]}}\n", "http_headers.A.files[0]: cannot read `missing`");
    check("http_headers: {A: {secrets: [\"a\\nb\"]}}\n", "http_headers.A.secrets[0]: a header has one line");
    check("tls_config: {ca_file: missing.pem}\n", "http.yml:1:23: tls_config.ca_file: cannot read `missing.pem`");
    check("tls_config: {ca_file: client.key}\n", "tls_config.ca_file: it holds a private key and no certificate");
    check("tls_config: {ca: x, ca_file: ca.pem}\n", "tls_config.ca_file: there is ca already");
    check("tls_config: {cert_file: client.pem}\n", "tls_config.cert_file: its private key is missing");
    check("tls_config: {key_file: client.key}\n", "tls_config.key_file: its certificate is missing");
    check("tls_config: {cert_file: client.pem, key_file: other.key}\n", "does not belong to the first certificate");
    check(
        "tls_config: {server_name: 'a b'}\n",
        "tls_config.server_name: `a b` is neither a host name nor an IP address",
    );
    check("tls_config: {max_version: TLS11}\n", "tls_config.max_version: TLS11 is not spoken here; TLS12 or TLS13");
    check("tls_config: {min_version: '1.2'}\n", "tls_config.min_version: `1.2` is no TLS version");
    check("tls_config: {min_version: TLS13, max_version: TLS12}\n", "tls_config.min_version: it is above max_version");
    check("proxy_url: http://p\ntls_config: {server_name: a}\n", "leave server_name or the proxy out");
}

#[test]
fn every_problem_is_told_at_once_and_none_tells_a_secret() {
    let text = "basic_auth: {username: \"s3cr3t:\\n\", password_file: token, password: s3cr3t}\n\
                tls_config: {key: s3cr3t, cert: s3cr3t}\n\
                proxy_url: 'ftp://a:s3cr3t@h'\n\
                http_headers: {A: {secrets: [\"s3cr3t\\n\"]}}\n";
    let problems = read(&directory(), text).unwrap_err();
    assert!(problems.lines().count() >= 5, "{problems}");
    assert!(!problems.contains("s3cr3t"), "{problems}");

    let config = read(&directory(), "basic_auth: {username: a, password: s3cr3t}\n").unwrap();
    assert!(!format!("{config:?}").contains("czNjcjN0"), "nor does what it came to");
}

#[test]
fn a_missing_file_is_said_to_be_so() {
    let problems = HttpConfig::read("/nowhere/http.yml".as_ref()).unwrap_err().to_string();
    assert!(problems.starts_with("/nowhere/http.yml: cannot read the configuration: "), "{problems}");
}
