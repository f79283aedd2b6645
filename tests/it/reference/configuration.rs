//! `docs/configuration.md`: the reference of every key, made of the table below, whose values the loader itself has tried.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use backend_health_exporter::config::{Config, ConfigFile, Problems};

use super::assert_or_bless;

/// A mapping of the file, and how a value is tried in it.
struct Section {
    /// The name of its table of keys in `src/config/raw.rs`.
    keys: &'static str,
    heading: &'static str,
    about: &'static str,
    /// A file around `KEY: VALUE`, which stands where `@` is.
    frame: &'static str,
}

struct Key {
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    meaning: &'static str,
    /// Values that load, as YAML; with a frame of their own where the section's does not fit.
    good: &'static [&'static str],
    bad: &'static [&'static str],
    frame: Option<&'static str>,
}

const fn key(
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    meaning: &'static str,
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> Key {
    Key { name, default, allowed, meaning, good, bad, frame: None }
}

const FILE: Section = Section {
    keys: "FILE",
    heading: "The file",
    about: "Unknown keys and keys given twice are errors. Names are not case-sensitive.",
    frame: "@\nbackend_settings: [{name: s, protocol: http}]\nbackend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const PROBE: Section = Section {
    keys: "PROBE",
    heading: "`probes[]`",
    about: "How to ask, and what counts as healthy. A setting without a probe uses the default one: `GET /` with Host \
            `127.0.0.1` or the setting's `host_name`, every 30 s, timeout 30 s, threshold 3, status 200 to 399.",
    frame: "probes: [{name: p, protocol: https, @}]\nbackend_settings: [{name: s, protocol: https, host_name: h.test, probe: p}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const MATCH: Section = Section {
    keys: "MATCH",
    heading: "`probes[].match`",
    about: "For http and https.",
    frame: "probes: [{name: p, protocol: http, match: {@}}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const JSON: Section = Section {
    keys: "JSON",
    heading: "`probes[].match.json[]`",
    about: "One value in the body. Exactly one of `equals`, `regex` and `exists`.",
    frame: "probes: [{name: p, protocol: http, match: {json: [{@, exists: true}]}}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const HEADERS: Section = Section {
    keys: "HEADERS",
    heading: "`probes[].match.headers[]`",
    about: "One header of the response; of several with the same name one that fits is enough. Exactly one of `equals`, `regex` and \
            `exists`.",
    frame: "probes: [{name: p, protocol: http, match: {headers: [{@, exists: true}]}}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const BASIC_AUTH: Section = Section {
    keys: "BASIC_AUTH",
    heading: "`probes[].basic_auth`",
    about: "The keys of Prometheus' `http_config`. Secrets are shown nowhere; files are read again when they change.",
    frame: "probes: [{name: p, protocol: http, basic_auth: {@}}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const AUTHORIZATION: Section = Section {
    keys: "AUTHORIZATION",
    heading: "`probes[].authorization`",
    about: "Likewise.",
    frame: "probes: [{name: p, protocol: http, authorization: {@}}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const SETTING: Section = Section {
    keys: "SETTING",
    heading: "`backend_settings[]`",
    about: "How to reach the servers of a pool. A pool may have several.",
    frame: "probes: [{name: p, protocol: https}]\nbackend_settings: [{name: s, protocol: https, @}]\n\
            backend_pools: [{name: w, settings: [s], servers: [a.test]}]",
};
const CLIENT_CERTIFICATE: Section = Section {
    keys: "CLIENT_CERTIFICATE",
    heading: "`backend_settings[].client_certificate`",
    about: "For servers that ask for a certificate. Both keys are required; the files are read again when their content \
            changes.",
    frame: "",
};
const AZURE: Section = Section {
    keys: "AZURE",
    heading: "`azure`",
    about: "Only names, for the resource ids of Azure's REST API, which this program also serves. All four or none; without \
            them that API answers under any names.",
    frame: "",
};
const POOL: Section = Section {
    keys: "POOL",
    heading: "`backend_pools[]`",
    about: "Each server of a pool is probed under each of the pool's settings: every pair is one row of the report.",
    frame: "backend_settings: [{name: s, protocol: http}]\nbackend_pools: [{name: w, settings: [s], servers: [a.test], @}]",
};

const NAMED_POOL: &str =
    "backend_settings: [{name: s, protocol: http}]\nbackend_pools: [{@, settings: [s], servers: [a.test]}]";
const LINKED_POOL: &str =
    "backend_settings: [{name: s, protocol: http}]\nbackend_pools: [{name: w, @, servers: [a.test]}]";
const FILLED_POOL: &str = "backend_settings: [{name: s, protocol: http}]\nbackend_pools: [{name: w, settings: [s], @}]";
const NAMED_SETTING: &str =
    "backend_settings: [{@, protocol: http}]\nbackend_pools: [{name: w, settings: [x], servers: [a.test]}]";
const SETTING_OF: &str =
    "backend_settings: [{name: s, port: 1, @}]\nbackend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const NAMED_PROBE: &str = "probes: [{@, protocol: http}]\nbackend_settings: [{name: s, protocol: http, probe: x}]\n\
                           backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const PROBE_OF: &str = "probes: [{name: p, @}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
                        backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const TCP_PROBE: &str = "probes: [{name: p, protocol: tcp, @}]\nbackend_settings: [{name: s, protocol: tcp, port: 25, probe: p}]\n\
                         backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const POST_PROBE: &str = "probes: [{name: p, protocol: http, method: POST, @}]\nbackend_settings: [{name: s, protocol: http, probe: p}]\n\
                          backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const JSON_RULE: &str = "probes: [{name: p, protocol: http, match: {json: [{path: $.a, @}]}}]\n\
                         backend_settings: [{name: s, protocol: http, probe: p}]\n\
                         backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const HEADER_RULE: &str = "probes: [{name: p, protocol: http, match: {headers: [{name: X, @}]}}]\n\
                           backend_settings: [{name: s, protocol: http, probe: p}]\n\
                           backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const AUTHORIZED: &str = "probes: [{name: p, protocol: http, authorization: {credentials: a, @}}]\n\
                          backend_settings: [{name: s, protocol: http, probe: p}]\n\
                          backend_pools: [{name: w, settings: [s], servers: [a.test]}]";
const WITHOUT_POOLS: &str = "backend_settings: [{name: s, protocol: http}]\n@";

/// Every section with its keys, in the order in which they are shown.
#[expect(clippy::too_many_lines, reason = "a table")]
fn reference() -> Vec<(Section, Vec<Key>)> {
    let in_frame = |frame, key| Key { frame: Some(frame), ..key };
    vec![
        (
            FILE,
            vec![
                in_frame(
                    WITHOUT_POOLS,
                    key(
                        "backend_pools",
                        "required",
                        "a list",
                        "The servers, in pools.",
                        &["[{name: w, settings: [s], servers: [a.test]}]", "[]"],
                        &["a.test"],
                    ),
                ),
                key("backend_settings", "none", "a list", "Protocol, port, names and trust.", &[], &[]),
                key("probes", "none", "a list", "Custom health probes.", &["[]"], &["{}"]),
                key(
                    "certificate_expiry_warning",
                    "`21d`",
                    "`0s` to `3650d`",
                    "A Healthy row whose certificate chain ends sooner carries a warning; by a quarter of a certificate's lifetime, where that is shorter.",
                    &["0s", "21d", "3650d"],
                    &["3651d", "21", "-1d", "soon"],
                ),
                key(
                    "azure",
                    "none",
                    "a mapping",
                    "Names for Azure's REST API.",
                    &["{subscription: a, resource_group: b, application_gateway: c, location: d}"],
                    &["{subscription: a}", "yes"],
                ),
            ],
        ),
        (
            PROBE,
            vec![
                in_frame(
                    NAMED_PROBE,
                    key(
                        "name",
                        "required",
                        "unique, at most 128 characters",
                        "The name that settings refer to.",
                        &["x"],
                        &["\"\"", "y"],
                    ),
                ),
                in_frame(
                    PROBE_OF,
                    key(
                        "protocol",
                        "required",
                        "`http`, `https`, `tcp` or `tls`",
                        "The same as that of the settings that use it.",
                        &["protocol: http"],
                        &["protocol: https", "protocol: icmp"],
                    ),
                ),
                key(
                    "host",
                    "the setting's `host_name`, else the server as written",
                    "a host name or IP address, without a port",
                    "Host header and TLS server name (SNI).",
                    &["api.test", "10.0.0.1", "\"[2001:db8::7]\""],
                    &["api.test:443", "\"a b\"", "\"\""],
                ),
                key(
                    "path",
                    "`/`",
                    "ASCII without spaces, starts with `/`, at most 4096 characters; http and https",
                    "The request path.",
                    &["/", "/healthz?full=1"],
                    &["healthz", "\"/a b\"", "/ä"],
                ),
                key(
                    "port",
                    "the setting's `port`",
                    "1 to 65535",
                    "Where to probe, when that is not where the traffic goes.",
                    &["1", "65535"],
                    &["0", "65536", "https"],
                ),
                key(
                    "interval",
                    "`30s`",
                    "`100ms` to `24h`",
                    "Time from one probe of a row to the next.",
                    &["100ms", "24h", "1m30s"],
                    &["99ms", "25h", "30", "0s"],
                ),
                key(
                    "timeout",
                    "`30s`, or the interval when that is shorter",
                    "`100ms` to `24h`; longer than the interval is a warning",
                    "For a whole probe, name resolution included.",
                    &["100ms", "30s"],
                    &["99ms", "25h", "5"],
                ),
                key(
                    "unhealthy_threshold",
                    "`3`",
                    "1 to 20",
                    "Failed probes in a row that make a row Unhealthy; the first counts.",
                    &["1", "20"],
                    &["0", "21", "three"],
                ),
                key(
                    "healthy_threshold",
                    "`1`",
                    "1 to 20",
                    "Successful probes in a row that make a row Healthy again. A new row needs one.",
                    &["1", "20"],
                    &["0", "21", "two"],
                ),
                key(
                    "unhealthy_interval",
                    "the interval",
                    "`100ms` to `24h`",
                    "Time from one probe to the next after a failed one, and until the row is Healthy.",
                    &["100ms", "5s", "24h"],
                    &["99ms", "25h", "5"],
                ),
                key(
                    "pick_host_name_from_backend_settings",
                    "`false`",
                    "`true` or `false`; not with `host`",
                    "Take the host from the setting, which must then have a `host_name` or pick it from the address.",
                    &["true", "false"],
                    &["maybe", "1"],
                ),
                key(
                    "match",
                    "status 200 to 399, any body",
                    "a mapping; http and https",
                    "What counts as healthy.",
                    &["{}", "{body: ok}"],
                    &["ok", "[200]"],
                ),
                key(
                    "method",
                    "`GET`",
                    "`GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`; http and https",
                    "How to ask.",
                    &["HEAD", "post"],
                    &["TRACE", "\"\""],
                ),
                key(
                    "headers",
                    "none",
                    "names to values; not Host, Connection, Content-Length, Transfer-Encoding; http and https",
                    "Sent as written, in this order. A value is shown unless its name says that it is a login (`Authorization`, `Cookie`, \
                     `...Token`, `...Secret`, `...Api-Key`).",
                    &["{X-Probe: \"1\"}", "{User-Agent: probe}", "{}"],
                    &[
                        "{Host: a.test}",
                        "{Connection: close}",
                        "{\"X Y\": a}",
                        "{X-A: \"a\\nb\"}",
                        "{X-A: 1, x-a: 2}",
                        "[X]",
                    ],
                ),
                key(
                    "header_files",
                    "none",
                    "names to files; as above",
                    "The value is the file's text without its last line end. It is never shown, and read again when it changes.",
                    &["{X-Api-Key: secrets/api-key.txt}"],
                    &["{X-Api-Key: missing.txt}", "{Host: secrets/api-key.txt}", "{X-A: certificates/corp-root.pem}"],
                ),
                in_frame(
                    POST_PROBE,
                    key(
                        "body",
                        "none",
                        "text of at most 64 KiB, with a `method` that has a body; http and https",
                        "Sent after the head.",
                        &["\"{}\"", "\"\""],
                        &["[a]", "a, body_file: secrets/api-key.txt"],
                    ),
                ),
                in_frame(
                    POST_PROBE,
                    key(
                        "body_file",
                        "none",
                        "a file; as above",
                        "The body from a file, which is read again when it changes. It is never shown.",
                        &["secrets/api-key.txt"],
                        &["missing.json"],
                    ),
                ),
                key(
                    "basic_auth",
                    "none",
                    "a mapping; http and https; not with `authorization`",
                    "Logs in with a name and a password.",
                    &["{username: probe, password_file: secrets/password.txt}", "{username: probe, password: open}"],
                    &[
                        "{username: \"a:b\", password: open}",
                        "{username: a, password: b, password_file: secrets/password.txt}",
                        "{username: a, password: b}, authorization: {credentials: c}",
                        "probe",
                    ],
                ),
                key(
                    "authorization",
                    "none",
                    "a mapping; http and https; not with `basic_auth`",
                    "Logs in with a token.",
                    &["{credentials_file: secrets/token.txt}", "{type: Token, credentials: open}"],
                    &["{}", "{type: Basic, credentials: a}", "{credentials_file: missing.txt}"],
                ),
                in_frame(
                    TCP_PROBE,
                    key(
                        "enable_probe_proxy_protocol_header",
                        "`false`",
                        "`true` or `false`; tcp and tls",
                        "Send a PROXY protocol v1 line first, as the probes of a load balancer do.",
                        &["true", "false"],
                        &["v1"],
                    ),
                ),
            ],
        ),
        (
            MATCH,
            vec![
                key(
                    "status_codes",
                    "`[\"200-399\"]`",
                    "codes and ranges from 100 to 999, several in one text with commas: `200-399,401`",
                    "Status codes that count as healthy.",
                    &["[200]", "[\"100-999\"]", "[200, 301-302]"],
                    &["[99]", "[1000]", "[\"399-200\"]", "[ok]", "[]"],
                ),
                key(
                    "body",
                    "any",
                    "at most 4090 characters",
                    "Text that the first 64 KiB of the body must contain; compared byte by byte.",
                    &["ok", "\"\""],
                    &["[ok]"],
                ),
                key(
                    "body_regex",
                    "any",
                    "a regular expression of the Rust crate `regex`, unanchored",
                    "What the same part of the body must match; decoded first when the server sent it with gzip or deflate.",
                    &["\"^(ok|ready)\"", "ready"],
                    &["\"(\"", "\"a(?=b)\"", "\"\""],
                ),
                key(
                    "body_not_regex",
                    "none",
                    "as above",
                    "What it must not match.",
                    &["\"(?i)maintenance\""],
                    &["\"[\""],
                ),
                key(
                    "json",
                    "none",
                    "a list; see below",
                    "What the body says as JSON; every entry must hold.",
                    &["[{path: $.status, equals: UP}]", "[]"],
                    &["[{path: status, equals: UP}]", "[{path: $.a}]", "[{equals: 1}]", "{path: $.a, equals: 1}"],
                ),
                key(
                    "headers",
                    "none",
                    "a list; see below",
                    "What the response's headers say; every entry must hold.",
                    &["[{name: X-Ready, regex: \"^yes$\"}]", "[{name: X-Draining, exists: false}]"],
                    &["[{name: \"X Y\", exists: true}]", "[{name: X, exists: true, regex: a}]", "[{exists: true}]"],
                ),
            ],
        ),
        (
            JSON,
            vec![
                key(
                    "path",
                    "required",
                    "a JSONPath (RFC 9535), with `..` at most twice, and neither `$` nor `..` within a filter",
                    "Selects values. Of several one that fits is enough.",
                    &["$.status", "\"$.components[?@.name == 'db'].status\""],
                    &["status", "\"$..*..*..*\"", "\"$[?$..a]\""],
                ),
                in_frame(
                    JSON_RULE,
                    key(
                        "equals",
                        "one of the three",
                        "a text, a number, `true`, `false` or `null`",
                        "The value, of the same type.",
                        &["UP", "1", "\"1\"", "true", "null"],
                        &["[1]", "UP, exists: true"],
                    ),
                ),
                in_frame(
                    JSON_RULE,
                    key(
                        "regex",
                        "one of the three",
                        "a regular expression",
                        "What a text must match.",
                        &["^UP"],
                        &["\"(\""],
                    ),
                ),
                in_frame(
                    JSON_RULE,
                    key(
                        "exists",
                        "one of the three",
                        "`true` or `false`",
                        "Whether there must be one.",
                        &["true", "false"],
                        &["maybe"],
                    ),
                ),
            ],
        ),
        (
            HEADERS,
            vec![
                key(
                    "name",
                    "required",
                    "the name of a header",
                    "Upper and lower case are the same.",
                    &["X-Ready"],
                    &["\"X Y\""],
                ),
                in_frame(
                    HEADER_RULE,
                    key("equals", "one of the three", "a text", "The value.", &["application/json"], &["[a]"]),
                ),
                in_frame(
                    HEADER_RULE,
                    key(
                        "regex",
                        "one of the three",
                        "a regular expression",
                        "What the value must match.",
                        &["\"^yes$\""],
                        &["\"(\""],
                    ),
                ),
                in_frame(
                    HEADER_RULE,
                    key(
                        "exists",
                        "one of the three",
                        "`true` or `false`",
                        "Whether it must be there.",
                        &["true", "false"],
                        &["maybe"],
                    ),
                ),
            ],
        ),
        (
            BASIC_AUTH,
            vec![
                key("username", "empty", "text without a colon", "The name.", &["probe"], &["\"a:b\""]),
                key(
                    "username_file",
                    "none",
                    "a file",
                    "The name from a file.",
                    &["secrets/token.txt"],
                    &["missing.txt"],
                ),
                key("password", "empty", "text", "The password.", &["open"], &["[a]"]),
                key(
                    "password_file",
                    "none",
                    "a file",
                    "The password from a file.",
                    &["secrets/password.txt"],
                    &["missing.txt"],
                ),
            ],
        ),
        (
            AUTHORIZATION,
            vec![
                in_frame(
                    AUTHORIZED,
                    key("type", "`Bearer`", "text; not `Basic`", "The scheme.", &["Token"], &["Basic"]),
                ),
                key("credentials", "one of the two", "text", "What follows the scheme.", &["open"], &["\"\""]),
                key(
                    "credentials_file",
                    "one of the two",
                    "a file",
                    "The same from a file.",
                    &["secrets/token.txt"],
                    &["missing.txt"],
                ),
            ],
        ),
        (
            SETTING,
            vec![
                in_frame(
                    NAMED_SETTING,
                    key(
                        "name",
                        "required",
                        "unique, at most 128 characters",
                        "The name that pools refer to.",
                        &["x"],
                        &["\"\"", "y"],
                    ),
                ),
                in_frame(
                    SETTING_OF,
                    key(
                        "protocol",
                        "required",
                        "`http`, `https`, `tcp` or `tls`",
                        "How to reach the servers.",
                        &["protocol: http", "protocol: https", "protocol: tcp", "protocol: tls"],
                        &["protocol: ftp"],
                    ),
                ),
                key(
                    "port",
                    "80 for http, 443 for https; required for tcp and tls",
                    "1 to 65535",
                    "Where the servers listen.",
                    &["1", "8443", "65535"],
                    &["0", "65536"],
                ),
                key(
                    "probe",
                    "the default probe",
                    "the name of a probe with the same protocol",
                    "How to ask.",
                    &["p", "P"],
                    &["q"],
                ),
                key(
                    "host_name",
                    "none",
                    "a host name or IP address, without a port",
                    "Host header and TLS server name where the probe has no `host`.",
                    &["api.test"],
                    &["api.test:443"],
                ),
                key(
                    "pick_host_name_from_backend_address",
                    "`false`",
                    "`true` or `false`; not with `host_name`, nor with servers that are IP addresses",
                    "Use each server's own name as Host and TLS server name.",
                    &["true", "false"],
                    &["maybe"],
                ),
                key(
                    "trusted_root_certificates",
                    "the well-known CAs of this host",
                    "PEM or DER files; https and tls",
                    "The CAs to trust, or a server's very own certificate.",
                    &["[certificates/corp-root.pem]"],
                    &["[missing.pem]", "certificates/corp-root.pem"],
                ),
                key(
                    "certificate_revocation_lists",
                    "revocation is not checked",
                    "PEM or DER files; https and tls",
                    "Certificates on them are refused.",
                    &["[certificates/corp-root.crl.pem]", "[]"],
                    &["[certificates/corp-root.pem]", "[missing.pem]"],
                ),
                key(
                    "validate_cert_chain_and_expiry",
                    "`true`",
                    "`true` or `false`; https and tls",
                    "`false`: chain and date faults are only warnings.",
                    &["true", "false"],
                    &["strict"],
                ),
                key(
                    "validate_sni",
                    "`true`",
                    "`true` or `false`; https and tls",
                    "`false`: a wrong name in the certificate is only a warning.",
                    &["true", "false"],
                    &["strict"],
                ),
                key(
                    "sni_name",
                    "the probe's `host`, else `host_name`, else the server's own name",
                    "a host name; https and tls",
                    "The name to send as SNI and to find in the certificate, when it is not the host above.",
                    &["api.internal.test", "null"],
                    &["api.test:443"],
                ),
                key(
                    "client_certificate",
                    "none",
                    "a mapping; https and tls",
                    "The client certificate, for servers that ask for one.",
                    &["{certificate: certificates/client.pem, private_key: certificates/client.key}"],
                    &[
                        "{certificate: certificates/client.pem}",
                        "{certificate: certificates/client.pem, private_key: certificates/client.pem}",
                    ],
                ),
            ],
        ),
        (
            CLIENT_CERTIFICATE,
            vec![
                key(
                    "certificate",
                    "required",
                    "a PEM or DER file; its issuers may follow it",
                    "The certificate.",
                    &[],
                    &[],
                ),
                key("private_key", "required", "a PEM or DER file, not encrypted", "Its key.", &[], &[]),
            ],
        ),
        (
            AZURE,
            vec![
                key("subscription", "required", "text", "The subscription's id.", &[], &[]),
                key("resource_group", "required", "text", "The resource group's name.", &[], &[]),
                key("application_gateway", "required", "text", "The application gateway's name.", &[], &[]),
                key("location", "required", "text", "Its region.", &[], &[]),
            ],
        ),
        (
            POOL,
            vec![
                in_frame(
                    NAMED_POOL,
                    key(
                        "name",
                        "required",
                        "unique, at most 128 characters",
                        "As in the report and in labels.",
                        &["w"],
                        &["\"\""],
                    ),
                ),
                in_frame(
                    LINKED_POOL,
                    key(
                        "settings",
                        "required",
                        "names of backend settings",
                        "Under which the servers are probed; none is a warning.",
                        &["[s]", "[]"],
                        &["[t]", "[s, s]"],
                    ),
                ),
                in_frame(
                    FILLED_POOL,
                    key(
                        "servers",
                        "required",
                        "IP addresses and host names, without ports; IPv6 addresses may stand in brackets, and then in quotes",
                        "Each once; none is a warning.",
                        &["[10.0.0.4, app.test, \"[2001:db8::7]\"]", "[\"2001:db8::7\"]", "[]"],
                        &["[app.test:80]", "[a.test, A.test]", "[\"\"]", "[http://a.test]"],
                    ),
                ),
                key(
                    "min_servers",
                    "none",
                    "0 to 100000",
                    "How many servers the pool should have. Shown, and in `backend_health_pool_min_servers`; it changes no state.",
                    &["0", "2"],
                    &["-1", "100001", "two"],
                ),
            ],
        ),
    ]
}

fn load(text: &str) -> Result<Config, Problems> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/test.yml");
    ConfigFile { path, text: text.to_owned() }.parse()
}

/// The frame with the key in it. A value that names its own key stands as it is.
fn filled(section: &Section, key: &Key, value: &str) -> String {
    let pair =
        if value.starts_with(&format!("{}:", key.name)) { value.to_owned() } else { format!("{}: {value}", key.name) };
    key.frame.unwrap_or(section.frame).replace('@', &pair)
}

#[test]
fn the_values_that_the_reference_allows_load_and_the_others_do_not() {
    let (mut good, mut bad) = (0, 0);
    for (section, keys) in &reference() {
        for key in keys {
            // What refers to a name needs one that is there: `x` for the good ones.
            for value in key.good {
                let text = filled(section, key, value);
                assert!(
                    load(&text).is_ok(),
                    "{text}\n{}",
                    load(&text).err().map(|problems| problems.to_string()).unwrap_or_default()
                );
                good += 1;
            }
            for value in key.bad {
                let text = filled(section, key, value);
                assert!(load(&text).is_err(), "this loads:\n{text}");
                bad += 1;
            }
        }
    }
    assert!(good > 50 && bad > 50, "{good} {bad}");
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let read = |file| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config").join(file)).unwrap();
    let mut source = read("raw.rs") + &read("probe.rs") + &read("matching.rs") + &read("login.rs");
    // A key that the code speaks of in several places has a name of its own, in the table too.
    for (name, key) in
        source.clone().lines().filter_map(|line| line.strip_prefix("pub(super) const ")?.split_once(": &str = "))
    {
        source = source.replace(&format!("    {name},"), &format!("    {},", key.trim_end_matches(';')));
    }
    for (section, keys) in reference() {
        let table = source.split_once(&format!("const {}: &[&str] =", section.keys)).expect("its table of keys").1;
        let table = table.split_once(';').expect("an end").0;
        let there: BTreeSet<&str> = table.split('"').skip(1).step_by(2).collect();
        let told: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(told, there, "{}", section.heading);
    }
    let tables = source.matches(": &[&str] =").count();
    assert_eq!(tables, reference().len(), "each table of keys has its section");
}

#[test]
fn the_page_is_what_the_reference_says() {
    let mut page = String::from(
        "# Configuration\n\n\
         One YAML file, `--config.file` (`backend_health.yml` where the exporter starts). `backend_health_exporter check` says what is wrong\n\
         with it, by line, column and key, or what would be probed. [`config/backend_health.yml`](../config/backend_health.yml) is the smallest\n\
         useful file, [`config/full.yml`](../config/full.yml) has every key.\n\n\
         `SIGHUP` or `POST /-/reload` reads it again. The certificates and lists that it names are read again by themselves when their\n\
         content changes. A file with errors changes nothing.\n\n\
         Durations are Prometheus durations: `500ms`, `30s`, `1m30s`, `1h`, `21d`. Names of files start from the directory of this file.\n",
    );
    for (section, keys) in reference() {
        let Section { heading, about, .. } = section;
        let _ = write!(page, "\n## {heading}\n\n{about}\n\n| key | default | allowed | |\n|---|---|---|---|\n");
        for Key { name, default, allowed, meaning, .. } in keys {
            let _ = writeln!(page, "| `{name}` | {default} | {allowed} | {meaning} |");
        }
    }
    page.push_str(
        "\n## Which name goes where\n\n\
         | | the first of these that there is |\n|---|---|\n\
         | Host header | the probe's `host`; the setting's `host_name`; with a custom probe the server as written; `127.0.0.1` |\n\
         | TLS server name, and the name that the certificate must have | `sni_name`; the probe's `host`; the setting's `host_name`; the server's own name |\n\n\
         With `pick_host_name_from_backend_address` both are the server's own name; an `sni_name` still comes first. An IP address is never sent\n\
         as server name (RFC 6066, section 3), and is matched against the certificate's IP addresses. The Host header has no port.\n",
    );
    assert_or_bless("docs/configuration.md", &page);
}
