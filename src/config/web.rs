//! The web configuration file (`--web.config.file`): TLS, users, headers and rate limit of our own site, in the format of
//! the Prometheus exporter toolkit.
//!
//! Stricter than the toolkit where silence would open a door: verifying clients needs a client CA (there, the system's
//! CAs would do), and TLS keys without a certificate are an error (there, plain HTTP).

mod client;
mod tls;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::decode::{Located, Section, number, text, truth};
use super::reader::Reader;
use super::value::{cut_key, quote};
use super::yaml::KeyPath;
use super::{NamedFile, Problems};

/// A web configuration, checked.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// `None`: plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Names and bcrypt hashes; empty: no login.
    pub users: Vec<(String, String)>,
    /// Set on every response.
    pub headers: HeaderMap,
    pub rate_limit: Option<RateLimit>,
    /// Whether nobody comes in without a certificate of a client CA.
    pub verifies_all_clients: bool,
}

/// At most one request each `interval`, and `burst`, at least 1, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub interval: Duration,
    pub burst: u32,
}

/// A web configuration file that is read again when it, or a file that it names, has other content.
#[derive(Debug)]
pub struct WebConfigFile {
    path: PathBuf,
    seen: Vec<NamedFile>,
}

impl WebConfigFile {
    /// Paths in the file are relative to its directory.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), seen: Vec::new() }
    }

    /// Reads and checks the file and what it names. Blocks on the disk.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the file's order.
    pub fn read(&mut self) -> Result<WebConfig, Problems> {
        let mut reader = Reader::new(&self.path);
        let read = reader.file(&self.path, FILE, config);
        let (config, files) = reader.finish(read);
        self.seen = files;
        config.map(|(config, _)| config)
    }

    /// [`Self::read`], or `None` when every file still has the content that it had then.
    pub fn read_if_changed(&mut self) -> Option<Result<WebConfig, Problems>> {
        (self.seen.is_empty() || self.seen.iter().any(NamedFile::has_changed)).then(|| self.read())
    }

    /// The file itself and those that it named when last read, whether they could be read or not.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.seen.iter().map(|seen| seen.path.as_path())
    }
}

const FILE: &[&str] = &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
const HTTP: &[&str] = &["http2", "headers"];
const RATE_LIMIT: &[&str] = &["interval", "burst"];

fn config(reader: &mut Reader, section: &Section<'_>) -> WebConfig {
    let (http2, headers) =
        reader.section(section, "http_server_config", HTTP, http).unwrap_or((true, HeaderMap::new()));
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    let tls = reader.section(section, "tls_server_config", tls::KEYS, |reader, section| {
        tls::server_config(reader, section, protocols)
    });
    let (tls, verifies_all_clients) =
        tls.flatten().map_or((None, false), |listener| (Some(listener.tls), listener.verifies_all_clients));
    let users = users(reader, section);
    let rate_limit = reader.section(section, "rate_limit", RATE_LIMIT, rate_limit).flatten();
    WebConfig { tls, users, headers, rate_limit, verifies_all_clients }
}

fn users(reader: &mut Reader, section: &Section<'_>) -> Vec<(String, String)> {
    let mut users = Vec::new();
    for entry in reader.entries(section, "basic_auth_users", "user names, each to a bcrypt hash") {
        let (parent, shown) = (section.path_of("basic_auth_users"), cut_key(&entry.key));
        let path = KeyPath::Key(&parent, &shown);
        if entry.key.is_empty() || entry.key.contains(':') {
            reader.report.error(Some(entry.place), path, "a user's name is not empty and has no colon in it");
        }
        let hash = text(&entry.node).unwrap_or_default();
        let parts = bcrypt::HashParts::from_str(hash);
        if !hash.is_ascii() || !parts.is_ok_and(|parts| BCRYPT_COSTS.contains(&parts.get_cost())) {
            // The value may be a password in clear, so it is not repeated.
            let message = "this is not a bcrypt hash; htpasswd -nBC 10 \"\" makes one";
            reader.report.error(Some(entry.node.place), path, message);
        }
        users.push((entry.key.to_string(), hash.to_owned()));
    }
    users
}

/// Whether HTTP/2 is spoken, and the headers that are set.
fn http(reader: &mut Reader, section: &Section<'_>) -> (bool, HeaderMap) {
    let http2 = section.field("http2", &mut reader.report, truth).into_value().unwrap_or(true);
    let headers = reader.section(section, "headers", HEADERS, headers).unwrap_or_default();
    (http2, headers)
}

fn headers(reader: &mut Reader, section: &Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in HEADERS {
        let value = section.field(name, &mut reader.report, |node| {
            let value = text(node)?;
            let valid = match *name {
                "X-Frame-Options" => ["", "deny", "sameorigin"].as_slice(),
                "X-Content-Type-Options" => &["", "nosniff"],
                _ => &[value],
            };
            if !valid.contains(&value) {
                return Err(format!("it can be {}", valid[1..].join(" or ")));
            }
            HeaderValue::from_str(value).map_err(|_| "a header's value is one line of visible characters".to_owned())
        });
        if let (Some(value), Ok(name)) = (value.into_value(), HeaderName::from_str(name))
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
    headers
}

const HEADERS: &[&str] = &[
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
];

fn rate_limit(reader: &mut Reader, section: &Section<'_>) -> Option<RateLimit> {
    let interval = section.field("interval", &mut reader.report, |node| {
        let text = text(node)?;
        duration(text).ok_or_else(|| format!("{} is not a duration; write 500ms, 1s or 1m30s", quote(text)))
    });
    let burst = section.field("burst", &mut reader.report, |node| number(node, 0..=u32::MAX));
    let interval = interval.into_value().filter(|interval| !interval.is_zero())?;
    let place = burst.given().map_or(section.place(), |burst| burst.place);
    match burst.given() {
        Some(Located { value: burst @ 1.., place: _ }) => return Some(RateLimit { interval, burst: *burst }),
        None if !burst.is_absent() => {}
        Some(_) | None => {
            reader.wrong(section, place, "burst", "at least 1, or every request is refused; 20 is usual");
        }
    }
    None
}
/// A duration as Go writes it: numbers, decimals too, each with a unit.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let unit_at = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        let after = &rest[unit_at..];
        let unit_end = after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len());
        let seconds = match &after[..unit_end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &after[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

/// What the algorithm is defined for.
const BCRYPT_COSTS: RangeInclusive<u32> = 4..=31;

#[cfg(test)]
mod tests {
    use std::fs;

    use hyper::header;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// A directory with `web.pem`, `web.key` and a key that belongs to neither.
    fn with_certificates() -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(directory.path().join("web.pem"), cert.pem()).unwrap();
        fs::write(directory.path().join("web.key"), signing_key.serialize_pem()).unwrap();
        fs::write(directory.path().join("other.key"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        fs::write(directory.path().join("empty.pem"), "").unwrap();
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        fs::write(directory.path().join("locked.key"), encrypted).unwrap();
        directory
    }

    fn read(directory: &TempDir, text: &str) -> Result<WebConfig, String> {
        let path = directory.path().join("web.yml");
        fs::write(&path, text).unwrap();
        let read = WebConfigFile::new(path).read();
        read.map_err(|problems| problems.to_string().replace(&format!("{}/", directory.path().display()), ""))
    }

    /// The certificate and key that every block needs, and one more line.
    fn tls(line: &str) -> String {
        format!("tls_server_config:\n  cert_file: web.pem\n  key_file: web.key\n  {line}\n")
    }

    const HASH: &str = "$2y$10$LBRq.sj0SdcKBC0UFY3XvuPJWXxCBbtjNE61cHkL/vDMeFn.45iHe";

    #[test]
    fn nothing_in_the_file_means_plain_http_for_everybody() {
        for text in [
            "",
            "# nothing\n",
            "tls_server_config:\n",
            "tls_server_config: {}\n",
            "basic_auth_users: {}\n",
            "http_server_config: {}\n",
        ] {
            let config = read(&with_certificates(), text).unwrap();
            assert!(config.tls.is_none() && config.users.is_empty() && config.rate_limit.is_none(), "{text:?}");
        }
    }

    #[test]
    fn every_key_of_the_toolkit_is_understood() {
        let directory = with_certificates();
        let text = format!(
            "tls_server_config:
  cert_file: web.pem
  key_file: {}/web.key
  client_ca_file: web.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [scraper.example]
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384, X25519]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: \"\"
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
rate_limit: {{interval: 500ms, burst: 20}}
",
            directory.path().display()
        );
        let config = read(&directory, &text).unwrap();
        let tls = config.tls.unwrap();
        assert_eq!(tls.alpn_protocols, [b"http/1.1".to_vec()]);
        assert!(!tls.ignore_client_order);
        let groups: Vec<_> = tls.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups, [rustls::NamedGroup::secp384r1, rustls::NamedGroup::X25519]);
        let tls12: Vec<_> =
            tls.crypto_provider().cipher_suites.iter().filter(|suite| suite.tls13().is_none()).collect();
        assert_eq!(tls12.len(), 1);
        assert_eq!(config.users, [("alice".to_owned(), HASH.to_owned())]);
        assert_eq!(config.headers.len(), 4);
        assert_eq!(config.headers[header::X_FRAME_OPTIONS], "sameorigin");
        assert_eq!(config.rate_limit, Some(RateLimit { interval: Duration::from_millis(500), burst: 20 }));
    }

    #[test]
    fn certificates_may_stand_in_the_file_itself() {
        let directory = with_certificates();
        let block = |name: &str| {
            let text = fs::read_to_string(directory.path().join(name)).unwrap();
            text.replace("-----BEGIN", "    -----BEGIN").trim_end().replace('\n', "\n    ") + "\n"
        };
        let (cert, key) = (block("web.pem"), block("web.key"));
        let text = format!(
            "tls_server_config:\n  cert: |\n{cert}  key: |\n{key}  client_ca: |\n{cert}  client_auth_type: VerifyClientCertIfGiven\n"
        );
        let config = read(&directory, &text).unwrap();
        assert_eq!(config.tls.unwrap().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
        fn check(text: &str, expected: &str) {
            let problems = read(&with_certificates(), text).unwrap_err();
            assert!(problems.contains(expected), "{text}\n{problems}\n{expected}");
            assert!(problems.starts_with("web.yml:"), "{problems}");
        }
        check(
            "tls_config: {}\n",
            "web.yml:1:1: tls_config: unknown key `tls_config`; known here are tls_server_config",
        );
        check(
            &tls("cert_fil: x"),
            "web.yml:4:3: tls_server_config.cert_fil: unknown key `cert_fil`; did you mean `cert_file`?",
        );
        check(
            "http_server_config:\n  headers:\n    Server: x\n",
            "web.yml:3:5: http_server_config.headers.Server: unknown key `Server`",
        );
        check(
            "basic_auth_users:\n  a: x\n  a: y\n",
            "web.yml:3:3: basic_auth_users.a: duplicate key; it already stands at line 2, column 3",
        );
        check("tls_server_config: [\n", "web.yml:1:20");
        check("tls_server_config: {min_version: TLS13}\n", "the certificate and its key are missing");
        check("tls_server_config: {cert_file: web.pem}\n", "cert_file: its private key is missing: give key_file");
        check("tls_server_config: {key_file: web.key}\n", "key_file: its certificate is missing: give cert_file");
        check(
            "tls_server_config:\n  cert_file: no.pem\n",
            "web.yml:2:14: tls_server_config.cert_file: cannot read `no.pem`: there is no such file",
        );
        check(
            "tls_server_config:\n  cert_file: empty.pem\n",
            "tls_server_config.cert_file: it is neither a PEM nor a DER certificate",
        );
        check(
            "tls_server_config:\n  cert_file: web.pem\n  key_file: web.pem\n",
            "key_file: it holds a certificate and no private key",
        );
        check(
            "tls_server_config:\n  cert_file: web.pem\n  key_file: locked.key\n",
            "key_file: it holds an encrypted key; decrypt it with",
        );
        check(
            "tls_server_config:\n  cert_file: web.pem\n  key_file: other.key\n",
            "key_file: the private key does not belong to the first certificate",
        );
        check(&tls("key: x"), "tls_server_config.key_file: there is key already; keep one of them");
        check(
            &tls("min_version: TLS10"),
            "web.yml:4:16: tls_server_config.min_version: TLS10 is not spoken here; TLS12 or TLS13",
        );
        check(&tls("max_version: TLS11"), "TLS11 is not spoken here");
        check(&tls("min_version: 1.2"), "`1.2` is no TLS version; TLS12 or TLS13");
        check(&tls("min_version: TLS13\n  max_version: TLS12"), "it is above max_version");
        check(
            &tls("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"),
            "web.yml:4:19: tls_server_config.cipher_suites[0]",
        );
        check(&tls("cipher_suites: [x]"), "valid are TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, ");
        check(&tls("max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]"), "do not go together");
        check(
            &tls("curve_preferences: [X25519, CurveP521]"),
            "curve_preferences[1]: unknown or unsupported curve `CurveP521`; valid are CurveP256, CurveP384, X25519",
        );
        check(&tls("client_auth_type: Sometimes"), "unknown type `Sometimes`; one of NoClientCert, ");
        check(&tls("client_auth_type: RequireAndVerifyClientCert"), "needs client_ca_file");
        check(&tls("client_auth_type: VerifyClientCertIfGiven"), "needs client_ca_file");
        check(
            &tls("client_ca_file: web.pem"),
            "client_ca_file: a client CA is given, but client_auth_type asks for no",
        );
        check(&tls("client_allowed_sans: [a]"), "client_allowed_sans: it needs client_auth_type");
        check(&tls("client_allowed_sans: [a]\n  client_auth_type: RequestClientCert"), "it needs client_auth_type");
        check(&tls("client_allowed_sans: []\n  client_auth_type: RequireAnyClientCert"), "the list is empty");
        check("http_server_config:\n  headers:\n    X-Frame-Options: allow\n", "it can be deny or sameorigin");
        check("http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\nb\"\n", "one line of visible");
        check(
            "basic_auth_users:\n  alice: secret\n",
            "web.yml:2:10: basic_auth_users.alice: this is not a bcrypt hash",
        );
        check(&format!("basic_auth_users:\n  alice: {}\n", HASH.replace("$10$", "$03$")), "this is not a bcrypt hash");
        check(&format!("basic_auth_users:\n  \"a:b\": {HASH}\n"), "has no colon in it");
        check("rate_limit: {interval: 1 second, burst: 1}\n", "rate_limit.interval: `1 second` is not a duration");
        check("rate_limit: {interval: 1s}\n", "rate_limit.burst: at least 1");
        check(
            "rate_limit: {interval: 1s, burst: -1}\n",
            "web.yml:1:35: rate_limit.burst: expected a whole number from 0",
        );
        check("rate_limit: {interval: 1s, burst: 0}\n", "web.yml:1:35: rate_limit.burst: at least 1");
    }

    #[test]
    fn no_secret_is_repeated_in_a_problem() {
        let broken = "-----BEGIN PRIVATE KEY-----\n    s3cr3t!!\n    -----END PRIVATE KEY-----\n";
        for key in ["s3cr3t\n", &format!("|\n    {broken}"), "|\n    -----BEGIN PRIVATE KEY-----\n    s3cr3t\n"] {
            let text = format!("basic_auth_users:\n  alice: hunter2\ntls_server_config:\n  cert: s3cr3t\n  key: {key}");
            let problems = read(&with_certificates(), &text).unwrap_err();
            assert_eq!(problems.lines().count(), 3, "every problem at once: {problems}");
            assert!(!problems.contains("hunter2") && !problems.contains("s3cr3t"), "{problems}");
        }
    }

    #[test]
    fn a_missing_file_is_a_problem_without_a_place() {
        let problems = WebConfigFile::new("/nowhere/web.yml").read().unwrap_err();
        assert!(problems.to_string().starts_with("/nowhere/web.yml: cannot read the configuration: "), "{problems}");
    }

    #[test]
    fn a_change_of_any_file_that_counts_is_seen_once() {
        let directory = with_certificates();
        let path = directory.path().join("web.yml");
        fs::write(&path, tls("")).unwrap();
        let mut file = WebConfigFile::new(&path);
        file.read().unwrap();
        assert_eq!(file.files().count(), 3);
        assert!(file.read_if_changed().is_none());

        fs::copy(directory.path().join("other.key"), directory.path().join("web.key")).unwrap();
        assert!(file.read_if_changed().unwrap().is_err(), "certificate and key no longer match");
        assert!(file.read_if_changed().is_none(), "the same fault is told once");

        let other = with_certificates();
        for name in ["web.pem", "web.key"] {
            fs::copy(other.path().join(name), directory.path().join(name)).unwrap();
        }
        file.read_if_changed().unwrap().unwrap();

        fs::remove_file(&path).unwrap();
        assert!(file.read_if_changed().unwrap().is_err());
        assert!(file.read_if_changed().is_none());
        fs::write(&path, "").unwrap();
        assert!(file.read_if_changed().unwrap().unwrap().tls.is_none());
        assert_eq!(file.files().count(), 1);
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        fn check(text: &str, milliseconds: Option<u64>) {
            assert_eq!(duration(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
        check("0", Some(0));
        check("0s", Some(0));
        check("500ms", Some(500));
        check("1s", Some(1000));
        check("1.5s", Some(1500));
        check("1m30s", Some(90_000));
        check("2h", Some(7_200_000));
        check("1000us", Some(1));
        check("", None);
        check("20", None);
        check("s", None);
        check("1d", None);
        check("-1s", None);
        check("1 s", None);
        check("1..5s", None);
        check("99999999999999999999h", None);
    }
}
