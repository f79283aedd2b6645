//! Configuration files: what loads, with which values, what does not, and in which words.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::{PemObject, SectionKind};
use tempfile::TempDir;

use backend_health_exporter::config::{Azure, Config, ConfigFile, Problem, Problems, describe};
use backend_health_exporter::probe::{Protocol, TrustMode};

use crate::effort::cpu_time;

/// A wrong or doubtful place: `line:column`, the key's path, and a part of the message.
type Expected = (&'static str, &'static str, &'static str);

fn parse_in(directory: &Path, text: &str) -> Result<Config, Problems> {
    ConfigFile { path: directory.join("test.yml"), text: text.to_owned() }.parse()
}

fn parse(text: &str) -> Result<Config, Problems> {
    parse_in(&shipped("config"), text)
}

fn load(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// A path of this repository.
fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One http setting and one pool, after what is to be tested.
fn with_pool(text: &str) -> String {
    format!("{text}\nbackend_pools: [{{name: w, settings: [s], servers: [10.0.0.4]}}]\n")
}

/// `part` of each number below `count`, one after the other.
fn repeated(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |text, number| text + &part(number))
}

fn assert_problems(text: &str, problems: &[Problem], expected: &[Expected]) {
    let shown = || repeated(problems.len(), |index| format!("\n  {}", problems[index]));
    assert_eq!(problems.len(), expected.len(), "{text}{}", shown());
    for (problem, (place, key, fragment)) in problems.iter().zip(expected) {
        let found = problem.place.map_or(String::new(), |(line, column)| format!("{line}:{column}"));
        assert_eq!((found.as_str(), problem.key.as_str()), (*place, *key), "{text}{}", shown());
        assert!(problem.message.contains(fragment), "{text}: {fragment}{}", shown());
        assert!(!problem.message.ends_with('.') && !problem.message.contains('\n'), "{problem}");
    }
}

/// The text has exactly these errors, in this order.
fn refused(text: &str, expected: &[Expected]) {
    match parse(text) {
        Ok(config) => panic!("this loads: {text}\n{}", describe(&config, &config.listed())),
        Err(problems) => assert_problems(text, problems.as_slice(), expected),
    }
}

/// The text loads with exactly these warnings, in this order.
fn warned(text: &str, expected: &[Expected]) {
    assert_problems(text, &load(text).warnings, expected);
}

#[test]
fn the_shipped_examples_load_without_a_word() {
    for name in ["config/backend_health.yml", "config/full.yml"] {
        let file = ConfigFile::read(&shipped(name)).unwrap_or_else(|problems| panic!("{problems}"));
        let config = file.parse().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.warnings, [], "{name}");
        assert!(!config.pools.is_empty(), "{name}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = load(&with_pool("backend_settings: [{name: s, protocol: http}]"));
    assert_eq!(config.certificate_expiry_warning, Duration::from_hours(21 * 24));
    assert_eq!((config.azure, config.warnings.len(), config.files.len()), (None, 0, 0));
    let settings = &config.pools[0].settings[0];
    assert_eq!((settings.protocol, settings.port), (Protocol::Http, 80));
    assert_eq!((&settings.host_name, &settings.sni_name), (&None, &None));
    assert!(settings.trust.is_none() && settings.client_certificate.is_none());
    assert!(settings.validate_cert_chain_and_expiry && settings.validate_sni);
    assert!(!settings.pick_host_name_from_backend_address);
    let probe = &settings.probe;
    assert_eq!((&probe.name, &probe.host, &*probe.ask.path, probe.port), (&None, &None, "/", None));
    assert_eq!((probe.interval, probe.timeout), (Duration::from_secs(30), Duration::from_secs(30)));
    assert_eq!(probe.unhealthy_threshold, 3);
    assert_eq!((probe.expectation.status_codes.as_slice(), probe.expectation.body.as_str()), (&[(200, 399)][..], ""));
    assert!(!probe.pick_host_name_from_backend_settings && !probe.enable_probe_proxy_protocol_header);

    let config = load(&with_pool("backend_settings: [{name: s, protocol: https}]"));
    assert_eq!(config.pools[0].settings[0].port, 443);
    let custom = load(&with_pool(
        "probes: [{name: p, protocol: http}]\nbackend_settings: [{name: s, protocol: http, probe: p}]",
    ));
    let probe = &custom.pools[0].settings[0].probe;
    assert_eq!(probe.name.as_deref(), Some("p"));
    assert_eq!(
        (&*probe.ask.path, probe.interval, probe.timeout),
        ("/", Duration::from_secs(30), Duration::from_secs(30))
    );
}

#[test]
fn a_timeout_left_out_is_never_longer_than_the_interval_or_30_seconds() {
    let timeout = |probe: &str| {
        let config = load(&with_pool(&format!(
            "probes: [{{name: p, protocol: http, {probe}}}]\nbackend_settings: [{{name: s, protocol: http, probe: p}}]"
        )));
        assert_eq!(config.warnings, []);
        config.pools[0].settings[0].probe.timeout
    };
    assert_eq!(timeout("interval: 5s"), Duration::from_secs(5));
    assert_eq!(timeout("interval: 2m"), Duration::from_secs(30));
    assert_eq!(timeout("interval: 2m, timeout: 90s"), Duration::from_secs(90));
    assert_eq!(timeout("interval: 100ms"), Duration::from_millis(100));
    assert_eq!(timeout("interval: 24h, timeout: 24h"), Duration::from_hours(24));
}

#[test]
fn every_key_reaches_its_value() {
    let file = ConfigFile::read(&shipped("config/full.yml")).expect("the example");
    let config = file.parse().expect("it loads");
    assert_eq!(
        config.azure,
        Some(Azure {
            subscription: "00000000-0000-0000-0000-000000000000".to_owned(),
            resource_group: "monitoring".to_owned(),
            application_gateway: "backend-health".to_owned(),
            location: "westeurope".to_owned(),
        })
    );
    let names: Vec<&str> = config.pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(names, ["api", "directory", "mail"]);
    let servers = config.pools[0].sources[0].listed();
    let servers: Vec<&str> = servers.iter().map(|server| &*server.written).collect();
    assert_eq!(servers, ["10.0.0.4", "api-2.example.com", "2001:db8::7"]);

    let api = &config.pools[0].settings[0];
    assert_eq!((api.protocol, api.port, api.host_name.as_deref()), (Protocol::Https, 443, Some("api.example.com")));
    assert_eq!(api.sni_name.as_deref(), Some("api.internal.example.com"));
    let trust = api.trust.as_ref().expect("https has trust");
    assert_eq!((trust.mode(), trust.roots().len(), trust.anchors().len()), (TrustMode::Configured, 1, 1));
    assert_eq!(trust.revocation_lists().len(), 1);
    assert_eq!(api.client_certificate.as_ref().map(|pair| pair.certified_key().cert.len()), Some(1));
    assert_eq!((&*api.probe.ask.path, api.probe.port), ("/healthz", Some(8443)));
    assert_eq!((api.probe.interval, api.probe.timeout), (Duration::from_secs(15), Duration::from_secs(5)));
    assert_eq!(api.probe.host.as_deref(), Some("api.example.com"));

    let portal = &config.pools[0].settings[1].probe;
    assert!(portal.pick_host_name_from_backend_settings);
    assert_eq!(portal.expectation.status_codes, [(200, 200), (301, 302)]);
    assert_eq!(portal.expectation.body, "Sign in");
    let directory = &config.pools[1].settings[0];
    assert!(directory.pick_host_name_from_backend_address);
    assert_eq!((directory.protocol, directory.port), (Protocol::Tls, 636));
    let mail = &config.pools[2].settings[0];
    assert_eq!((mail.protocol, mail.probe.enable_probe_proxy_protocol_header), (Protocol::Tcp, true));

    let switched_off = load(&with_pool(
        "certificate_expiry_warning: 0s\nbackend_settings: \
         [{name: s, protocol: https, validate_sni: false, validate_cert_chain_and_expiry: false}]",
    ));
    assert_eq!(switched_off.certificate_expiry_warning, Duration::ZERO);
    let settings = &switched_off.pools[0].settings[0];
    assert!(!settings.validate_sni && !settings.validate_cert_chain_and_expiry);
}

#[test]
fn names_and_protocols_are_found_in_any_case() {
    let config = load(
        "probes: [{name: Api, protocol: Http, host: API.Example.com}]
backend_settings: [{name: Web-80, protocol: HTTP, probe: aPI}]
backend_pools: [{name: W, settings: [wEB-80], servers: [App.Example.com]}]",
    );
    let settings = &config.pools[0].settings[0];
    assert_eq!((&*settings.name, settings.probe.name.as_deref()), ("Web-80", Some("Api")));
    assert_eq!(settings.probe.host.as_deref(), Some("api.example.com"));
    assert_eq!(&*config.pools[0].sources[0].listed()[0].written, "App.Example.com");
}

#[test]
fn yaml_is_read_with_its_conveniences() {
    let settings = "backend_settings: [{name: s, protocol: http}]";
    // A byte-order mark, document marks, Windows line ends, comments.
    let text = with_pool(settings);
    for text in
        [format!("\u{feff}{text}"), format!("---\n{text}...\n"), text.replace('\n', "\r\n"), format!("# x\n{text}")]
    {
        assert_eq!(load(&text).pools.len(), 1, "{text:?}");
    }
    // Numbers and words of YAML 1.1 are names, if they stand where names do.
    for name in ["1.10", "no", "0x10", "\"null\"", "!!str true"] {
        let text = format!(
            "backend_settings: [{{name: {name}, protocol: http}}]\nbackend_pools: [{{name: a, settings: [{name}], servers: [b]}}]"
        );
        let wanted = name.trim_start_matches("!!str ").trim_matches('"');
        assert_eq!(&*load(&text).pools[0].settings[0].name, wanted);
    }
    // Anchors and merge keys; a mapping's own keys win.
    let config = load(
        "backend_settings:
  - &base {name: a, protocol: http, port: 8080, host_name: x.example.com}
  - {<<: *base, name: b, port: 8081}
backend_pools:
  - {name: p, settings: [a, b], servers: &servers [10.0.0.4]}
  - {name: q, settings: [a], servers: *servers}",
    );
    let ports: Vec<u16> = config.pools[0].settings.iter().map(|settings| settings.port).collect();
    assert_eq!(ports, [8080, 8081]);
    assert_eq!(config.pools[0].settings[1].host_name.as_deref(), Some("x.example.com"));
    assert_eq!(config.pools[1].sources[0].listed().len(), 1);
    // An explicit null is as good as nothing.
    let config = load(&with_pool(
        "backend_settings: [{name: s, protocol: http, port: null, probe: ~, sni_name: null, client_certificate: }]\nazure:\nprobes:",
    ));
    assert_eq!(config.pools[0].settings[0].port, 80);
}

#[test]
fn text_that_is_no_yaml_has_one_error_with_its_place() {
    refused("", &[("", "", "the file is empty")]);
    refused("\n# only a comment\n", &[("", "", "the file is empty")]);
    refused("---\n", &[("", "", "the file is empty")]);
    refused("just words", &[("1:1", "", "expected a mapping with the keys probes, ")]);
    refused("- a\n", &[("1:1", "", "not a list")]);
    refused("backend_pools:\n\t- name: a\n", &[("2:2", "", "indent with spaces")]);
    refused("backend_pools: [a\n", &[("1:16", "", "not valid YAML: unclosed bracket")]);
    refused("a: b: c\n", &[("1:5", "", "put a text that holds `: ` into quotes")]);
    refused("backend_pools: *nothing\n", &[("1:16", "", "a text that starts with `*` must be in quotes")]);
    refused("a: 1\na: 2\nb: @c\n", &[("3:4", "", "must be in quotes")]);
    refused("a: &a [*a]\n", &[("1:8", "", "this alias stands inside the value that it names")]);
    refused("backend_pools: []\n---\nbackend_pools: []\n", &[("2:1", "", "a second YAML document starts here")]);
}

#[test]
fn wrong_keys_say_which_would_be_right() {
    refused(
        "probes:
  - name: p
    protocol: http
    intervall: 30s
    unhealthyThreshold: 3
    verb: HEAD
backend_pool: []
backend_settings: [{name: s, protocol: http, probe: p}]",
        &[
            ("1:1", "", "missing required key `backend_pools`"),
            ("4:5", "probes[0].intervall", "unknown key `intervall`; did you mean `interval`?"),
            ("5:5", "probes[0].unhealthyThreshold", "did you mean `unhealthy_threshold`?"),
            ("6:5", "probes[0].verb", "known here are name, protocol, host, path, "),
            ("7:1", "backend_pool", "did you mean `backend_pools`?"),
        ],
    );
    refused(
        "probes:
  - name: p
    protocol: http
    fall: 3
    rise: 2
    match: {valid_status_codes: [200]}
backend_settings: [{name: s, protocol: https, ca_file: a, insecure_skip_verify: true, probe_name: p}]
backendAddressPools: []
backend_pools: [{name: w, settings: [s], servers: [10.0.0.0/24], fqdns: [a]}]",
        &[
            ("4:5", "probes[0].fall", "HAProxy's `fall` is `unhealthy_threshold`"),
            ("5:5", "probes[0].rise", "HAProxy's `rise` is `healthy_threshold`"),
            ("6:13", "probes[0].match.valid_status_codes", "`match: {status_codes: [...]}`"),
            ("7:47", "backend_settings[0].ca_file", "`trusted_root_certificates: [FILE]`"),
            ("7:59", "backend_settings[0].insecure_skip_verify", "`validate_sni: false`"),
            ("7:87", "backend_settings[0].probe_name", "with `probe`"),
            ("8:1", "backendAddressPools", "`backend_pools`"),
            ("9:52", "backend_pools[0].servers[0]", "`10.0.0.0/24` is a range of addresses"),
            ("9:66", "backend_pools[0].fqdns", "`servers`"),
        ],
    );
    refused(
        "backend_pools:\n  - name: a\n    settings: []\n    servers: []\n    name: b\nbackend_pools: []",
        &[
            ("5:5", "backend_pools[0].name", "duplicate key; it already stands at line 2, column 5"),
            ("6:1", "backend_pools", "duplicate key; it already stands at line 1, column 1"),
        ],
    );
    refused("backend_pools: []\n[a]: b", &[("2:1", "", "a key must be a text")]);
    refused("backend_pools: []\n: b", &[("2:1", "", "a key is missing")]);
    refused(
        "backend_pools:\n  - <<: 1\n    name: a\n    settings: []\n    servers: []",
        &[("2:9", "backend_pools[0].<<", "a merge key wants an alias of a mapping")],
    );
    refused(
        "backend_pools: !pools []",
        &[("1:16", "backend_pools", "tags mean nothing here; a text that starts with `!` must be in quotes")],
    );
}

#[test]
fn missing_keys_are_named() {
    refused("certificate_expiry_warning: 1d", &[("1:1", "", "missing required key `backend_pools`")]);
    refused(
        "probes: [{}]\nbackend_settings: [{}]\nbackend_pools: [{}]",
        &[
            ("1:10", "probes[0]", "`name`"),
            ("1:10", "probes[0]", "`protocol`"),
            ("2:20", "backend_settings[0]", "`name`"),
            ("2:20", "backend_settings[0]", "`protocol`"),
            ("3:17", "backend_pools[0]", "`settings`"),
            ("3:17", "backend_pools[0]", "`servers`"),
            ("3:17", "backend_pools[0]", "`name`"),
        ],
    );
    refused(
        "azure: {subscription: a}\nbackend_pools: []",
        &[
            ("1:8", "azure", "missing required key `resource_group`"),
            ("1:8", "azure", "missing required key `application_gateway`"),
            ("1:8", "azure", "missing required key `location`"),
        ],
    );
    for protocol in ["tcp", "tls"] {
        refused(
            &with_pool(&format!("backend_settings: [{{name: s, protocol: {protocol}}}]")),
            &[("1:20", "backend_settings[0]", "missing required key `port`; only http and https have a default one")],
        );
    }
    refused(
        &with_pool("backend_settings: [{name: s, protocol: https, client_certificate: {}}]"),
        &[
            ("1:67", "backend_settings[0].client_certificate", "`certificate`"),
            ("1:67", "backend_settings[0].client_certificate", "`private_key`"),
        ],
    );
}

#[test]
fn a_value_of_the_wrong_kind_or_range_says_what_is_right() {
    let probe = |key_and_value: &str, path: &str, fragment: &'static str| {
        let text = format!("backend_pools: []\nprobes:\n- name: p\n  protocol: http\n  {key_and_value}");
        let problems = parse(&text).expect_err(&text);
        assert_eq!(problems.as_slice().len(), 1, "{text}: {problems}");
        let problem = &problems.as_slice()[0];
        assert_eq!(problem.key, format!("probes[0].{path}"), "{problems}");
        assert_eq!(problem.place.map(|(line, _)| line), Some(5), "{problems}");
        assert!(problem.message.contains(fragment), "{problems}");
    };
    probe("interval: 30", "interval", "`30` has no unit; write 30s");
    probe("interval: 99ms", "interval", "`99ms` is out of range; it must be from 100ms to 1d");
    probe("interval: 24h1ms", "interval", "out of range");
    probe("interval: soon", "interval", "`soon` is not a duration; write it like 30s");
    probe("interval: [30s]", "interval", "expected a duration like 30s, not a list");
    probe("timeout: 0s", "timeout", "out of range");
    probe("timeout: 25h", "timeout", "from 100ms to 1d");
    probe("unhealthy_threshold: 0", "unhealthy_threshold", "expected a whole number from 1 to 20, not `0`");
    probe("unhealthy_threshold: 21", "unhealthy_threshold", "from 1 to 20");
    probe("unhealthy_threshold: 2.5", "unhealthy_threshold", "from 1 to 20");
    probe("unhealthy_threshold: \"3\"", "unhealthy_threshold", "without quotes, not a quoted text");
    probe("port: 0", "port", "expected a whole number from 1 to 65535, not `0`");
    probe("port: 65536", "port", "from 1 to 65535");
    probe("port: -1", "port", "from 1 to 65535");
    probe("path: healthz", "path", "a path starts with `/`, `healthz` does not");
    probe("path: \"/a\\r\\nX: y\"", "path", "a path holds no control characters");
    probe("path: /a b", "path", "write %20");
    probe("path: {a: b}", "path", "expected a text, not a mapping");
    probe("host: a.example.com:80", "host", "carries a port");
    probe("host: https://a.example.com/", "host", "more than a host name");
    probe("host: \"a\\r\\nX: y\"", "host", "neither a host name nor an IP address");
    probe("host: \"\"", "host", "must not be empty");
    probe(
        "match: 200",
        "match",
        "expected a mapping with the keys status_codes, body, body_regex, body_not_regex, json, headers, not a single value",
    );
    probe("match: {status_codes: 200}", "match.status_codes", "expected a list, not a single value");
    probe("match: {status_codes: []}", "match.status_codes", "at least one");
    probe("match: {status_codes: [2xx]}", "match.status_codes[0]", "like 204, 200-399 or");
    probe("match: {status_codes: [200, 1000]}", "match.status_codes[1]", "from 100 to 999");
    probe("match: {status_codes: [399-200]}", "match.status_codes[0]", "write 200-399");
    probe("match: {body: [a]}", "match.body", "expected a text, not a list");
    let long_body = format!("match: {{body: {}}}", "ü".repeat(4_091));
    probe(&long_body, "match.body", "at most 4090 characters, this one has 4091");
    probe(
        "pick_host_name_from_backend_settings: yes",
        "pick_host_name_from_backend_settings",
        "expected true or false",
    );
    probe("enable_probe_proxy_protocol_header: 1", "enable_probe_proxy_protocol_header", "expected true or false");
    probe("match: {statuscodes: [200]}", "match.statuscodes", "did you mean `status_codes`?");

    refused("certificate_expiry_warning: 21\nbackend_pools: []", &[("1:29", "certificate_expiry_warning", "21s")]);
    refused("certificate_expiry_warning: 11y\nbackend_pools: []", &[("1:29", "certificate_expiry_warning", "from 0s")]);
    refused("backend_pools: {a: b}", &[("1:16", "backend_pools", "expected a list, not a mapping")]);
    refused("backend_pools: [a]", &[("1:17", "backend_pools[0]", "expected a mapping with the keys name, settings, ")]);
    refused(
        "probes: [{name: p, protocol: udp}]\nbackend_pools: []",
        &[("1:30", "probes[0].protocol", "`udp` is not a protocol; it must be http, https, tcp or tls")],
    );
    refused(
        "azure: {subscription: a/b, resource_group: '', application_gateway: .., location: West Europe}\nbackend_pools: []",
        &[
            ("1:23", "azure.subscription", "`a/b` is no such name"),
            ("1:44", "azure.resource_group", "1 to 90 letters"),
            ("1:69", "azure.application_gateway", "`..`"),
            ("1:83", "azure.location", "`West Europe`"),
        ],
    );
}

#[test]
fn a_body_of_4090_characters_is_not_too_long() {
    let body = "ü".repeat(4_090);
    let config = load(&with_pool(&format!(
        "probes: [{{name: p, protocol: http, match: {{body: {body}}}}}]\nbackend_settings: [{{name: s, protocol: http, probe: p}}]"
    )));
    assert_eq!(config.pools[0].settings[0].probe.expectation.body, body);
}

#[test]
fn names_stand_once_and_lead_somewhere() {
    refused(
        "probes: [{name: p, protocol: http}, {name: P, protocol: http}]
backend_settings: [{name: s, protocol: http}, {name: S, protocol: http}]
backend_pools:
  - {name: w, settings: [s], servers: [a]}
  - {name: W, settings: [s], servers: [a]}",
        &[
            ("1:44", "probes[1].name", "duplicate name `P`; probes[0] at line 1, column 17 has it already"),
            ("2:54", "backend_settings[1].name", "backend_settings[0] at line 2, column 27 has it already"),
            ("5:12", "backend_pools[1].name", "backend_pools[0] at line 4, column 12 has it already"),
        ],
    );
    refused(
        "probes: [{name: healthz, protocol: http}]
backend_settings: [{name: http-80, protocol: http, probe: health}, {name: other, protocol: http, probe: completely-different}]
backend_pools: [{name: w, settings: [htpp-80], servers: [a]}]",
        &[
            ("2:59", "backend_settings[0].probe", "there is no probe called `health`; did you mean `healthz`?"),
            ("2:105", "backend_settings[1].probe", "`completely-different`; known are `healthz`"),
            ("3:38", "backend_pools[0].settings[0]", "no backend setting called `htpp-80`; did you mean `http-80`?"),
        ],
    );
    refused(
        "backend_pools: [{name: w, settings: [a], servers: [b]}]",
        &[("1:38", "backend_pools[0].settings[0]", "there is none in `backend_settings`")],
    );
    refused(
        "backend_settings: [{name: s, protocol: http}]\nbackend_pools: [{name: w, settings: [s, S], servers: [a]}]",
        &[(
            "2:41",
            "backend_pools[0].settings[1]",
            "already stands at backend_pools[0].settings[0], line 2, column 38",
        )],
    );
    refused(
        "backend_pools:\n- {name: '', settings: [], servers: []}\n- {name: ' a', settings: [], servers: []}\n- {name: \"a\\nb\", settings: [], servers: []}",
        &[
            ("2:10", "backend_pools[0].name", "must not be empty"),
            ("3:10", "backend_pools[1].name", "no spaces around it"),
            ("4:10", "backend_pools[2].name", "no control characters"),
        ],
    );
    let long_name = format!("backend_pools: [{{name: {}, settings: [], servers: []}}]", "a".repeat(129));
    refused(&long_name, &[("1:24", "backend_pools[0].name", "at most 128 characters, this one has 129")]);
}

#[test]
fn servers_are_addresses_or_names_that_stand_once() {
    refused(
        "backend_settings: [{name: s, protocol: http}]
backend_pools:
  - name: w
    settings: [s]
    servers:
      - 10.0.0.4
      - 10.0.0.5:80
      - http://10.0.0.6/
      - 10.0.0.256
      - a b
      - \"[2001:db8::7]\"
      - 2001:DB8:0:0::7
      - App.example.com
      - app.EXAMPLE.com.
      - ::ffff:10.0.0.4
      - [10.0.0.7]
      -",
        &[
            (
                "7:9",
                "backend_pools[0].servers[1]",
                "`10.0.0.5:80` carries a port; ports go to `port` of the backend setting",
            ),
            ("8:9", "backend_pools[0].servers[2]", "looks like a URL"),
            ("9:9", "backend_pools[0].servers[3]", "neither an IP address nor a host name"),
            ("10:9", "backend_pools[0].servers[4]", "neither an IP address nor a host name"),
            ("12:9", "backend_pools[0].servers[6]", "already stands at backend_pools[0].servers[5], line 11, column 9"),
            ("14:9", "backend_pools[0].servers[8]", "already stands at backend_pools[0].servers[7], line 13, column 9"),
            ("15:9", "backend_pools[0].servers[9]", "already stands at backend_pools[0].servers[0], line 6, column 9"),
            ("16:9", "backend_pools[0].servers[10]", "expected a text, not a list"),
            ("17:8", "backend_pools[0].servers[11]", "expected a text, not nothing"),
        ],
    );
}

#[test]
fn a_probe_fits_the_setting_that_uses_it() {
    refused(
        &with_pool("probes: [{name: p, protocol: http}]\nbackend_settings: [{name: s, protocol: https, probe: p}]"),
        &[("2:54", "backend_settings[0].probe", "probe `p` has protocol http, this backend setting https")],
    );
    for protocol in ["http", "https"] {
        refused(
            &format!(
                "probes: [{{enable_probe_proxy_protocol_header: true, name: p, protocol: {protocol}}}]\nbackend_pools: []"
            ),
            &[("1:47", "probes[0].enable_probe_proxy_protocol_header", "only be sent with protocol tcp or tls")],
        );
    }
    refused(
        "probes: [{pick_host_name_from_backend_settings: true, host: a, name: p, protocol: http}]\nbackend_pools: []",
        &[("1:61", "probes[0].host", "must be absent with pick_host_name_from_backend_settings")],
    );
    let picking = "probes: [{name: p, protocol: http, pick_host_name_from_backend_settings: true}]\n";
    refused(
        &with_pool(&format!("{picking}backend_settings: [{{name: s, protocol: http, probe: p}}]")),
        &[("2:53", "backend_settings[0].probe", "which has no host name; give it a `host_name`")],
    );
    load(&with_pool(&format!("{picking}backend_settings: [{{name: s, protocol: http, probe: p, host_name: a}}]")));
    // A wrong host name is one error, not two.
    refused(
        &with_pool(&format!("{picking}backend_settings: [{{name: s, protocol: http, probe: p, host_name: a b}}]")),
        &[("2:67", "backend_settings[0].host_name", "neither a host name nor an IP address")],
    );
    let from_address =
        "backend_settings: [{name: s, protocol: http, pick_host_name_from_backend_address: true, probe: p}]";
    load(&format!("{picking}{from_address}\nbackend_pools: [{{name: w, settings: [s], servers: [a.example.com]}}]"));
}

#[test]
fn the_servers_own_name_needs_servers_with_names_and_no_other_name() {
    let setting = "name: s, protocol: https, pick_host_name_from_backend_address: true";
    refused(
        &format!("backend_settings: [{{{setting}, host_name: a}}]\nbackend_pools: []"),
        &[("1:101", "backend_settings[0].host_name", "must be absent with pick_host_name_from_backend_address")],
    );
    refused(
        &format!(
            "backend_settings: [{{{setting}}}]\nbackend_pools: [{{name: w, settings: [s], servers: [a, 10.0.0.4, '2001:db8::7']}}]"
        ),
        &[
            ("2:55", "backend_pools[0].servers[1]", "`10.0.0.4` is an IP address, but backend setting `s` takes"),
            ("2:65", "backend_pools[0].servers[2]", "`2001:db8::7` is an IP address"),
        ],
    );
}

#[test]
fn certificate_keys_belong_to_tls_only() {
    let keys = "trusted_root_certificates: [certificates/corp-root.pem], certificate_revocation_lists: [x],
 validate_cert_chain_and_expiry: false, validate_sni: false, sni_name: a,
 client_certificate: {certificate: a, private_key: b}";
    for (protocol, port) in [("http", "80  "), ("tcp ", "1234")] {
        refused(
            &with_pool(&format!("backend_settings:\n- {{name: s, protocol: {protocol}, port: {port},\n {keys}}}")),
            &[
                (
                    "3:29",
                    "backend_settings[0].trusted_root_certificates",
                    "only protocol https and tls have certificates",
                ),
                ("3:89", "backend_settings[0].certificate_revocation_lists", "remove this key"),
                ("4:34", "backend_settings[0].validate_cert_chain_and_expiry", "remove this key"),
                ("4:55", "backend_settings[0].validate_sni", "remove this key"),
                ("4:72", "backend_settings[0].sni_name", "remove this key"),
                ("5:22", "backend_settings[0].client_certificate", "remove this key"),
            ],
        );
    }
    // Their defaults would promise the same; only null says nothing.
    refused(
        &with_pool("backend_settings: [{name: s, protocol: http, validate_sni: true, trusted_root_certificates: []}]"),
        &[
            ("1:60", "backend_settings[0].validate_sni", "remove this key"),
            ("1:93", "backend_settings[0].trusted_root_certificates", "remove this key"),
        ],
    );
    warned(&with_pool("backend_settings: [{name: s, protocol: http, sni_name: null, client_certificate: null}]"), &[]);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    warned("backend_pools: []", &[("", "backend_pools", "there is no backend pool, so nothing is probed")]);
    warned(
        "probes: [{name: unused, protocol: http}]\nbackend_settings: [{name: s, protocol: http}]\nbackend_pools: [{name: w, settings: [], servers: }]",
        &[
            ("1:17", "probes[0].name", "no backend setting uses this probe"),
            ("2:27", "backend_settings[0].name", "no backend pool uses this setting"),
            ("3:37", "backend_pools[0].settings", "empty, so nothing of this pool is probed"),
            ("3:48", "backend_pools[0].servers", "empty, so nothing of this pool is probed"),
        ],
    );
    warned(
        &with_pool(
            "probes: [{name: p, protocol: http, interval: 5s, timeout: 10s}]\nbackend_settings: [{name: s, protocol: http, probe: p}]",
        ),
        &[("1:59", "probes[0].timeout", "longer than the interval, 5s")],
    );
    warned(
        &with_pool(
            "probes:
- {name: p, protocol: tcp, path: /a, match: {status_codes: [200], body: b}, host: c}
- {name: q, protocol: tls, path: /, match: {body: ''}, host: c}
backend_settings:
- {name: s, protocol: tcp, port: 1, probe: p, host_name: d}
- {name: t, protocol: tls, port: 1, probe: q, host_name: d, trusted_root_certificates: [certificates/corp-root.pem]}",
        )
        .replace("[s]", "[s, t]"),
        &[
            ("2:34", "probes[0].path", "not used with protocol tcp"),
            ("2:60", "probes[0].match.status_codes", "not used with protocol tcp"),
            ("2:73", "probes[0].match.body", "not used with protocol tcp"),
            ("2:83", "probes[0].host", "not used with protocol tcp"),
            ("5:58", "backend_settings[0].host_name", "not used with protocol tcp"),
        ],
    );
    warned(
        "probes: [{name: p, protocol: http, host: a.example.com}]
backend_settings: [{name: s, protocol: http, probe: p, pick_host_name_from_backend_address: true}]
backend_pools: [{name: w, settings: [s], servers: [b.example.com]}]",
        &[(
            "2:93",
            "backend_settings[0].pick_host_name_from_backend_address",
            "the host of probe `p`, `a.example.com`, is not",
        )],
    );
}

/// A directory with trust material, made anew for each test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), content).expect("a file");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Errors of a setting with these further keys, which stand in line 2.
    fn refused(&self, keys: &str, expected: &[(&str, &str)]) {
        let text = with_pool(&format!("backend_settings:\n- {{name: s, protocol: https, {keys}}}"));
        let problems = parse_in(self.path(), &text).expect_err(keys);
        let shown: Vec<_> = problems.as_slice().iter().map(|p| (p.key.as_str(), p.message.as_str())).collect();
        assert_eq!(shown.len(), expected.len(), "{problems}");
        for ((key, message), (wanted_key, fragment)) in shown.into_iter().zip(expected) {
            assert_eq!(key, format!("backend_settings[0].{wanted_key}"), "{problems}");
            assert!(message.contains(fragment), "{fragment}: {problems}");
        }
        for problem in problems.as_slice() {
            assert_eq!(problem.place.map(|(line, _)| line), Some(2), "{problem}");
        }
    }

    fn load(&self, keys: &str) -> Config {
        let text = with_pool(&format!("backend_settings:\n- {{name: s, protocol: https, {keys}}}"));
        parse_in(self.path(), &text).unwrap_or_else(|problems| panic!("{problems}"))
    }
}

/// A self-signed certificate and its key, both PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec!["app.example.com".to_owned()]).expect("parameters");
    (parameters.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

/// What a PEM block holds.
fn der(pem: &str) -> Vec<u8> {
    <(SectionKind, Vec<u8>)>::from_pem_slice(pem.as_bytes()).expect("one PEM block").1
}

#[test]
fn certificates_are_read_from_pem_and_der_one_or_several() {
    let files = Files::new();
    let ((one, key), (two, other_key)) = (pair(), pair());
    files.write("one.pem", format!("a comment\n{one}"));
    files.write("one.der", der(&one));
    files.write("both.pem", format!("{one}{two}"));
    files.write("with-key.pem", format!("{key}{one}"));
    files.write("one.key", &key);
    files.write("one.key.der", der(&key));
    files.write("two.key", &other_key);
    let roots = |names: &str| {
        let config = files.load(&format!("trusted_root_certificates: {names}"));
        config.pools[0].settings[0].trust.as_ref().expect("trust").roots().len()
    };
    assert_eq!(roots("[one.pem]"), 1);
    assert_eq!(roots("[one.der]"), 1);
    assert_eq!(roots("[both.pem]"), 2);
    assert_eq!(roots("[with-key.pem]"), 1);
    assert_eq!(roots("[one.der, both.pem]"), 3);
    let absolute = files.path().join("one.pem");
    assert_eq!(roots(&format!("[{}]", absolute.display())), 1);

    let root = "trusted_root_certificates: [one.pem]";
    let chain_length = |certificate: &str, key: &str| {
        let config =
            files.load(&format!("{root}, client_certificate: {{certificate: {certificate}, private_key: {key}}}"));
        config.pools[0].settings[0].client_certificate.as_ref().expect("a pair").certified_key().cert.len()
    };
    assert_eq!(chain_length("one.pem", "one.key"), 1);
    assert_eq!(chain_length("one.der", "one.key.der"), 1);
    assert_eq!(chain_length("both.pem", "one.key"), 2);
    assert_eq!(chain_length("with-key.pem", "with-key.pem"), 1);

    files.refused(
        &format!("{root}, client_certificate: {{certificate: one.pem, private_key: two.key}}"),
        &[("client_certificate.private_key", "does not belong to the first certificate")],
    );
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_at_its_key() {
    let files = Files::new();
    let (certificate, key) = pair();
    files.write("good.pem", &certificate);
    files.write("good.key", &key);
    files.write("text", "hello");
    files.write("empty", "");
    files.write("cut.pem", &certificate[..certificate.len() - 10]);
    files.write("broken.pem", certificate.replacen("MII", "!!!", 1));
    files.write("junk.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    files.write(
        "second-junk.pem",
        format!("{certificate}-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"),
    );
    files.write("trusted.pem", certificate.replace(" CERTIFICATE", " TRUSTED CERTIFICATE"));
    files.write("encrypted.key", key.replace(" PRIVATE", " ENCRYPTED PRIVATE"));
    files.write(
        "old.key",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    );
    files.write("two.key", format!("{key}{key}"));
    fs::create_dir(files.path().join("directory")).expect("a directory");
    let root = |name: &str, fragment: &str| {
        files.refused(
            &format!("trusted_root_certificates: [good.pem, {name}]"),
            &[("trusted_root_certificates[1]", fragment)],
        );
    };
    root("missing.pem", "/missing.pem`: there is no such file");
    root("directory", "it is a directory");
    root("/dev/zero", "it is not a regular file");
    root("text", "text` is neither a PEM nor a DER certificate");
    root("empty", "is neither a PEM nor a DER certificate");
    root("good.key", "good.key` holds a private key and no certificate");
    root("trusted.pem", "holds other PEM blocks and no certificate");
    root("cut.pem", "holds a PEM block without its END line");
    root("broken.pem", "holds a PEM block that is not base64");
    root("junk.pem", "certificate 1: this is not a readable X.509 certificate");
    root("second-junk.pem", "certificate 2: this is not a readable X.509 certificate");
    root("[good.pem]", "expected a text, not a list");
    root("''", "expected the name of a file, not an empty text");

    let list = |name: &str, fragment: &str| {
        files.refused(
            &format!("trusted_root_certificates: [good.pem], certificate_revocation_lists: [{name}]"),
            &[("certificate_revocation_lists[0]", fragment)],
        );
    };
    list("missing.crl", "there is no such file");
    list("good.pem", "holds a certificate and no revocation list");
    list("text", "list 1: this is not a usable X.509 revocation list");

    let client = |certificate: &str, key: &str, expected: &[(&str, &str)]| {
        let text = format!(
            "trusted_root_certificates: [good.pem], client_certificate: {{certificate: {certificate}, private_key: {key}}}"
        );
        files.refused(&text, expected);
    };
    let key_error =
        |key: &str, fragment: &str| client("good.pem", key, &[("client_certificate.private_key", fragment)]);
    key_error("missing.key", "there is no such file");
    key_error("good.pem", "holds a certificate and no private key");
    key_error("text", "is neither a PEM nor a DER private key");
    key_error("encrypted.key", "holds an encrypted key; decrypt it");
    key_error("old.key", "holds an encrypted key; decrypt it");
    key_error("two.key", "holds several private keys");
    client("good.key", "good.key", &[("client_certificate.certificate", "holds a private key and no certificate")]);
    client(
        "missing.pem",
        "missing.key",
        &[
            ("client_certificate.certificate", "there is no such file"),
            ("client_certificate.private_key", "there is no such file"),
        ],
    );
}

#[test]
fn a_private_key_never_shows_in_a_message() {
    let files = Files::new();
    let (certificate, key) = pair();
    files.write("good.pem", &certificate);
    // A key whose base64 is broken, so that a parser might quote it.
    files.write("broken.key", key.replacen('\n', "\n!", 1));
    files.write("cut.key", &key[..key.len() - 10]);
    let secret = key.lines().nth(1).expect("a line of base64");
    let one_line = key.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let quoted = format!("{key:?}");
    let head = "trusted_root_certificates: [good.pem], client_certificate:";
    for keys in [
        format!("{head} {{certificate: good.pem, private_key: {quoted}}}"),
        format!("{head} {{certificate: good.pem, private_key: '{one_line}'}}"),
        format!("{head} {{certificate: {quoted}, private_key: {quoted}}}"),
        format!("{head} {quoted}"),
        format!("{head} {{certificate: good.pem, private_key: broken.key}}"),
        format!("{head} {{certificate: good.pem, private_key: cut.key}}"),
        format!("{head} {{certificate: good.pem, private_key: [{quoted}]}}"),
        format!("trusted_root_certificates: [{quoted}]"),
        format!("probe: {quoted}"),
        format!("host_name: {quoted}"),
        format!("port: {quoted}"),
        format!("private_key: {quoted}"),
        format!("{quoted}: 1"),
    ] {
        let text = with_pool(&format!("backend_settings:\n- {{name: s, protocol: https, {keys}}}"));
        let shown = parse_in(files.path(), &text).expect_err(&keys).to_string();
        assert!(!shown.contains(&secret[..20]), "{keys}\n{shown}");
    }
}

#[test]
fn settings_that_trust_the_same_files_share_one_trust() {
    let files = Files::new();
    let ((one, _), (two, _)) = (pair(), pair());
    files.write("one.pem", &one);
    files.write("copy.pem", &one);
    files.write("two.pem", &two);
    let config = parse_in(
        files.path(),
        "backend_settings:
- {name: a, protocol: https, trusted_root_certificates: [one.pem]}
- {name: b, protocol: tls, port: 1, trusted_root_certificates: [one.pem]}
- {name: c, protocol: https, trusted_root_certificates: [two.pem]}
- {name: d, protocol: https}
- {name: e, protocol: https}
backend_pools: [{name: w, settings: [a, b, c, d, e], servers: [a]}]",
    )
    .expect("it loads");
    let trust: Vec<_> =
        config.pools[0].settings.iter().map(|settings| settings.trust.as_ref().expect("trust")).collect();
    assert!(Arc::ptr_eq(trust[0], trust[1]));
    assert_ne!(trust[0], trust[2]);
    assert!(Arc::ptr_eq(trust[3], trust[4]));
    assert_eq!(trust[3].mode(), TrustMode::WellKnown);
    assert!(!trust[3].anchors().is_empty());
    let again = parse_in(
        files.path(),
        "backend_settings: [{name: a, protocol: https, trusted_root_certificates: [copy.pem]}]
backend_pools: [{name: w, settings: [a], servers: [a]}]",
    )
    .expect("it loads");
    // Another file of the same content is the same trust; only the file that it names is another.
    assert_eq!(again.pools[0].settings[0].trust.as_ref(), Some(trust[0]));
}

/// Where the CA certificates are is known by the environment alone, which only another process can have different: the
/// test runs itself again.
#[test]
fn a_host_without_ca_certificates_is_told_that_the_bundled_ones_are_used() {
    if env::var_os("WITHOUT_CA_CERTIFICATES").is_some() {
        let config = load(&with_pool("backend_settings: [{name: s, protocol: https}, {name: t, protocol: https}]"));
        let messages: Vec<_> = config.warnings.iter().map(|problem| problem.message.as_str()).collect();
        let [fallback, unused] = messages.as_slice() else { panic!("{messages:?}") };
        assert!(fallback.contains("the bundled Mozilla roots are used"), "{fallback}");
        assert!(unused.contains("no backend pool uses this setting"), "{unused}");
        let trust = config.pools[0].settings[0].trust.as_ref().expect("trust");
        assert!(trust.mode() == TrustMode::WellKnown && trust.anchors().len() > 50);
        return;
    }
    let name = "a_host_without_ca_certificates_is_told_that_the_bundled_ones_are_used";
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", &format!("config::{name}")])
        .env("WITHOUT_CA_CERTIFICATES", "1")
        .env("SSL_CERT_FILE", "/nonexistent")
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

#[test]
fn a_named_file_with_new_content_is_noticed() {
    let files = Files::new();
    let ((one, _), (two, _)) = (pair(), pair());
    files.write("root.pem", &one);
    let config = files.load("trusted_root_certificates: [root.pem]");
    let names: Vec<_> = config.files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(names, [files.path().join("root.pem")]);
    assert!(!config.files_changed());
    files.write("root.pem", &one);
    assert!(!config.files_changed(), "written anew with the same content");
    files.write("root.pem", &two);
    assert!(config.files_changed());
    assert_ne!(
        files.load("trusted_root_certificates: [root.pem]").pools[0].settings[0].trust,
        config.pools[0].settings[0].trust
    );
    files.write("root.pem", &one);
    assert!(!config.files_changed());
    fs::remove_file(files.path().join("root.pem")).expect("removed");
    assert!(config.files_changed());
}

#[test]
fn a_configuration_that_cannot_be_read_says_why() {
    let files = Files::new();
    let check = |name: &str, place: Option<(u64, u64)>, fragment: &str| {
        let path = files.path().join(name);
        let problems = ConfigFile::read(&path).expect_err(name);
        let [problem] = problems.as_slice() else { panic!("{problems}") };
        assert_eq!((problem.file.as_str(), problem.place), (path.to_str().expect("UTF-8"), place));
        assert!(problem.message.contains(fragment), "{problem}");
    };
    check("missing.yml", None, "there is no such file");
    check("", None, "it is a directory");
    files.write("latin1.yml", b"a: b\n# f\xfcr\n");
    check("latin1.yml", Some((2, 4)), "this is not UTF-8");
    files.write("utf16.yml", b"\xff\xfea\0:\0");
    check("utf16.yml", Some((1, 1)), "this is UTF-16; save the file as UTF-8");
    let huge = fs::File::create(files.path().join("huge.yml")).expect("a file");
    huge.set_len((64 << 20) + 1).expect("a sparse file");
    check("huge.yml", None, "it is larger than 64 MiB");
}

#[test]
fn problems_are_shown_one_a_line_with_file_place_and_key() {
    let problems = ConfigFile {
        path: PathBuf::from("etc/a.yml"),
        text: "backend_pools: [{name: a, settings: [b], servers: [c]}]\nazur: {}\n".to_owned(),
    }
    .parse()
    .expect_err("two errors");
    assert_eq!(
        problems.to_string(),
        "etc/a.yml:1:38: backend_pools[0].settings[0]: there is no backend setting called `b`; there is none in \
         `backend_settings`\netc/a.yml:2:1: azur: unknown key `azur`; did you mean `azure`?"
    );
}

#[test]
fn a_configuration_is_described_with_its_effective_values() {
    let config = load(
        "probes: [{name: p, protocol: http, interval: 90s, match: {status_codes: ['200,300-302'], body: ok}}]
backend_settings:
- {name: s, protocol: http, probe: p, host_name: a.example.com}
- {name: t, protocol: tls, port: 636, trusted_root_certificates: [certificates/corp-root.pem], validate_sni: false}
backend_pools:
- {name: w, settings: [s, t], servers: [10.0.0.4, 10.0.0.5]}
- {name: x, settings: [s], servers: [10.0.0.4]}",
    );
    assert_eq!(
        describe(&config, &config.listed()),
        "pool w: 2 servers, settings: s, t
pool x: 1 server, settings: s
setting s: http on port 80, probe p, host name a.example.com
setting t: tls on port 636, probe (default), trusts 1 configured certificate, revocation not checked, name not validated
probe p: every 1m30s, timeout 30s, unhealthy after 3 failed probes, path /, expects status 200, 300-302, expects \"ok\" in the body
probe (default): every 30s, timeout 30s, unhealthy after 3 failed probes
certificate expiry warning: 21d ahead
"
    );
}

#[test]
fn fifty_thousand_servers_load() {
    let servers = repeated(50_000, |number| format!("    - s{number}.example.com\n"));
    let config = load(&format!(
        "backend_settings: [{{name: s, protocol: http}}]\nbackend_pools:\n  - name: w\n    settings: [s]\n    servers:\n{servers}"
    ));
    assert_eq!(config.pools[0].sources[0].listed().len(), 50_000);
}

#[test]
fn bombs_are_refused_quickly_and_in_bounded_memory() {
    let check = |name: &str, text: &str, fragment: &str| {
        let mut parsed = None;
        let taken = cpu_time(|| parsed = Some(parse(text)));
        let problems = parsed.unwrap().expect_err(name);
        let first = &problems.as_slice()[0].message;
        assert!(first.contains(fragment), "{name}: {first}");
        assert!(problems.as_slice().len() <= 1_001, "{name}: {} problems", problems.as_slice().len());
        // Far more than is needed in a debug build, far less than any of them takes unbounded.
        assert!(taken < Duration::from_secs(20), "{name}: {taken:?}");
    };
    let laughs = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("{text}a{level}: &a{level} [{uses}]\n")
    });
    check("billion laughs", &laughs, "more than 1000000 values");
    check("a million brackets", &"[".repeat(1_000_000), "nested more than 32 levels");
    check("a million braces", &"{a: ".repeat(1_000_000), "nested more than 32 levels");
    check("a million dashes", &"- ".repeat(1_000_000), "nested more than 32 levels");
    check("a million question marks", &"? ".repeat(1_000_000), "nested more than 32 levels");
    let steps = repeated(2_000, |level| format!("{}a:\n", " ".repeat(level)));
    check("deep indentation", &steps, "nested more than 32 levels");
    check("a long list", &format!("[{}]", "a,".repeat(2_000_000)), "more than 1000000 values");
    check("many documents", &"---\n".repeat(1_000_000), "a second YAML document");
    check("one endless quote", &format!("a: \"{}", "x".repeat(10_000_000)), "not valid YAML");
    check("one endless word", &"x".repeat(10_000_000), "expected a mapping");
    check("many duplicates", &"k: 1\n".repeat(100_000), "duplicate key");
    let unknown = repeated(100_000, |number| format!("key{number}: 1\n"));
    check("many unknown keys", &format!("backend_pools: []\n{unknown}"), "unknown key `key0`");
    let names = repeated(5_000, |number| format!("- {{name: t{number}, protocol: http}}\n"));
    let uses = repeated(50_000, |number| format!("s{number},"));
    let dangling =
        format!("backend_pools:\n- {{name: a, servers: [], settings: [{uses}]}}\nbackend_settings:\n{names}");
    check("many dangling names", &dangling, "there is no backend setting called `s0`");

    // The greatest memory that this process ever used: bounded, while the first bomb alone would need 10^19 values.
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 1 << 20, "{kilobytes} kB");
}

/// One change of a text.
#[derive(Clone, Debug)]
enum Edit {
    Delete {
        at: usize,
        length: usize,
    },
    Insert {
        at: usize,
        text: String,
    },
    /// Puts a part of the text somewhere else, too.
    Copy {
        from: usize,
        length: usize,
        to: usize,
    },
}

impl Edit {
    fn apply(self, characters: &mut Vec<char>) {
        let end = characters.len();
        match self {
            Self::Delete { at, length } => drop(characters.drain(at.min(end)..(at + length).min(end))),
            Self::Insert { at, text } => drop(characters.splice(at.min(end)..at.min(end), text.chars())),
            Self::Copy { from, length, to } => {
                let part = characters[from.min(end)..(from + length).min(end)].to_vec();
                characters.splice(to.min(end)..to.min(end), part);
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = || 0_usize..6_000;
    let piece = "[\\-:{}\\[\\],&*!|>'\"%@`#?~ \t\n\r\\\\a-z0-9.ü\u{0}]{1,6}";
    prop_oneof![
        (at(), 1_usize..40).prop_map(|(at, length)| Edit::Delete { at, length }),
        (at(), piece).prop_map(|(at, text)| Edit::Insert { at, text }),
        (at(), 1_usize..200, at()).prop_map(|(from, length, to)| Edit::Copy { from, length, to }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_good_file_makes_the_loader_panic(edits in prop::collection::vec(edit(), 1..8)) {
        let mut characters: Vec<char> = include_str!("../../config/full.yml").chars().collect();
        for edit in edits {
            edit.apply(&mut characters);
        }
        let text: String = characters.into_iter().collect();
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.as_slice().is_empty());
            let lines = text.lines().count() as u64 + 1;
            for problem in problems.as_slice() {
                prop_assert!(problem.place.is_none_or(|(line, column)| (1..=lines).contains(&line) && column >= 1));
                prop_assert!(!problem.message.is_empty() && !problem.to_string().contains('\n'), "{}", problem);
            }
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,60}|[\\-:{}\\[\\],&*!|>'\"%@#?~ \t\na-z]{0,60}") {
        let _ = parse(&text);
        let _ = parse(&format!("backend_pools:\n{text}"));
    }
}
