//! Cases that start more processes than `limits.processes` allows.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Run, Suite, filter_through, send};

/// Starts 50 processes that stay, says how many were refused, and exits with 0.
const STORM: &str = "
import os, signal, sys, time
children, refused = [], 0
for _ in range(50):
    try:
        child = os.fork()
    except BlockingIOError as error:
        assert error.errno == 11, error
        refused += 1
        continue
    if child == 0:
        time.sleep(60)
    children.append(child)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print('EAGAIN', refused, 'times')
";

/// Starts one process after the other, so that there are never more than two.
const ONE_BY_ONE: &str = "
import os
for _ in range(200):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
";

/// Eight threads, and two processes at a time.
const THREADS: &str = "
import subprocess, threading
done = threading.Barrier(9)
threads = [threading.Thread(target=done.wait) for _ in range(8)]
for thread in threads:
    thread.start()
subprocess.run(['true'], check=True)
done.wait()
for thread in threads:
    thread.join()
";

/// Four processes that start and await others all the time: as many as there may be, and never more.
const CLOSE: &str = "
import os
def again():
    for _ in range(60):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    os._exit(0)
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        again()
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
";

/// Python itself: what is found as `python3` may be a script that starts other processes first.
fn interpreter() -> String {
    let usual = "/usr/bin/python3";
    if Path::new(usual).exists() {
        return usual.to_owned();
    }
    let path = filter_through("python3", &["-c", "import sys; print(sys.executable)"], b"");
    path.expect("python3").trim().to_owned()
}

fn python(name: &str, processes: u64, program: &str) -> Value {
    json!({ "name": name, "run": [interpreter(), "-c", program], "limits": { "processes": processes } })
}

fn suite(cases: &[Value]) -> Suite {
    Suite::of("a.test.json", &json!({ "defaults": { "timeout": "60s" }, "cases": cases }).to_string())
}

fn is_there(run: &Run, name: &str) -> String {
    let (verdict, message) = run.verdict(name);
    assert_eq!(verdict, "failure", "{name}: {}", run.stdout);
    assert!(message.contains("limits.processes = "), "{name}: {message}");
    message
}

fn storms() -> Suite {
    // Beside them, without a limit of its own.
    let beside = "i=0; while [ $i -lt 300 ]; do true & i=$((i+1)); done; wait";
    suite(&[
        python("storm", 20, STORM),
        json!({ "name": "beside", "run": beside }),
        python("one by one", 2, ONE_BY_ONE),
        python("one too many", 1, ONE_BY_ONE),
        python("threads", 2, THREADS),
        python("close", 9, CLOSE),
    ])
}

fn check_storms(run: &Run) {
    let message = is_there(run, "storm");
    assert_eq!(message, "exceeded limits.processes = 20: 31 more were refused (EAGAIN)");
    let output = run.case("storm").system_out.expect("kept").to_string();
    assert!(output.contains("EAGAIN 31 times"), "{output}");
    assert!(is_there(run, "one too many").contains(": 1 more was refused (EAGAIN)"));
    for name in ["beside", "one by one", "threads", "close"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
}

#[test]
fn what_is_one_too_many_is_refused_in_the_case_alone_which_fails() {
    check_storms(&storms().run(&["-j", "6"]).expect_code(1));
}

#[test]
fn a_plain_user_is_refused_in_the_same_way() {
    let suite = storms();
    check_storms(&suite.finish_command(suite.command_of_nobody(&["-j", "6"])).expect_code(1));
}

#[test]
fn a_bomb_is_ended_and_harms_no_other() {
    let bomb = "b() { b & b & }; b; sleep 30";
    let in_bash = "b() { b | b & }; b; sleep 30";
    let for_ever = "import os\nwhile True:\n  try:\n    os.fork()\n  except OSError:\n    pass";
    let leaves = "(b() { b & b & }; b) >/dev/null 2>&1";
    let suite = suite(&[
        json!({ "name": "sh", "run": bomb, "limits": { "processes": 30 } }),
        json!({ "name": "bash", "run": ["bash", "-c", in_bash], "limits": { "processes": 30 } }),
        python("for ever", 30, for_ever),
        json!({ "name": "leaves", "run": leaves, "limits": { "processes": 4 }, "timeout": "20s" }),
        json!({ "name": "beside", "run": "for i in $(seq 100); do /bin/true || exit 1; done" }),
    ]);
    let run = suite.run(&["-j", "5"]).expect_code(1);
    for name in ["sh", "bash", "for ever", "leaves"] {
        is_there(&run, name);
    }
    let message = is_there(&run, "for ever");
    assert!(
        message.ends_with("more were refused (EAGAIN); as it still ran 5s later, all were killed"),
        "{message}"
    );
    assert_eq!(run.verdict("beside").0, "passed", "{}", run.stdout);
}

#[test]
fn a_deadline_and_a_stop_are_kept_while_requests_flood_in() {
    let for_ever = "
import os
for _ in range(3):
    os.fork()
open('started', 'w').close()
while True:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
";
    let case = |timeout: &str| {
        let mut case = python("a", 16, &for_ever.replace("started", "{{ dir }}/started"));
        case["timeout"] = json!(timeout);
        case
    };
    let run = suite(&[case("500ms")]).run(&[]).expect_code(1);
    assert!(run.verdict("a").1.contains("timed out after 0.50s"), "{}", run.stdout);
    let suite = suite(&[case("60s")]);
    let child = suite.start(&[]);
    let begin = Instant::now();
    while !suite.path().join("started").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::INT);
    assert_eq!(suite.finish(child).expect_code(130).verdict("a").0, "skipped");
}

#[test]
fn other_kinds_of_system_calls_are_no_way_around_it() {
    // clone3 does not exist; the kernel's old interface for 32 bits has the same limit.
    let program = "
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
args = (ctypes.c_uint64 * 11)()
args[4] = 17
assert libc.syscall(435, ctypes.byref(args), 88) == -1 and ctypes.get_errno() == errno.ENOSYS
print('clone3 is refused')
";
    let run = suite(&[python("a", 1, program)]).run(&[]).expect_code(0);
    assert_eq!(run.verdict("a").0, "passed");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_interface_for_32_bits_has_the_same_limit() {
    // mov eax, 2 (fork); int 0x80; and the same with the number of x32.
    let program = "
import ctypes, errno, mmap, os
def call(code):
    memory = mmap.mmap(-1, 4096, prot=7)
    memory.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
def fork(name, code):
    result = call(code)
    if result == 0:
        os._exit(0)
    print(name, errno.errorcode.get(-result, result))
fork('i386', b'\\x53\\xb8\\x02\\x00\\x00\\x00\\xcd\\x80\\x5b\\xc3')
fork('x32', b'\\xb8\\x39\\x00\\x00\\x40\\x0f\\x05\\xc3')
";
    let run = suite(&[python("a", 1, program)]).run(&[]).expect_code(1);
    let output = run.case("a").system_out.expect("kept").to_string();
    // A kernel without one of them says so.
    assert!(output.contains("i386 EAGAIN") || output.contains("i386 ENOSYS"), "{output}");
    assert!(output.contains("x32 EAGAIN") || output.contains("x32 ENOSYS"), "{output}");
    is_there(&run, "a");
}

#[test]
fn where_processes_cannot_be_made_to_ask_they_are_counted() {
    // Below a case with this limit there is no place for a second one that is asked.
    let inner = json!({
        "name": "inner", "run": "for i in 1 2 3 4 5 6 7 8 9; do sleep 30 & done; wait", "limits": { "processes": 5 },
    });
    let run = format!("'{}' inner || test $? = 1", env!("CARGO_BIN_EXE_partest"));
    let outer = json!({
        "name": "outer", "run": run, "limits": { "processes": 100 }, "files": { "inner/a.test.json": inner.to_string() },
        "expect": { "stdout": { "contains": "exceeded limits.processes = 5: there were" } },
    });
    suite(&[outer]).run(&[]).expect_code(0);
}

#[test]
fn whoever_cannot_be_made_to_ask_is_started_once() {
    let inner = json!({
        "name": "inner", "matrix": { "n": (0..60).collect::<Vec<_>>() },
        "run": "echo \"$PARTEST_CASE\" >> \"$STARTS\"", "limits": { "processes": 5 }, "inherit_env": ["STARTS"],
    });
    let run = format!("'{}' -j 8 inner && sort inner/starts | uniq -d", env!("CARGO_BIN_EXE_partest"));
    let run = format!("export STARTS=$PWD/inner/starts; {run}");
    let outer = json!({
        "name": "outer", "run": run, "limits": { "processes": 100 }, "files": { "inner/a.test.json": inner.to_string() },
        "expect": { "stdout": { "matches": "60 passed · 60 cases in [^\n]*\n\\z" } },
    });
    suite(&[outer]).run(&[]).expect_code(0);
}

#[test]
fn a_limit_on_open_files_leaves_room_to_ask() {
    let case = json!({
        "name": "a{{ n }}", "matrix": { "n": (0..64).collect::<Vec<_>>() },
        "run": "for i in 1 2 3 4 5 6 7 8 9; do sleep 3 & done", "limits": { "processes": 5, "open_files": 20 },
    });
    let run = suite(&[case]).run(&["-j", "32"]).expect_code(1);
    // Where they could not be asked they would be counted, and there would be more of them for a moment.
    assert_eq!(run.report().failures, 64, "{}", run.stdout);
    assert!(!run.stdout.contains("there were"), "{}", run.stdout);
}

#[test]
fn signals_do_not_disturb_what_starts_processes() {
    // The shell of many systems handles CHLD in a way that interrupts its calls.
    let start = "for i in 1 2 3 4 5 6 7 8; do sleep 0.01 & done; ";
    let case = json!({
        "name": "a{{ n }}", "matrix": { "n": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] },
        "run": format!("{}wait", start.repeat(3)), "limits": { "processes": 40 },
    });
    suite(&[case]).run(&["-j", "8"]).expect_code(0);
}
