//! What differs on a terminal: width, colour, the progress bar.

use std::process::{Command, Stdio};

use super::{BINARY, Backend, ConfigFile, DEADLINE, Process, Servers, http, text};
use crate::terminal::{Terminal, plain};

/// Probes these servers with standard output on a terminal.
async fn shown(servers: &Servers, columns: u16, environment: &[(&str, &str)], flags: &[&str]) -> String {
    let terminal = Terminal::new(columns, 24);
    let mut command = Command::new(BINARY);
    let nameserver = servers.nameserver.address().to_string();
    command.args(["report", "--config.file", text(&servers.config.path), "--dns.nameserver", &nameserver]).args(flags);
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(terminal.end()).stderr(Stdio::piped());
    let ended = Process::spawn_with_environment(&mut command).ended(DEADLINE).await;
    assert_eq!(ended.stderr, "", "it is no terminal: no bar");
    terminal.shows(if flags.contains(&"--all") { " 2 Healthy\r\n" } else { "every row)\r\n" }).await;
    terminal.written()
}

#[tokio::test]
async fn a_terminal_shows_the_faults_in_its_width_and_a_pipe_a_line_for_each_row() {
    let servers = Servers::start().await;
    for columns in [80, 120] {
        let shown = plain(&shown(&servers, columns, &[], &[]).await);
        assert!(shown.lines().all(|line| line.chars().count() <= columns.into()), "{shown}");
        for words in [
            "Unknown: Name does not exist (dns_name_not_found), 1 row; gateway acts",
            "Unhealthy: Connection refused (tcp_refused), 1 row; server acts",
            "refused the connection",
            "  First  ",
        ] {
            assert!(shown.contains(words), "{words:?} is not in\n{shown}");
        }
        assert!(!shown.contains("127.31.0.1:"), "Healthy rows need --all\n{shown}");
        assert!(shown.find("Unknown: ") < shown.find("Unhealthy: "), "the worst stands last\n{shown}");
    }
    let all = plain(&shown(&servers, 80, &[], &["--all"]).await);
    assert!(all.contains("Healthy: 2 rows\n") && all.contains("127.31.0.1:"), "{all}");
    let piped = servers.report(&[]).await.stdout;
    assert!(piped.starts_with("STATE ") && piped.contains("(NXDOMAIN)") && piped.lines().count() == 7, "{piped}");
}

#[tokio::test]
async fn only_a_terminal_gets_colours_and_none_that_does_not_want_them() {
    let servers = Servers::start().await;
    let red = "\u{1b}[1;31mUnhealthy\u{1b}[0m";
    for (environment, expected) in [
        (&[] as &[(&str, &str)], true),
        (&[("NO_COLOR", "")], true),
        (&[("NO_COLOR", "1")], false),
        (&[("NO_COLOR", "0")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let shown = shown(&servers, 200, environment, &[]).await;
        assert_eq!(shown.contains(red), expected, "{environment:?}: {shown:?}");
        assert_eq!(shown.contains('\u{1b}'), expected, "{environment:?}: {shown:?}");
    }
    assert!(!servers.report(&[]).await.stdout.contains('\u{1b}'));
}

#[tokio::test]
async fn a_bar_shows_how_far_it_is_and_goes_when_it_is_done() {
    let slow = Backend::start([127, 0, 0, 1].into(), http::silent()).unwrap();
    let config = ConfigFile::new(&format!(
        "probes: [{{name: p, protocol: http, timeout: 1s, interval: 1s}}]\n\
         backend_settings: [{{name: http, protocol: http, port: {}, probe: p}}]\n\
         backend_pools: [{{name: web, settings: [http], servers: [127.0.0.1]}}]\n",
        slow.address().port()
    ));
    let terminal = Terminal::new(80, 24);
    let mut command = Command::new(BINARY);
    command.args(["report", "--config.file", text(&config.path)]).env("TERM", "xterm");
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(terminal.end());
    let ended = Process::spawn_as_it_is(command).ended(DEADLINE).await;
    assert!(ended.stdout.starts_with("STATE "), "{ended:?}");
    terminal.shows("[........................] 0 of 1 rows probed, 0s").await;
    terminal.shows("s\r\u{1b}[K").await;
    let bar = terminal.written();
    assert!(bar.ends_with("\r\u{1b}[K"), "nothing of it is left: {bar:?}");
}
