//! What is measured, and against what.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{limit, server};

/// One row of the table.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// Makes the suite.
    pub(crate) prepare: fn(&Path) -> io::Result<()>,
    /// What partest is called with.
    pub(crate) arguments: &'static [&'static str],
    /// What cannot be done quicker.
    pub(crate) limit: fn(&Path) -> io::Result<()>,
}

/// All rows, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = Work> {
    processes().into_iter().chain(waits()).chain(starts())
}

/// Rows that keep the processors busy.
fn processes() -> Vec<Work> {
    vec![
        Work {
            name: "10,000 × /bin/true, two slots",
            prepare: |suite| cases(suite, 10_000, &json!({ "run": ["/bin/true"] })),
            arguments: &["-q", "-j", "2"],
            limit: |_| limit::isolated(10_000, 2, Path::new("/bin/true"), &[]),
        },
        Work {
            name: "10,000 × a static program of a few instructions, two slots",
            prepare: |suite| {
                small_program(suite)?;
                cases(suite, 10_000, &json!({ "run": [suite.join("small")] }))
            },
            arguments: &["-q", "-j", "2"],
            limit: |suite| limit::isolated(10_000, 2, &suite.join("small"), &[]),
        },
        Work {
            name: "2,000 × 1 KiB of output with an assertion, two slots",
            prepare: |suite| {
                let text = "x".repeat(1023);
                cases(
                    suite,
                    2_000,
                    &json!({ "run": ["/bin/echo", text], "expect": { "stdout": format!("{text}\n") } }),
                )
            },
            arguments: &["-q", "-j", "2"],
            limit: |_| limit::isolated(2_000, 2, Path::new("/bin/echo"), &[&"x".repeat(1023)]),
        },
        Work {
            name: "200 MiB of output from one case",
            prepare: |suite| cases(suite, 1, &json!({ "run": "head -c 209715200 /dev/zero" })),
            arguments: &["-q"],
            limit: |_| limit::shell("head -c 209715200 /dev/zero | cat"),
        },
    ]
}

/// Rows that wait.
fn waits() -> Vec<Work> {
    vec![
        Work {
            name: "200 × sleep 0.5, all at once",
            prepare: |suite| cases(suite, 200, &json!({ "run": ["/bin/sleep", "0.5"] })),
            arguments: &["-q", "-j", "200"],
            limit: |_| limit::isolated(200, 200, Path::new("/bin/sleep"), &["0.5"]),
        },
        Work {
            name: "2,000 × sleep 1, all at once",
            prepare: |suite| cases(suite, 2_000, &json!({ "run": ["/bin/sleep", "1"] })),
            arguments: &["-q", "-j", "2000"],
            limit: |_| limit::isolated(2_000, 2_000, Path::new("/bin/sleep"), &["1"]),
        },
        Work {
            name: "300 × sleep 0.02 before 2 × sleep 1, four slots, in the second run",
            prepare: skewed,
            arguments: &["-q", "-j", "4"],
            limit: |_| {
                // The long ones first, as whoever knows them would start them.
                let each = |number| if number < 2 { "1" } else { "0.02" };
                limit::isolated_each(302, 4, Path::new("/bin/sleep"), &|number| vec![each(number)])
            },
        },
        Work {
            name: "300 HTTP requests of 100 ms, 64 at once",
            prepare: |suite| {
                let address = server::slow(Duration::from_millis(100))?;
                cases(suite, 300, &json!({ "http": { "url": format!("http://{address}/") } }))
            },
            arguments: &["-q", "--io-jobs", "64"],
            limit: |_| {
                // Five times as long as one of them takes: as many turns as there are.
                thread::sleep(Duration::from_millis(500));
                Ok(())
            },
        },
    ]
}

/// Rows of what comes before the first case.
fn starts() -> Vec<Work> {
    vec![
        Work {
            name: "one case, start to finish",
            prepare: |suite| cases(suite, 1, &json!({ "run": ["/bin/true"] })),
            arguments: &["-q"],
            limit: |_| limit::isolated(1, 1, Path::new("/bin/true"), &[]),
        },
        Work {
            name: "10,000 descriptor files, --list",
            prepare: |suite| {
                (0..10_000).try_for_each(|number| {
                    let case = json!({ "run": ["/bin/echo", number.to_string()], "expect": { "stdout": format!("{number}\n") } });
                    fs::write(suite.join(format!("c{number:05}.test.json")), case.to_string())
                })
            },
            arguments: &["--list"],
            limit: limit::parse_all,
        },
        Work {
            name: "one case, --list",
            prepare: |suite| cases(suite, 1, &json!({ "run": ["/bin/true"] })),
            arguments: &["--list"],
            limit: |_| limit::shell("exit"),
        },
    ]
}

/// Short cases before long ones, and what a first run of them has taught.
fn skewed(suite: &Path) -> io::Result<()> {
    let case = |number: usize, time| json!({ "name": format!("case {number}"), "run": ["/bin/sleep", time] });
    let short = (0..300).map(|number| case(number, "0.02"));
    let cases: Vec<Value> = short.chain((300..302).map(|number| case(number, "1"))).collect();
    fs::write(suite.join("all.test.json"), json!({ "cases": cases }).to_string())?;
    crate::partest(suite, &["-q", "-j", "4"]).map(drop)
}

/// A suite of so many cases that are alike.
pub(crate) fn cases(suite: &Path, count: usize, case: &Value) -> io::Result<()> {
    let named = |number: usize| {
        let mut case = case.clone();
        case["name"] = json!(format!("case {number}"));
        case
    };
    let cases: Vec<Value> = (0..count).map(named).collect();
    fs::write(suite.join("all.test.json"), json!({ "cases": cases }).to_string())
}

/// A program without a loader or a library, so that what starts it is what is measured.
fn small_program(suite: &Path) -> io::Result<()> {
    let source = suite.join("small.c");
    fs::write(
        &source,
        "void _start(void) { __asm__ volatile(\"mov $60, %eax\\n xor %edi, %edi\\n syscall\"); }\n",
    )?;
    let built = Command::new("cc")
        .args(["-static", "-nostdlib", "-O1", "-o"])
        .arg(suite.join("small"))
        .arg(&source)
        .status()?;
    if built.success() {
        Ok(())
    } else {
        Err(io::Error::other("cc cannot build the small program (x86-64 only)"))
    }
}
