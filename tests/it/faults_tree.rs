//! What cases leave to the runner: zombies in numbers, and processes that hide.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::json;

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

/// A program whose first thread ends while another sleeps.
const HALF_DEAD: &str = "import ctypes, threading, time\n\
    threading.Thread(target=time.sleep, args=(60,)).start()\n\
    open(READY, 'w').close()\n\
    ctypes.CDLL(None).pthread_exit(None)";

/// A program that even its own user cannot read from (`PR_SET_DUMPABLE`).
const HIDDEN: &str = "import ctypes, time\n\
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n\
    open(READY, 'w').close()\n\
    time.sleep(60)";

#[test]
fn a_plain_user_finds_daemons_that_hide_while_others_run() {
    let case = |name: &str, program: &str| {
        let program = program.replace("READY", &format!("'{{{{ run_dir }}}}/{name}'"));
        let file = format!("{name}.py");
        // Elsewhere, so that its folder does not give it away.
        let run = format!(
            "work=$PWD; cd /; setsid -f python3 $work/{file} <&- >&- 2>&-; \
             until [ -e '{{{{ run_dir }}}}/{name}' ]; do sleep 0.05; done; sleep 0.1"
        );
        json!({ "name": name, "run": run, "files": { file: program }, "timeout": "60s" })
    };
    let nameless = "cd /; env -i setsid -f sleep 60 <&- >&- 2>&-; sleep 0.3";
    let over = "until [ -e '{{ run_dir }}/over' ]; do sleep 0.05; done";
    let suite = Suite::of(
        "a.test.json",
        &json!({ "cases": [
            { "name": "runs beside them", "run": over, "timeout": "120s" },
            case("half-dead", HALF_DEAD),
            case("hidden", HIDDEN),
            { "name": "nameless", "run": nameless },
            { "name": "comes after them", "after": ["half-dead", "hidden", "nameless"], "run": "touch '{{ run_dir }}/over'" },
        ] })
        .to_string(),
    );
    let run = suite.finish_command(suite.command_of_nobody(&["-j", "4"])).expect_code(0);
    let is_leak =
        |name: &str| run.case(name).properties.iter().any(|property| property.name.as_str() == "leaked");
    for name in ["half-dead", "hidden", "nameless"] {
        assert!(is_leak(name), "{name}: {}", run.stdout);
    }
    assert!(!is_leak("runs beside them") && !is_leak("comes after them"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
}
