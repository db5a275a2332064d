//! Processes that KILL does not end, as they wait for a file system that does not answer.

use serde_json::json;
use tempfile::TempDir;

use crate::support::Suite;

/// The file system: see there.
const UNANSWERED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/unanswered.py");

#[test]
#[expect(clippy::print_stderr, reason = "nobody else says why it is skipped")]
#[ignore = "needs /dev/fuse and a mount namespace of its own: ./tests/run"]
fn what_does_not_die_is_told_and_keeps_no_slot() {
    let folder = TempDir::new().expect("a folder");
    let name = folder.path().join("name").display().to_string();
    let leave = format!(
        "cat {name} >/dev/null 2>&1 & until grep -q '^State:.D' /proc/$!/status; do sleep 0.01; done"
    );
    let suite = Suite::of(
        "a.test.json",
        &json!({ "defaults": { "timeout": "2s", "grace": "100ms" }, "cases": [
            { "name": "waits", "run": ["cat", name] },
            { "name": "leaves one", "run": leave, "timeout": "60s" },
            { "name": "comes after them", "run": "true", "timeout": "60s" },
        ] })
        .to_string(),
    );
    let namespace = if rustix::process::getuid().is_root() { "-m" } else { "-rm" };
    let below = format!(
        "unshare {namespace} true || exit 77; unshare {namespace} python3 '{UNANSWERED}' '{}' \"$0\" -j 1; exit $?",
        folder.path().display()
    );
    // The file system goes with its server, and those that wait for it with that.
    let run = suite.finish_command(suite.command_after(&below, ""));
    if run.code == 77 {
        return eprintln!("skipped, as there can be no such process here: {}", run.stderr.trim());
    }
    let run = run.expect_code(3);
    let (verdict, message) = run.verdict("waits");
    assert_eq!(verdict, "failure");
    assert!(message.starts_with("timed out after 2.00s; unkillable: process "), "{message}");
    assert!(message.ends_with(" is still there 5s after SIGKILL"), "{message}");
    let (verdict, message) = run.verdict("leaves one");
    assert_eq!(verdict, "failure");
    assert!(message.starts_with("unkillable: process ") && message.contains(", left behind, "), "{message}");
    assert_eq!(run.verdict("comes after them").0, "passed");
    assert!(run.stderr.contains(&format!("is there after SIGKILL: cat {name}")), "{}", run.stderr);
}
