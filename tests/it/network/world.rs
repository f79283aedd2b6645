//! Network namespaces that are gone when the test is, and an exporter inside one of them.

use std::fmt::Write as _;
use std::io;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use tempfile::TempDir;

/// A network of its own; removed with all that is in it on drop.
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    /// `None`, with a printed message, where kernel or privileges refuse namespaces.
    pub(super) fn new(word: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bhe{}-{}-{word}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let output = run(Command::new("ip").args(["netns", "add", &name]));
        if !output.status.success() {
            println!("skipped: no network namespace can be made here: {}", said(&output));
            return None;
        }
        // From here on dropping it removes it.
        let this = Self { name };
        this.ip("link set lo up");
        Some(this)
    }

    /// Runs `ip` in here; it must succeed.
    pub(super) fn ip(&self, arguments: &str) {
        succeed(Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')));
    }

    /// A cable from `interface` in here to `other_interface` in `other`.
    pub(super) fn connect(&self, interface: &str, other: &Self, other_interface: &str) {
        self.ip(&format!("link add {interface} type veth peer name {other_interface} netns {}", other.name));
        self.ip(&format!("link set {interface} up"));
        other.ip(&format!("link set {other_interface} up"));
    }

    pub(super) fn sysctl(&self, setting: &str) {
        succeed(self.command("sysctl").args(["-q", "-w", setting]));
    }

    /// Makes these the rules of a new chain. Where there is no nftables it says so and returns false.
    pub(super) fn firewall(&self, chain: &str, hook: &str, rules: &[&str]) -> bool {
        let mut text = format!("table inet f {{\n chain {chain} {{\n type filter hook {hook} priority 0;\n");
        for rule in rules {
            writeln!(text, " {rule}").unwrap();
        }
        text.push_str(" }\n}\n");
        let child = self
            .command("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let output = child.and_then(|mut child| {
            child.stdin.take().expect("piped").write_all(text.as_bytes())?;
            child.wait_with_output()
        });
        match output {
            Ok(output) if output.status.success() => true,
            Ok(output) => {
                println!("skipped: the rows that need nftables: {}", said(&output));
                false
            }
            Err(error) => {
                println!("skipped: the rows that need nftables: {error}");
                false
            }
        }
    }

    /// `program` in here.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Namespace {
    /// Runs this Python program in here until what this gives is dropped.
    pub(super) fn serve(&self, program: &str, arguments: &[&str]) -> Served {
        Served(self.command("python3").args(["-c", program]).args(arguments).spawn().unwrap())
    }

    /// Waits until somebody answers there.
    pub(super) fn until_answered(&self, url: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !run(self.command("curl").args(["-sSf", "--max-time", "10", url])).status.success() {
            assert!(Instant::now() < deadline, "nobody answers at {url}");
            sleep(Duration::from_millis(100));
        }
    }
}

/// A program that runs in a namespace, and ends when this is dropped.
pub(super) struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

const EXPORTER: &str = env!("CARGO_BIN_EXE_backend_health_exporter");

/// An exporter inside a namespace, listening only there.
pub(super) struct Exporter<'a> {
    namespace: &'a Namespace,
    listen: String,
    child: Child,
    directory: TempDir,
}

impl<'a> Exporter<'a> {
    pub(super) fn start(namespace: &'a Namespace, config: &str, flags: &[&str]) -> Self {
        Self::start_by(namespace, namespace.command(EXPORTER), config, flags, |command| command.spawn().unwrap())
    }

    /// In a sandbox that knows no sockets of these families, as systemd's `RestrictAddressFamilies=` makes it.
    pub(super) fn start_without(families: &'static [i32], namespace: &'a Namespace, config: &str) -> Self {
        let start = |command: &mut Command| {
            // `ip netns exec` would need netlink itself.
            let network = std::fs::File::open(format!("/var/run/netns/{}", namespace.name))?;
            setns(network, CloneFlags::CLONE_NEWNET)?;
            forbid(families)?;
            command.spawn()
        };
        let program = Command::new(EXPORTER);
        Self::start_by(namespace, program, config, &[], |command| {
            std::thread::scope(|scope| scope.spawn(|| start(command)).join().unwrap()).unwrap()
        })
    }

    /// What its log says so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn start_by(
        namespace: &'a Namespace,
        mut command: Command,
        config: &str,
        flags: &[&str],
        spawn: impl FnOnce(&mut Command) -> Child,
    ) -> Self {
        static PORT: AtomicU16 = AtomicU16::new(19115);
        let listen = format!("127.0.0.1:{}", PORT.fetch_add(1, Ordering::Relaxed));
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("backend_health.yml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        command
            .args(["run", "--web.listen-address", &listen, "--config.file"])
            .arg(&file)
            .args(flags)
            .stdout(Stdio::null())
            .stderr(log);
        let child = spawn(&mut command);
        Self { namespace, listen, child, directory }
    }

    /// Waits until this holds of the metrics, and gives them.
    pub(super) fn metrics_when(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let metrics = self.fetch("/metrics").unwrap_or_default();
            if holds(&metrics) {
                return metrics;
            }
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}\n{log}", of_rows(&metrics));
            sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the report says this.
    pub(super) fn report_when(&self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let report = self.fetch("/api/v1/backendhealth").unwrap_or_default();
            if report.contains(text) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {text}\n{}",
                of_rows(&self.fetch("/metrics").unwrap_or_default())
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// `None`: no answer.
    pub(super) fn fetch(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.listen);
        let output = run(self.namespace.command("curl").args(["-sSf", "--max-time", "10", &url]));
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Exporter<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forbids this thread, and what it starts, to make sockets of these families.
fn forbid(families: &[i32]) -> io::Result<()> {
    let denied = SeccompAction::Errno(nix::libc::EAFNOSUPPORT.cast_unsigned());
    let family = |family: &i32| {
        let is_it =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(family.cast_unsigned()));
        SeccompRule::new(vec![is_it.expect("an argument of a system call")]).expect("a rule")
    };
    let rules = [(nix::libc::SYS_socket, families.iter().map(family).collect())].into();
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, denied, std::env::consts::ARCH.try_into().expect("known"));
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

/// The lines about rows.
fn of_rows(metrics: &str) -> String {
    metrics.lines().filter(|line| line.contains("{pool=")).collect::<Vec<_>>().join("\n")
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} (from iproute2, curl) cannot be run: {error}"))
}

fn succeed(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

const DEADLINE: Duration = Duration::from_mins(1);

/// How many rows are in that state.
pub(super) fn rows_in(metrics: &str, state: &str) -> usize {
    let end = format!("state=\"{state}\"}} 1");
    metrics.lines().filter(|line| line.starts_with("backend_health_state{") && line.ends_with(&end)).count()
}

/// How many rows have ever become Unhealthy.
pub(super) fn turned_unhealthy(metrics: &str) -> usize {
    let turned = metrics.lines().filter(|line| {
        line.starts_with("backend_health_transitions_total{")
            && line.contains("to=\"unhealthy\"")
            && !line.ends_with(" 0")
    });
    turned.count()
}
