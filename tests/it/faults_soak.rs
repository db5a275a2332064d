//! Many cases of all kinds, with the runner watched from outside: nothing grows.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Suite, zombies_of};

const CASES: usize = 10_000;
const JOBS: usize = 16;

/// One of twenty kinds, two of which leak or hang.
fn case(n: usize) -> String {
    let body = match n % 20 {
        0 => r#""run": "setsid sleep 600 >/dev/null 2>&1 &""#,
        1 => r#""run": ["sleep", "600"], "timeout": "150ms", "grace": "100ms""#,
        2 => r#""run": "exit 3""#,
        3 => r#""run": "kill -SEGV $$""#,
        4 => r#""run": ["./nowhere"]"#,
        5 => r#""run": "yes | head -c 4000; exit 1""#,
        6 => r#""run": "cat", "stdin": "text", "expect": { "stdout": "text" }"#,
        7 => r#""run": "mkdir -p a/b; echo x > a/b/c; chmod 0 a""#,
        8 => r#""run": "sleep 0.01 & sleep 0.01 & wait""#,
        9 => r#""run": "true", "limits": { "open_files": 64 }"#,
        _ => r#""run": ["true"]"#,
    };
    format!(r#"{{ "name": "{n}", {body} }}"#)
}

/// What the runner holds at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    descriptors: usize,
    threads: usize,
    zombies: usize,
    /// Resident memory in kilobytes.
    memory: usize,
}

impl Sample {
    fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
            threads: number("Threads:")?,
            zombies: zombies_of(pid),
            memory: number("VmRSS:")?,
        })
    }

    fn largest(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
            zombies: self.zombies.max(other.zombies),
            memory: self.memory.max(other.memory),
        }
    }
}

#[test]
#[ignore = "long: ./tests/run"]
fn ten_thousand_mixed_cases_leave_everything_flat() {
    let cases: Vec<String> = (0..CASES).map(case).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",\n")));
    let begin = Instant::now();
    let mut command = suite.command(&["-q", "-j", &JOBS.to_string()]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    let mut samples = Vec::new();
    while child.try_wait().expect("asked").is_none() {
        samples.extend(Sample::of(child.id()));
        thread::sleep(Duration::from_millis(20));
    }
    assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", begin.elapsed());
    assert!(samples.len() > 100, "{} samples", samples.len());
    let most = |samples: &[Sample]| samples.iter().copied().fold(Sample::default(), Sample::largest);
    let quarter = samples.len() / 4;
    let (first, last) = (most(&samples[..quarter]), most(&samples[samples.len() - quarter..]));
    assert!(last.descriptors <= first.descriptors + 16, "{first:?} {last:?}");
    // The history has a thread of its own at the end.
    assert!(last.threads <= first.threads + 1 && last.threads <= JOBS + 5, "{first:?} {last:?}");
    assert!(most(&samples).zombies <= 20 + JOBS, "{:?}", most(&samples));
    // The results themselves are kept for the report: some kilobytes each.
    assert!(last.memory <= first.memory + 64 * 1024, "{first:?} {last:?}");
    // Waited for already: what is left to look at is the report.
    let run = suite.finish_command(suite.command(&["report", "-q", "--junit", ".partest/junit.xml"]));
    assert_eq!(run.expect_code(0).report().tests, CASES);
}
