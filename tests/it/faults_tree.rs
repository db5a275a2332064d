//! What cases leave to the runner: zombies in numbers.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::support::{Suite, zombies_of};

/// The most zombies that a runner of 16 cases has at a time when one of them suddenly leaves it hundreds.
fn most_zombies() -> usize {
    let waiting = (0..15).map(|n| format!(r#"{{ "name": "{n}", "run": "sleep 3" }}"#));
    let flood = "sleep 1.4; i=0; while [ $i -lt 100 ]; do (true &); (true &); (true &); (true &); sleep 0.01; i=$((i+1)); done";
    let cases: Vec<_> = waiting.chain([format!(r#"{{ "name": "flood", "run": "{flood}" }}"#)]).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let mut command = suite.command(&["-j", "16"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    let mut most = 0;
    let status = loop {
        most = most.max(zombies_of(child.id()));
        if let Some(status) = child.try_wait().expect("asked") {
            break status;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success());
    suite.check_nothing_is_left();
    most
}

#[test]
fn zombies_are_reaped_as_they_come() {
    // On a busy machine the runner may have to wait for its turn.
    assert!((0..10).any(|_| most_zombies() <= 20), "more than 20 zombies, ten times");
}
