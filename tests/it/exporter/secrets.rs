//! Secrets stay secret however their files are damaged: no message holds a piece of them, in no notation.

use std::fmt::Write as _;
use std::process::Command;

use backend_health_exporter::app;
use backend_health_exporter::config::http::HttpConfig;
use backend_health_exporter::config::web::WebConfigFile;
use backend_health_exporter::lab::tls::{Pki, Profile};

use super::process::Process;
use super::{BINARY, ConfigFile, DEADLINE, text};

/// A password in clear, and a hash as it should be.
const PASSWORD: &str = "hunter2-Zq8LtWm4";

const HASH: &str = "$2y$10$LBRq.sj0SdcKBC0UFY3XvuPJWXxCBbtjNE61cHkL/vDMeFn.45iHe";

/// What can happen to a key on its way into a file.
fn damaged(key: &str) -> Vec<(&'static str, Vec<u8>)> {
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let lines: Vec<&str> = key.lines().collect();
    let (begin, end) = (lines[0], lines[lines.len() - 1]);
    let texts = [
        ("one line", key.replace('\n', "")),
        ("literal line ends", key.replace('\n', "\\n")),
        ("blanks for line ends", key.replace('\n', " ")),
        ("tabs for line ends", key.replace('\n', "\t")),
        ("quoted", format!("\"{}\"", key.replace('\n', "\\n"))),
        ("cut in the middle", key[..key.len() / 2].to_owned()),
        ("without its end", key.replace(end, "")),
        ("without its beginning", key.replace(begin, "")),
        ("nothing but the base64", body.clone()),
        ("the base64 in one line", format!("{begin}\n{body}\n{end}\n")),
        ("an end of another kind", key.replace(end, "-----END CERTIFICATE-----")),
        ("a label of another kind", key.replace("PRIVATE KEY", "CERTIFICATE")),
        ("an unknown label", key.replace("PRIVATE KEY", "SECRET")),
        ("a character that is no base64", key.replacen(&body[10..11], "!", 1)),
        ("a character that is not ASCII", key.replacen(&body[10..11], "ü", 1)),
        ("a NUL", key.replacen(&body[10..11], "\0", 1)),
        ("indented", key.replace('\n', "\n    ")),
        ("blanks at the ends of lines", key.replace('\n', "  \n")),
        ("carriage returns alone", key.replace('\n', "\r")),
        ("dashes lost", key.replace("-----", "----")),
        ("twice", format!("{key}{key}")),
        ("lines the other way round", lines.iter().rev().fold(String::new(), |text, line| text + line + "\n")),
        ("encoded once more", format!("{begin}\n{body}{body}=\n{end}\n")),
    ];
    let utf16 = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    texts.map(|(how, text)| (how, text.into_bytes())).into_iter().chain([("UTF-16", utf16)]).collect()
}

/// Asserts that no piece of the secret is in what was said: as it is, as numbers, or in hexadecimal.
fn assert_untold(said: &str, secret: &str, how: &str) {
    let squeezed: String = said.chars().filter(|char| !char.is_whitespace() && *char != '\u{fffd}').collect();
    let bytes: Vec<u8> = secret.lines().filter(|line| !line.starts_with("-----")).flat_map(str::bytes).collect();
    for piece in bytes.windows(8) {
        let decimal = piece.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let hex = piece.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let plain = String::from_utf8_lossy(piece);
        for told in [plain.as_ref(), &decimal, &hex] {
            assert!(!squeezed.contains(told), "{how}: {told} is in: {said}");
        }
    }
}

/// All that is said of the three files.
fn said(config: &ConfigFile, web: &str, http: &str) -> String {
    let web = WebConfigFile::new(config.write_beside("web.yml", web)).read().map(|_| ());
    let http = HttpConfig::read(&config.write_beside("http.yml", http)).map(|_| ());
    let check = app::check(&config.path).map(|_| ());
    [web, http, check].into_iter().filter_map(Result::err).fold(String::new(), |all, it| format!("{all}{it}\n{it:?}\n"))
}

#[tokio::test]
async fn a_damaged_key_is_in_no_message() {
    let pki = Pki::new().unwrap();
    let issued = pki.root.issue(&Profile::client("us")).unwrap();
    let key = issued.key_pem();
    let config = ConfigFile::new(
        "backend_settings:\n  - {name: s, protocol: https, trusted_root_certificates: [root.pem], client_certificate: {certificate: us.pem, private_key: us.key}}\n\
         backend_pools: [{name: web, settings: [s], servers: [127.0.0.1]}]\n",
    );
    // The host's own roots take long to read.
    config.write_beside("root.pem", pki.root.pem());
    config.write_beside("us.pem", issued.pem());
    let in_file = |block: &str| format!("{block}\n  cert_file: us.pem\n  key_file: us.key\n");
    for (index, (how, bytes)) in damaged(&key).into_iter().enumerate() {
        config.write_beside("us.key", &bytes);
        assert_untold(
            &said(&config, &in_file("tls_server_config:"), &in_file("tls_config:\n  ca_file: root.pem")),
            &key,
            how,
        );
        // The key where the name of its file should be, and where any certificate is.
        let content = String::from_utf8_lossy(&bytes).into_owned();
        let scalar = serde_json::to_string(&content).unwrap();
        for line in
            [format!("key: {scalar}"), format!("key_file: {scalar}"), format!("cert_file: us.pem\n  {scalar}: 1")]
        {
            let of = |block: &str| format!("{block}\n  cert_file: us.pem\n  {line}\n");
            assert_untold(
                &said(&config, &of("tls_server_config:"), &of("tls_config:\n  ca_file: root.pem")),
                &key,
                how,
            );
        }
        config.write_beside("us.pem", &bytes);
        assert_untold(
            &said(&config, &in_file("tls_server_config:"), &in_file("tls_config:\n  ca_file: root.pem")),
            &key,
            how,
        );
        config.write_beside("us.pem", issued.pem());
        // The program itself says the same; twice is enough.
        if index < 2 {
            let web = config.write_beside("web.yml", in_file("tls_server_config:"));
            for arguments in [&["check"][..], &["run", "--web.config.file", text(&web)]] {
                let mut command = Command::new(BINARY);
                command.args(arguments).args(["--config.file", text(&config.path)]);
                let ended = Process::spawn(&mut command).ended(DEADLINE).await;
                assert_eq!(ended.status.code(), Some(2), "{how}: {ended:?}");
                assert_untold(&(ended.stdout + &ended.stderr), &key, how);
            }
        }
    }
}

#[test]
fn a_password_in_the_wrong_place_is_in_no_message() {
    let config = ConfigFile::new("backend_pools: []\n");
    let p = PASSWORD;
    let webs = [
        format!("basic_auth_users:\n  \"admin:{p}\": {HASH}\n"),
        format!("basic_auth_users:\n  \"admin:{p}\": {HASH}\n  \"admin:{p}\": {HASH}\n"),
        format!("basic_auth_users:\n  admin:{p}: {HASH}\n"),
        format!("basic_auth_users:\n  admin: {p}\n"),
        format!("basic_auth_users:\n  admin: !{p}\n"),
        format!("basic_auth_users:\n  admin: *{p}\n"),
        format!("basic_auth_users:\n  admin: &{p} x\n"),
        format!("basic_auth_users:\n  admin: [{p}\n"),
        format!("basic_auth_users:\n  admin: \"{p}\n"),
        format!("basic_auth_users:\n  admin: {{{p}: 1}}\n"),
        format!("basic_auth_users: admin:{p}\n"),
        format!("basic_auth_users: [\"admin:{p}\"]\n"),
        format!("\"admin:{p}\": {HASH}\n"),
        format!("basic_auth_users:\n\tadmin: {p}\n"),
        format!("admin:{p}\n"),
    ];
    for web in &webs {
        assert_untold(&said(&config, web, ""), p, web);
    }
    let https = [
        format!("basic_auth:\n  username: a\n  password: [{p}]\n"),
        format!("basic_auth:\n  username: a\n  password: {p}\n  password: {p}\n"),
        format!("basic_auth:\n  username: a\n  password: {p}\n  password_file: none\n"),
        format!("basic_auth:\n  password: {p}\n"),
        format!("basic_auth: \"a:{p}\"\n"),
        format!("basic_auth:\n  \"a:{p}\": 1\n"),
        format!("basic_auth:\n  username: a\n  password: !{p}\n"),
        format!("authorization:\n  type: Basic\n  credentials: {p}\n"),
        format!("authorization:\n  credentials: \"{p}\\n\"\n"),
        format!("authorization: {p}\n"),
        format!("http_headers:\n  X-Key:\n    secrets: [\"{p}\\nx\"]\n"),
        format!("http_headers:\n  \"X-Key:{p}\":\n    values: [x]\n"),
    ];
    for http in &https {
        assert_untold(&said(&config, "", http), p, http);
    }
}
