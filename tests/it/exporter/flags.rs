//! Flags, exit codes, and which of the two outputs says what.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use backend_health_exporter::lab::tls::{Credential, Profile};
use backend_health_exporter::lab::{Backend, Behaviour, http};
use reqwest::StatusCode;
use rustls::RootCertStore;
use tokio::time::{Instant, sleep};

use super::process::{Ended, Process};
use super::{BINARY, ConfigFile, DEADLINE, Exporter, PAUSE, http_client, listening, text};

/// Two servers, at which nobody listens; probed once when the exporter starts.
const GOOD: &str = "\
backend_settings:
  - {name: http-1, protocol: http, port: 1}
backend_pools:
  - {name: web, settings: [http-1], servers: [127.0.0.1, '[::1]']}
";

/// An unknown key in the second line, a dangling reference in the fourth.
const BAD: &str = "\
backend_settings:
  - {name: http-1, protocol: http, prot: 1}
backend_pools:
  - {name: web, settings: [http-2], servers: [127.0.0.1]}
";

/// Runs it to its end.
async fn outcome(arguments: &[&str]) -> Ended {
    Process::spawn(Command::new(BINARY).args(arguments)).ended(DEADLINE).await
}

fn code(ended: &Ended) -> Option<i32> {
    ended.status.code()
}

#[tokio::test]
async fn version_and_help_are_data_on_standard_output() {
    let version = outcome(&["--version"]).await;
    assert_eq!(version.stdout, format!("backend_health_exporter {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!((code(&version), version.stderr.as_str()), (Some(0), ""));

    let web = [
        "--web.listen-address",
        "--web.telemetry-path",
        "--web.config.file",
        "--web.external-url",
        "--web.route-prefix",
        "--web.allowed-host",
        "--web.trusted-proxy",
        "--web.open-health",
        "--web.on-demand",
        "--log.level",
        "--log.format",
    ];
    let run = ["--config.file", "--dns.nameserver", "--dns.last-known-good"];
    let cases: [(&[&str], Vec<&str>); 6] = [
        (
            &["--help"],
            [&web as &[_], &run, &["run", "demo", "check", "report", ":19115", "backend_health.yml"]].concat(),
        ),
        (&["help"], ["demo", "check"].to_vec()),
        (&["run", "--help"], [&web as &[_], &run].concat()),
        (&["demo", "--help"], web.to_vec()),
        (&["check", "--help"], ["--config.file"].to_vec()),
        (
            &["report", "--help"],
            ["--url", "--http.config.file", "--watch", "worst", "http://127.0.0.1:19115", "Exit code: 0", "3 none"]
                .to_vec(),
        ),
    ];
    for (arguments, words) in cases {
        let help = outcome(arguments).await;
        assert_eq!((code(&help), help.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        for word in words {
            assert!(help.stdout.contains(word), "{arguments:?} does not tell about {word}:\n{}", help.stdout);
        }
    }
}

#[tokio::test]
async fn check_says_what_would_be_probed_or_what_is_wrong() {
    let config = ConfigFile::new(GOOD);
    let good = outcome(&["check", "--config.file", text(&config.path)]).await;
    assert_eq!((code(&good), good.stderr.as_str()), (Some(0), ""));
    for word in ["2 rows", "web / http-1 / 127.0.0.1:", "web / http-1 / [::1]:", "port 1 "] {
        assert!(good.stdout.contains(word), "{word}:\n{}", good.stdout);
    }

    config.write(&GOOD.replace("servers: [127.0.0.1, '[::1]']", "servers: []"));
    let warned = outcome(&["check", "--config.file", text(&config.path)]).await;
    assert_eq!(code(&warned), Some(0));
    assert!(warned.stderr.contains("warning: ") && warned.stderr.contains("backend_health.yml:4:"), "{warned:?}");
    assert!(warned.stdout.contains("0 rows"), "{warned:?}");

    config.write(BAD);
    let bad = outcome(&["check", "--config.file", text(&config.path)]).await;
    assert_eq!((code(&bad), bad.stdout.as_str()), (Some(2), ""));
    let places: Vec<&str> = bad.stderr.lines().filter(|line| line.contains("/backend_health.yml:")).collect();
    assert!(places.iter().any(|line| line.contains("backend_health.yml:2:36: ") && line.contains("prot")), "{bad:?}");

    // In the working directory, when no flag says where.
    config.write(GOOD);
    let mut command = Command::new(BINARY);
    let here = Process::spawn(command.arg("check").current_dir(config.directory.path())).ended(DEADLINE).await;
    assert_eq!((code(&here), here.stdout), (Some(0), good.stdout));
}

#[tokio::test]
async fn an_output_that_nobody_reads_any_more_is_no_crash() {
    let config = ConfigFile::new(GOOD);
    let bad = ConfigFile::new(BAD);
    // (arguments, exit code)
    let cases: [(&[&str], i32); 4] = [
        (&["check", "--config.file", text(&config.path)], 0),
        (&["check", "--config.file", text(&bad.path)], 2),
        (&["run", "--config.file", text(&bad.path)], 2),
        (&["--version"], 0),
    ];
    for (arguments, expected) in cases {
        let mut command = Command::new(BINARY);
        command.args(arguments).stdin(Stdio::null()).stdout(unread()).stderr(unread());
        let ended = Process::spawn_as_it_is(&mut command).ended(DEADLINE).await;
        assert_eq!(code(&ended), Some(expected), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_exporter_outlives_whoever_reads_its_log() {
    let config = ConfigFile::new(GOOD);
    let address = free_address();
    let mut command = Command::new(BINARY);
    command.args(["--config.file", text(&config.path), "--web.listen-address", &address, "--log.level", "debug"]);
    let process = Process::spawn_as_it_is(command.stdin(Stdio::null()).stdout(unread()).stderr(unread()));
    let exporter = answering(process, &address).await;
    exporter.get_until("/-/ready", 200).await;
    let scrape = exporter.scrape().await;
    assert_eq!(scrape.samples("backend_health_state", &[]).len(), 6, "both rows were probed, and their changes logged");
}

/// The writing end of a pipe whose reading end is closed.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[tokio::test]
async fn what_cannot_run_ends_with_2_and_says_why() {
    let good = ConfigFile::new(GOOD);
    let bad = ConfigFile::new(BAD);
    let web = good.write_beside("web.yml", "tls_server_config: {cert_file: missing.pem, key_file: missing.key}\n");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().expect("it is bound").to_string();
    let (good, bad) = (text(&good.path), text(&bad.path));
    let listen = ["--web.listen-address", "127.0.0.1:0"];
    // Arguments, and words of the answer.
    let cases: [(&[&str], &[&str]); 22] = [
        (&["--config.file", bad], &["backend_health.yml:2:36", "prot"]),
        (&["run", "--config.file", bad], &["backend_health.yml:2:36", "prot"]),
        (&["run", "--config.file", "/nowhere/to/be.yml"], &["/nowhere/to/be.yml"]),
        (&["check", "--config.file", "/nowhere/to/be.yml"], &["/nowhere/to/be.yml"]),
        (&["--config.file", good, "--web.listen-address", &taken], &["--web.listen-address", &taken, "in use"]),
        (&["demo", "--web.listen-address", &taken], &["--web.listen-address", &taken, "in use"]),
        (&["--config.file", good, "--web.listen-address", "nonsense"], &["--web.listen-address", "nonsense"]),
        (&["--config.file", good, "--web.telemetry-path", "metrics"], &["--web.telemetry-path", "/metrics"]),
        (&["--config.file", good, "--web.telemetry-path", "/-/ready"], &["--web.telemetry-path"]),
        (&["--config.file", good, "--web.route-prefix", "a//b"], &["--web.route-prefix"]),
        (&["--config.file", good, "--web.external-url", "ftp://h"], &["--web.external-url"]),
        (&["--config.file", good, "--web.config.file", "/nowhere/web.yml"], &["/nowhere/web.yml"]),
        (&["--config.file", good, "--web.config.file", text(&web)], &["web.yml:1:", "missing.pem"]),
        (&["--config.file", good, "--dns.nameserver", "127.0.0.1"], &["--dns.nameserver", "127.0.0.1"]),
        (&["--config.file", good, "--dns.last-known-good", "never"], &["--dns.last-known-good", "never"]),
        (&["--config.file", good, "--log.level", "loud"], &["--log.level", "warn"]),
        (&["--config.file", good, "--log.format", "xml"], &["--log.format", "logfmt", "json"]),
        (&["--unknown-flag"], &["--unknown-flag"]),
        (&["run", "--unknown-flag"], &["--unknown-flag"]),
        (&["conquer"], &["conquer"]),
        (&["check", "--web.listen-address", "127.0.0.1:0"], &["--web.listen-address"]),
        (&[listen[0], listen[1], "check"], &["check"]),
    ];
    for (arguments, words) in cases {
        let ended = outcome(arguments).await;
        assert_eq!(code(&ended), Some(2), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{arguments:?} says nothing of {word}:\n{}", ended.stderr);
        }
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn it_listens_wherever_it_is_told_to() {
    let config = ConfigFile::new(GOOD);
    let mut command = Command::new(BINARY);
    command.args(["--config.file", text(&config.path)]);
    for address in ["127.0.0.1:0", "[::1]:0", "localhost:0", ":0"] {
        command.args(["--web.listen-address", address]);
    }
    let exporter = Exporter::start_by(&mut command).await;
    exporter.get_until("/-/ready", 200).await;
    let addresses: Vec<SocketAddr> = exporter.process.stderr().iter().filter_map(|line| listening(line)).collect();
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(ips, ["127.0.0.1", "::1", "127.0.0.1", "::"]);
    let everywhere = addresses[3].port();
    let sites = addresses[..3]
        .iter()
        .map(ToString::to_string)
        .chain(["127.0.0.1", "[::1]"].map(|ip| format!("{ip}:{everywhere}")));
    for site in sites {
        let response = exporter.client.get(format!("http://{site}/-/healthy")).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{site}");
    }
}

#[tokio::test]
async fn the_site_lies_where_the_flags_put_it() {
    // Flags, paths that are there, paths that are not.
    let cases: [(&[&str], &[&str], &[&str]); 5] = [
        (&[], &["/", "/metrics", "/-/healthy"], &["/telemetry", "/probes/"]),
        (&["--web.telemetry-path", "/telemetry"], &["/", "/telemetry", "/-/ready"], &["/metrics"]),
        (
            &["--web.route-prefix", "/probes"],
            &["/probes/", "/probes/metrics", "/probes/-/ready"],
            &["/metrics", "/-/ready"],
        ),
        (&["--web.external-url", "https://example.com/health/"], &["/health/", "/health/metrics"], &["/metrics"]),
        (
            &["--web.external-url", "https://example.com/health", "--web.route-prefix", "/"],
            &["/", "/metrics"],
            &["/health/", "/health/metrics"],
        ),
    ];
    let config = ConfigFile::new(GOOD);
    for (flags, there, not_there) in cases {
        let exporter = Exporter::start(&[&["--config.file", text(&config.path)] as &[_], flags].concat()).await;
        for path in there.iter().filter(|path| !path.ends_with("ready")) {
            assert_eq!(exporter.get(path).await.status, 200, "{flags:?} {path}");
        }
        for path in there.iter().filter(|path| path.ends_with("ready")) {
            exporter.get_until(path, 200).await;
        }
        for path in not_there {
            let reply = exporter.get(path).await;
            assert_eq!(reply.status, 404, "{flags:?} {path}");
            assert!(reply.body.contains(there[0]) && reply.body.contains("metrics"), "{}", reply.body);
        }
        // The page's own links lead somewhere, resolved as a browser does it.
        let page = exporter.get(there[0]).await.body;
        let base = reqwest::Url::parse("http://site.test").and_then(|site| site.join(there[0])).unwrap();
        let links = page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let links: BTreeSet<String> = links
            .map(|link| base.join(&link.replace("&amp;", "&")).unwrap())
            .map(|link| {
                format!("{}?{}", link.path(), link.query().unwrap_or_default()).trim_end_matches('?').to_owned()
            })
            .collect();
        assert!(links.contains(there[1]), "{flags:?}: {links:?}");
        for link in links {
            exporter.get_until(&link, 200).await;
        }
    }
}

#[tokio::test]
async fn tls_and_logins_guard_the_site_when_the_web_configuration_says_so() {
    let config = ConfigFile::new(GOOD);
    let root = Credential::self_signed(&Profile::authority("Our Root")).unwrap();
    let leaf = root.issue(&Profile::server("127.0.0.1")).unwrap();
    config.write_beside("site.pem", leaf.pem());
    config.write_beside("site.key", leaf.key_pem());
    let hash = bcrypt::hash("correct horse", 4).unwrap();
    let web = config.write_beside(
        "web.yml",
        format!(
            "tls_server_config: {{cert_file: site.pem, key_file: site.key}}\nbasic_auth_users: {{prometheus: '{hash}'}}\n"
        ),
    );
    let exporter = Exporter::start(&["--config.file", text(&config.path), "--web.config.file", text(&web)]).await;
    let mut roots = RootCertStore::empty();
    roots.add(root.der()).unwrap();
    let client = http_client(roots).build().unwrap();
    let metrics = format!("https://{}/metrics", exporter.address);
    let ask = async |password: Option<&str>| {
        let request = client.get(&metrics);
        let request = match password {
            Some(password) => request.basic_auth("prometheus", Some(password)),
            None => request,
        };
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask(Some("correct horse")).await, 200);
    assert_eq!(ask(Some("wrong horse")).await, 401);
    assert_eq!(ask(None).await, 401);
    let strangers = exporter.client.get(&metrics).basic_auth("prometheus", Some("correct horse"));
    assert!(strangers.send().await.is_err(), "the client does not know this root");
}

#[tokio::test]
async fn the_log_level_decides_what_is_written() {
    let backend = Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap();
    let config = ConfigFile::new(&format!(
        "probes: [{{name: quick, protocol: http, interval: 100ms, timeout: 20s, unhealthy_threshold: 1}}]\n\
         backend_settings: [{{name: http, protocol: http, port: {}, probe: quick}}]\n\
         backend_pools: [{{name: web, settings: [http], servers: [127.0.0.1]}}]\n",
        backend.address().port()
    ));
    let good = std::fs::read_to_string(&config.path).unwrap();
    // Which levels of lines are there: of debug none need to be.
    let cases: [(&str, &[&str]); 4] = [
        ("debug", &["error", "info", "warn"]),
        ("info", &["error", "info", "warn"]),
        ("warn", &["error", "warn"]),
        ("error", &["error"]),
    ];
    for (level, expected) in cases {
        backend.set(http::ok()).unwrap();
        config.write(&good);
        let address = free_address();
        let process = Process::spawn(Command::new(BINARY).args([
            "--config.file",
            text(&config.path),
            "--log.level",
            level,
            "--web.listen-address",
            &address,
        ]));
        let mut exporter = answering(process, &address).await;
        let shows = |state: &'static str| move |scrape: &super::Scrape| scrape.state(&[]).as_deref() == Some(state);
        exporter.scrape_until("Healthy", shows("healthy")).await;
        backend.set(Behaviour::Refused).unwrap();
        exporter.scrape_until("Unhealthy", shows("unhealthy")).await;
        config.write("broken");
        assert_eq!(exporter.reload().await.status, 500);
        exporter.process.signal(nix::sys::signal::Signal::SIGTERM);
        let log = exporter.process.ended(DEADLINE).await.stderr;
        let levels: BTreeSet<&str> =
            log.lines().map(|line| line.split("level=").nth(1).unwrap().split(' ').next().unwrap()).collect();
        let levels: Vec<&str> = levels.into_iter().filter(|level| *level != "debug").collect();
        assert_eq!(levels, expected, "{level}: {log}");
    }
}

#[tokio::test]
async fn a_demo_logs_in_json_when_it_is_told_to() {
    let mut exporter = Exporter::start(&["demo", "--log.format", "json", "--log.level", "debug"]).await;
    exporter.get_until("/-/ready", 200).await;
    exporter.process.signal(nix::sys::signal::Signal::SIGINT);
    let log = exporter.process.ended(DEADLINE).await.stderr;
    assert!(log.lines().count() > 60, "a line for each row at least: {log}");
    for line in log.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["ts", "level", "msg"] {
            assert!(object[key].is_string(), "{key}: {line}");
        }
    }
}

/// An address that was free a moment ago, for what cannot say where it listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// The exporter of this process as soon as it answers there.
async fn answering(process: Process, address: &str) -> Exporter {
    let client = http_client(RootCertStore::empty()).build().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while client.get(format!("http://{address}/-/healthy")).send().await.is_err() {
        assert!(Instant::now() < deadline, "nobody answers at {address}: {:?}", process.stderr());
        sleep(PAUSE).await;
    }
    Exporter { process, address: address.parse().expect("an address"), client }
}
