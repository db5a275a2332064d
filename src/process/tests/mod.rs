//! Real processes, run through `/bin/sh`.
//!
//! The tests of one binary share one process. Each of them may turn adoption on: every command has a token of
//! its own, so none takes another's children. What needs adoption off runs in a process of its own.

mod conversation;
mod ending;
mod errors;
mod leaks;
mod output;
mod surroundings;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::model::ResourceLimits;
use crate::process::{Cancellation, Command, Finished, Input, Limits, StartError, run};
use crate::time::Deadline;

/// A command under test, with limits that only a broken test reaches.
pub(super) struct Probe {
    command: Command,
    limits: Limits,
    cancellation: Cancellation,
    token: String,
}

impl Probe {
    fn new(program: &str, args: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            command: Command {
                program: program.into(),
                args: [program].iter().chain(args).map(OsString::from).collect(),
                env: [("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())].into(),
                cwd: PathBuf::from("/"),
                stdin: Input::Null,
                limits: ResourceLimits::default(),
                spill: None,
            },
            limits: Limits {
                deadline: Deadline::after(Some(Duration::from_secs(60))),
                grace: Duration::from_secs(30),
                leak_timeout: Duration::from_millis(200),
                capture: 1 << 20,
            },
            cancellation: Cancellation::new().expect("descriptors"),
            token: format!("test-{}-{number}", std::process::id()),
        }
    }

    fn sh(script: &str) -> Self {
        Self::new("/bin/sh", &["-c", script])
    }

    fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.command.stdin = Input::Bytes(bytes);
        self
    }

    fn stdin_file(mut self, file: &Path) -> Self {
        self.command.stdin = Input::File(file.to_owned());
        self
    }

    fn cwd(mut self, cwd: &Path) -> Self {
        cwd.clone_into(&mut self.command.cwd);
        self
    }

    /// The timeout in milliseconds, counted from the call of `run`.
    fn timeout(mut self, milliseconds: u64) -> Self {
        self.limits.deadline = Deadline::after(Some(Duration::from_millis(milliseconds)));
        self
    }

    fn grace(mut self, milliseconds: u64) -> Self {
        self.limits.grace = Duration::from_millis(milliseconds);
        self
    }

    fn capture(mut self, bytes: usize) -> Self {
        self.limits.capture = bytes;
        self
    }

    fn run(&self) -> Result<Finished, StartError> {
        run(&self.command, &self.limits, &self.token, &self.cancellation)
    }

    /// Runs it to its end, and makes sure that nothing is left of it.
    fn finish(&self) -> Finished {
        let finished = self.run().expect("it starts");
        assert_eq!(finished.unkillable, None);
        finished
    }

    fn error(&self) -> StartError {
        self.run().expect_err("it cannot start")
    }

    /// The live processes that carry the token, zombies left out as they have no environment.
    fn survivors(&self) -> Vec<String> {
        let entry = format!("PARTEST_TOKEN={}", self.token);
        let processes = std::fs::read_dir("/proc").expect("proc").flatten();
        let carries = |path: &Path| {
            let environment = std::fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
        };
        processes
            .map(|p| p.path())
            .filter(|p| carries(p))
            .map(|p| format!("{} {:?}", p.display(), std::fs::read_to_string(p.join("stat"))))
            .collect()
    }

    fn assert_dead(&self) {
        assert_eq!(self.survivors(), Vec::<String>::new());
    }
}

fn text(bytes: &crate::model::Captured) -> String {
    bytes.text().into_owned()
}

/// Runs `work` and says how long it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// Whether a program of the machine is there, said aloud when it is not.
fn has(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "skipped: {program} does not exist");
    }
    there
}
