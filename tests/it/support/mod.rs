//! Suites in temporary folders, run by the built command and looked at from outside.

pub(crate) mod server;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use quick_junit::{Report, TestCase, TestCaseStatus};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Variables of systems for continuous integration, none of which the command sees.
pub(crate) const SYSTEMS: [&str; 11] = [
    "CI",
    "BUILDKITE",
    "CIRCLECI",
    "CODEBUILD_BUILD_ID",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
    "bamboo_buildKey",
];

/// A suite in a folder of its own, with a place of its own for temporary files.
pub(crate) struct Suite {
    folder: TempDir,
    temporary: TempDir,
}

/// What a run of the command left to look at.
pub(crate) struct Run {
    /// The exit code, or 128 + n for signal n.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The bytes of `.partest/junit.xml`, if it is there.
    pub(crate) junit: Option<String>,
}

impl Suite {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder"), temporary: TempDir::new().expect("a folder") }
    }

    /// A suite that is one file.
    pub(crate) fn of(name: &str, text: &str) -> Self {
        Self::new().file(name, text)
    }

    /// Adds a file.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where its temporary files belong.
    pub(crate) fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// The names of all commands, as the help lists them.
    pub(crate) fn commands(&self) -> Vec<String> {
        let help = self.run(&["--help"]).stdout;
        let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names =
            list.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    }

    /// The command, to be run in the suite's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_partest"));
        command.args(arguments).current_dir(self.folder.path()).env("TMPDIR", self.temporary.path());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        for name in SYSTEMS {
            command.env_remove(name);
        }
        command
    }

    /// The command below a shell that first changes what a process is started with, such as `ulimit -n 64`.
    pub(crate) fn command_after(&self, change: &str, arguments: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{change}; exec \"$0\" {arguments}"), env!("CARGO_BIN_EXE_partest")]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        let variables = self.command(&[]);
        for (name, value) in variables.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// The command as somebody who is nobody if this is root, to whom the suite then belongs.
    pub(crate) fn command_of_nobody(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&[]);
        if rustix::process::getuid().is_root() {
            // Its usual place may be closed to others.
            let program = self.path().join("partest");
            fs::copy(env!("CARGO_BIN_EXE_partest"), &program).expect("copied");
            give_to_nobody(self.path());
            give_to_nobody(self.temporary());
            command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            command.current_dir(self.path()).env("TMPDIR", self.temporary()).stdin(Stdio::null());
        }
        command.args(arguments);
        command
    }

    /// Starts the command with its output captured.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    }

    /// Runs the command to its end, and checks that it leaves nothing behind.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let child = self.start(arguments);
        self.finish(child)
    }

    /// Runs a command that was made for this suite to its end, and checks that it leaves nothing behind.
    pub(crate) fn finish_command(&self, mut command: Command) -> Run {
        self.finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started"))
    }

    /// Runs the command to its end as [`run`](Self::run) does. Its memory at most, in KiB.
    pub(crate) fn peak(&self, arguments: &[&str]) -> (Run, u64) {
        let child = self.start(arguments);
        let status = format!("/proc/{}/status", child.id());
        let (done, watched) = std::sync::mpsc::channel::<()>();
        let watcher = std::thread::spawn(move || {
            let mut peak = 0;
            while watched.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let text = fs::read_to_string(&status).unwrap_or_default();
                let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let found = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
                peak = peak.max(found.unwrap_or_default());
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            peak
        });
        let run = self.finish(child);
        drop(done);
        (run, watcher.join().expect("no panic"))
    }

    /// Waits for the command, and checks that it leaves nothing behind.
    pub(crate) fn finish(&self, child: Child) -> Run {
        let output = child.wait_with_output().expect("waited for");
        self.check_nothing_is_left();
        self.look_at(&output)
    }

    fn look_at(&self, output: &Output) -> Run {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Run {
            code: code.expect("ended"),
            stdout: String::from_utf8(output.stdout.clone()).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr.clone()).expect("UTF-8"),
            junit: fs::read_to_string(self.folder.path().join(".partest/junit.xml")).ok(),
        }
    }

    /// No process of a case runs, and no private directory is there.
    pub(crate) fn check_nothing_is_left(&self) {
        let running = self.processes();
        assert!(running.is_empty(), "still running: {running:?}");
        let left: Vec<_> = fs::read_dir(self.temporary.path()).expect("readable").collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// The processes that were started by cases of this suite: their private home lies in its temporary folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("HOME={}/", self.temporary.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
            let path: PathBuf = entry.path();
            let Ok(environment) = fs::read(path.join("environ")) else { continue };
            if environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes())) {
                let command = fs::read(path.join("cmdline")).unwrap_or_default();
                found.push(format!(
                    "{} {}",
                    path.display(),
                    String::from_utf8_lossy(&command).replace('\0', " ")
                ));
            }
        }
        found
    }
}

impl Run {
    /// The JUnit report as an independent reader sees it.
    pub(crate) fn report(&self) -> Report {
        // quick-junit knows no numeric references.
        let text = self.junit.as_deref().expect(".partest/junit.xml").replace("&#13;", "");
        Report::deserialize_from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// A case of the JUnit report, by its name.
    pub(crate) fn case(&self, name: &str) -> TestCase {
        let report = self.report();
        let mut found = report.test_suites.into_iter().flat_map(|suite| suite.test_cases);
        found
            .find(|case| case.name.as_str() == name)
            .unwrap_or_else(|| panic!("no case {name:?}\n{}", self.stdout))
    }

    /// Each of these cases has passed, where there is no message, or its message holds this one.
    #[track_caller]
    pub(crate) fn expect_verdicts(&self, expected: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        for (name, message) in expected {
            let found = self.verdict(name);
            let is_right = if message.is_empty() { found.0 == "passed" } else { found.1.contains(message) };
            if !is_right {
                wrong.push(format!("{name}: expected {message:?}, found {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "\n{}\n{}", wrong.join("\n"), self.stdout);
    }

    /// What the JUnit report says of a case in a word, and the message beside it.
    pub(crate) fn verdict(&self, name: &str) -> (&'static str, String) {
        let text = |message: Option<quick_junit::XmlString>| {
            message.map_or_else(String::new, |text| text.to_string())
        };
        match self.case(name).status {
            TestCaseStatus::Success { .. } => ("passed", String::new()),
            TestCaseStatus::NonSuccess { kind: quick_junit::NonSuccessKind::Failure, message, .. } => {
                ("failure", text(message))
            }
            TestCaseStatus::NonSuccess { kind: quick_junit::NonSuccessKind::Error, message, .. } => {
                ("error", text(message))
            }
            TestCaseStatus::Skipped { message, .. } => ("skipped", text(message)),
        }
    }

    /// Fails with everything there is to see unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// Gives everything below a folder to the user `nobody`.
fn give_to_nobody(path: &Path) {
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("root");
    if path.is_dir() {
        fs::read_dir(path).expect("readable").flatten().for_each(|entry| give_to_nobody(&entry.path()));
    }
}

/// Sends a signal to a program that was started.
pub(crate) fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not zero");
    kill_process(pid, signal).expect("signalled");
}

/// Runs a program with this input and gives its output, or `None` when it fails.
pub(crate) fn filter_through(program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = Command::new(program);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("waited for");
    // A program that fails may not read everything.
    let _ = writer.join().expect("no panic");
    output.status.success().then(|| String::from_utf8(output.stdout).expect("UTF-8"))
}

/// How many children of a process have exited and are not reaped.
pub(crate) fn zombies_of(pid: u32) -> usize {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let is_zombie = |pid: &&str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z'))
    };
    lists.map(|list| list.split_whitespace().filter(is_zombie).count()).sum()
}
