//! What a case costs in small and in very large runs.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::{ROUNDS, median, partest};

/// What measures it, when it is asked for by a word of this.
pub(crate) const NAME: &str = "cost per case from 1,000 to 1,000,000";

/// Cases that do nothing and start no process, made of one entry: all there is, is partest's own.
const SIZES: [(&str, usize, usize); 4] =
    [("1,000", 10, 100), ("10,000", 100, 100), ("100,000", 250, 400), ("1,000,000", 1_000, 1_000)];

/// Runs more and more cases and prints what each took, beyond a run of one.
pub(crate) fn measure(out: &mut impl Write) -> io::Result<()> {
    let (begin, _) = run(1, 1, ROUNDS)?;
    writeln!(out, "\n| cases in one run | time per case | memory per case beyond 40 MiB |\n|---|---|---|")?;
    for (name, first, second) in SIZES {
        let count = first * second;
        let (took, peak) = run(first, second, if count < 1_000_000 { ROUNDS } else { 1 })?;
        let each = (took - begin).max(0.0) / count as f64;
        let bytes = (peak << 10).saturating_sub(40 << 20) as f64 / count as f64;
        writeln!(out, "| {name} | {:.2} µs | {bytes:.0} bytes |", each * 1e6)?;
    }
    Ok(())
}

/// The median time in seconds and the peak memory in KiB of a run of `first` × `second` cases.
fn run(first: usize, second: usize, rounds: usize) -> io::Result<(f64, u64)> {
    let suite = TempDir::new()?;
    prepare(suite.path(), first, second)?;
    let runs: Vec<_> =
        (0..rounds).map(|_| partest(suite.path(), &["-q", "-j", "2"])).collect::<Result<_, _>>()?;
    let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or_default();
    Ok((median(runs.into_iter().map(|(took, _)| took).collect()).as_secs_f64(), peak))
}

fn prepare(suite: &Path, first: usize, second: usize) -> io::Result<()> {
    let [first, second] = [first, second].map(|end| (0..end).collect::<Vec<_>>());
    let case = json!({ "name": "case", "matrix": { "a": first, "b": second }, "sleep": "1ms" });
    fs::write(suite.join("all.test.json"), case.to_string())
}
