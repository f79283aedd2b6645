//! axe-core in the page: what keeps somebody from using it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use super::window::Browser;

impl Browser {
    /// Fails when axe-core finds something serious or critical on the page as it is now, by the rules of WCAG 2.2 A and AA
    /// and the best practices.
    pub(crate) async fn assert_accessible(&self, what: &str) {
        self.eval(&format!("if (!window.axe) {{ {} }}", &*AXE)).await;
        let found = self.eval(RUN).await;
        let found = found.as_array().unwrap_or_else(|| panic!("axe-core answers {found}"));
        assert!(found.len() > 1, "axe-core has checked something: {found:?}");
        let wrong: Vec<&Value> = found.iter().filter(|result| result["rule"] != "").collect();
        assert!(wrong.is_empty(), "{what}: {}", serde_json::to_string_pretty(&wrong).unwrap());
    }
}

/// The violations; then, for each rule that was checked and holds, one without a name.
const RUN: &str = "axe.run(document, { resultTypes: ['violations'] }).then(results => [
    ...results.violations.filter(it => ['serious', 'critical'].includes(it.impact)).map(it => ({
        rule: it.id, impact: it.impact, help: it.help,
        nodes: it.nodes.slice(0, 5).map(node => [node.html.slice(0, 200), node.failureSummary]),
    })),
    ...results.passes.map(() => ({ rule: '' })),
])";

/// The script, installed once as the lock file says.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let lock = std::fs::read(source.join("package-lock.json")).unwrap();
    let script = kept.join("node_modules/axe-core/axe.min.js");
    // The lock file is copied last: where it is the same, the installation was complete.
    let done = kept.join("installed.json");
    if std::fs::read(&done).ok().as_ref() != Some(&lock) || !script.is_file() {
        std::fs::create_dir_all(&kept).unwrap();
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(name), kept.join(name)).unwrap();
        }
        let npm = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&kept)
            .output()
            .expect("npm runs");
        assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
        std::fs::write(&done, &lock).unwrap();
    }
    std::fs::read_to_string(script).unwrap()
});
