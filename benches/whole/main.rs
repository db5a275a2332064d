//! Measures partest as a whole process beside loops that do only what cannot be left out.
//!
//! `cargo bench --bench whole` prints one table; each row is a ratio of two times taken in the same run, since the
//! absolute ones say more about the machine. `benches/README.md` says how to read it.

mod growth;
mod limit;
mod others;
mod server;
mod work;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::work::Work;

/// How often each pair is measured; the medians are compared.
const ROUNDS: usize = 5;

fn main() -> io::Result<()> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let mut out = io::stdout().lock();
    writeln!(out, "| work | partest | limit | ratio | peak memory |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for work in work::all() {
        if is_wanted(work.name) {
            let row = measure(&work)?;
            writeln!(out, "{row}")?;
        }
    }
    if is_wanted(others::NAME) {
        others::compare(&mut out)?;
    }
    if is_wanted(growth::NAME) { growth::measure(&mut out) } else { Ok(()) }
}

/// Measures partest and the limit in turn and gives their row of the table.
fn measure(work: &Work) -> io::Result<String> {
    let suite = TempDir::new()?;
    (work.prepare)(suite.path())?;
    let (mut ours, mut limits, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (took, memory) = partest(suite.path(), work.arguments)?;
        ours.push(took);
        peak = peak.max(memory);
        let begin = Instant::now();
        (work.limit)(suite.path())?;
        limits.push(begin.elapsed());
    }
    let (ours, limit) = (median(ours), median(limits));
    Ok(format!(
        "| {} | {:.3} s | {:.3} s | {:.2} | {} MiB |",
        work.name,
        ours.as_secs_f64(),
        limit.as_secs_f64(),
        ours.as_secs_f64() / limit.as_secs_f64(),
        peak >> 10
    ))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Runs partest on a suite; gives the time it took and the most memory it had, in KiB.
fn partest(suite: &Path, arguments: &[&str]) -> io::Result<(Duration, u64)> {
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_partest"))
        .args(arguments)
        .current_dir(suite)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let is_over = AtomicBool::new(false);
    let (ended, took, peak) = thread::scope(|scope| {
        // The high-water mark is read while it runs; the last reading is close to the end.
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !is_over.load(Ordering::Relaxed) {
                let read = fs::read_to_string(&status).ok();
                peak = peak.max(read.as_deref().and_then(high_water).unwrap_or_default());
                thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        let ended = child.wait();
        let took = begin.elapsed();
        is_over.store(true, Ordering::Relaxed);
        (ended, took, watch.join().unwrap_or_default())
    });
    let ended = ended?;
    if !ended.success() {
        return Err(io::Error::other(format!("partest {arguments:?}: {ended}")));
    }
    Ok((took, peak))
}

/// `VmHWM` of `proc_pid_status(5)`, in KiB.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}
