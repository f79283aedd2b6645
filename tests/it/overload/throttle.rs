//! A tenth of a core for the whole exporter: by its control group, as containers have it, and by signals, which work
//! everywhere and keep it waiting for longer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Exporter, World};

/// A control group that gives its processes a tenth of a core; removed on drop, when they have ended or left.
struct ControlGroup {
    directory: PathBuf,
    root: PathBuf,
}

impl ControlGroup {
    /// `None`, with a printed message, where none can be made.
    fn new() -> Option<Self> {
        // Version 1 with the controller mounted by itself or beside another one, then version 2.
        let roots = [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "10000"),
            ("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "10000"),
            ("/sys/fs/cgroup", "cpu.max", "10000 100000"),
        ];
        for (root, file, value) in roots {
            if file == "cpu.max" {
                // The controller may have to be handed down first.
                let _ = fs::write(Path::new(root).join("cgroup.subtree_control"), "+cpu");
            }
            let directory = Path::new(root).join(format!("backend_health_exporter-{}", std::process::id()));
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&directory).is_err() {
                continue;
            }
            let this = Self { directory, root: root.into() };
            // A file that is not there is a controller that is not.
            if this.directory.join(file).exists() && fs::write(this.directory.join(file), value).is_ok() {
                return Some(this);
            }
        }
        println!("no control group can be made here: the exporter is throttled by signals alone");
        None
    }

    fn take(&self, exporter: &Exporter) {
        fs::write(self.directory.join("cgroup.procs"), exporter.child.id().to_string()).unwrap();
    }

    fn give_back(&self, exporter: &Exporter) {
        fs::write(self.root.join("cgroup.procs"), exporter.child.id().to_string()).unwrap();
    }

    /// How many periods ended with work left to do.
    fn throttled(&self) -> u64 {
        let stat = fs::read_to_string(self.directory.join("cpu.stat")).unwrap();
        let count = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        count.expect("it is counted").parse().unwrap()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // Refused while a process is in it, and until the kernel has seen the last one go.
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.directory).is_err() && self.directory.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_with_a_tenth_of_a_core_by_its_control_group_calls_no_healthy_server_unhealthy() {
    // Before the exporter: it is dropped after it.
    let group = ControlGroup::new();
    let world = World::start(&[], 8, Duration::from_secs(1)).await;
    world.all_healthy().await;
    if let Some(group) = &group {
        group.take(&world.exporter);
        tokio::time::sleep(Duration::from_secs(8)).await;
        let throttled = group.throttled();
        println!("throttled in {throttled} periods of 100 ms");
        assert!(throttled >= 20, "throttled in {throttled} periods only: this proves nothing");
    } else {
        by_signals(&world.exporter, Duration::from_millis(90), Duration::from_secs(8)).await;
    }
    world.none_was_unhealthy("with a tenth of a core").await;
    world.a_dead_server_is_found().await;
    if let Some(group) = &group {
        group.give_back(&world.exporter);
    }
    world.all_healthy().await;
    world.none_was_unhealthy("with all of it again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_with_a_tenth_of_a_core_in_long_slices_calls_no_server_unhealthy() {
    let world = World::start(&[], 4, Duration::from_secs(1)).await;
    world.all_healthy().await;
    by_signals(&world.exporter, Duration::from_millis(270), Duration::from_secs(8)).await;
    world.none_was_unhealthy("with a tenth of a core").await;
    world.all_healthy().await;
    world.none_was_unhealthy("with all of it again").await;
}

/// Lets the exporter run a tenth of the time: it stops for `stop` and then runs for a ninth of that, again and again.
async fn by_signals(exporter: &Exporter, stop: Duration, during: Duration) {
    let end = Instant::now() + during;
    while Instant::now() < end {
        for (signal, time) in [("-STOP", stop), ("-CONT", stop / 9)] {
            exporter.signal(signal);
            tokio::time::sleep(time).await;
        }
    }
}
