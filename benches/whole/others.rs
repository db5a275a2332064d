//! The same work, or for nextest as many empty tests, done by partest and by others that start a process for each case.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{ROUNDS, limit, median, work};

/// What compares them, when it is asked for by a word of this.
pub(crate) const NAME: &str = "others, 1,000 × /bin/true";

const COUNT: usize = 1000;

/// Somebody who can do the work.
struct Other {
    /// The program, which may not be installed.
    program: &'static str,
    /// What is shown of it, a command line of `sh` in the folder of its suite.
    command: &'static str,
    prepare: fn(&Path) -> io::Result<()>,
}

fn all() -> Vec<Other> {
    let nothing: fn(&Path) -> io::Result<()> = |_| Ok(());
    vec![
        Other { program: "make", command: "make -s -j2", prepare: makefile },
        Other { program: "xargs", command: "seq 1000 | xargs -P2 -n1 /bin/true", prepare: nothing },
        Other {
            program: "rust-parallel",
            command: "seq 1000 | rust-parallel -j2 /bin/true",
            prepare: nothing,
        },
        Other { program: "ctest", command: "ctest -j2", prepare: ctest },
        Other { program: "lit", command: "lit -j2 .", prepare: lit },
        Other { program: "parallel", command: "seq 1000 | parallel -j2 /bin/true", prepare: nothing },
        Other { program: "prove", command: "prove -j2 -e /bin/sh", prepare: prove },
        Other { program: "bats", command: "bats -j 2 all.bats", prepare: bats },
        Other { program: "cargo-nextest", command: "cargo nextest run --offline -j2", prepare: nextest },
    ]
}

/// Prints how long each of them takes, and partest, beside the isolating limit; all in turn.
pub(crate) fn compare(out: &mut impl Write) -> io::Result<()> {
    let ours = TempDir::new()?;
    work::cases(ours.path(), COUNT, &serde_json::json!({ "run": ["/bin/true"] }))?;
    let mut others = Vec::new();
    for other in all().into_iter().filter(is_installed) {
        let (other, folder) = prepared(other)?;
        // Some need others again, as bats needs GNU parallel.
        match run(&other, folder.path()) {
            Ok(()) => others.push((other, folder)),
            Err(error) => writeln!(out, "\n{error}")?,
        }
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); others.len() + 2];
    for _ in 0..ROUNDS {
        times[0].push(timed(|| limit::isolated(COUNT, 2, Path::new("/bin/true"), &[]))?);
        times[1].push(crate::partest(ours.path(), &["-q", "-j", "2"])?.0);
        for ((other, folder), times) in others.iter().zip(&mut times[2..]) {
            times.push(timed(|| run(other, folder.path()))?);
        }
    }
    let names = ["the isolating limit", "partest -q -j2"]
        .into_iter()
        .chain(others.iter().map(|other| other.0.command));
    let limit = median(times[0].clone()).as_secs_f64();
    writeln!(out, "\n| {NAME} | time | ratio to the limit |\n|---|---|---|")?;
    for (name, times) in names.zip(times) {
        let took = median(times).as_secs_f64();
        writeln!(out, "| `{}` | {took:.3} s | {:.2} |", name.replace('|', "\\|"), took / limit)?;
    }
    Ok(())
}

fn is_installed(other: &Other) -> bool {
    let found =
        Command::new("sh").args(["-c", "command -v \"$0\"", other.program]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn prepared(other: Other) -> io::Result<(Other, TempDir)> {
    let folder = TempDir::new()?;
    (other.prepare)(folder.path())?;
    Ok((other, folder))
}

fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let begin = Instant::now();
    work().map(|()| begin.elapsed())
}

fn run(other: &Other, folder: &Path) -> io::Result<()> {
    quietly(Command::new("sh").args(["-c", other.command]).current_dir(folder))
}

fn quietly(command: &mut Command) -> io::Result<()> {
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} has failed: {ended}"))) }
}

fn lines(line: impl Fn(usize) -> String) -> String {
    (0..COUNT).map(line).collect()
}

fn makefile(folder: &Path) -> io::Result<()> {
    let all = lines(|number| format!("all: t{number}\nt{number}:\n\t@/bin/true\n"));
    fs::write(folder.join("Makefile"), all)
}

fn ctest(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("CTestTestfile.cmake"), lines(|number| format!("add_test(t{number} /bin/true)\n")))
}

fn lit(folder: &Path) -> io::Result<()> {
    let config = "import lit.formats\nconfig.name = 'all'\nconfig.test_format = lit.formats.ShTest()\nconfig.suffixes = ['.txt']\n";
    fs::write(folder.join("lit.cfg.py"), config)?;
    (0..COUNT).try_for_each(|number| fs::write(folder.join(format!("{number}.txt")), "RUN: /bin/true\n"))
}

fn prove(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("t"))?;
    let test = "/bin/true && echo ok 1\necho 1..1\n";
    (0..COUNT).try_for_each(|number| fs::write(folder.join(format!("t/{number}.t")), test))
}

fn bats(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("all.bats"), lines(|number| format!("@test \"case {number}\" {{ /bin/true; }}\n")))
}

/// As many tests of one crate, compiled here: each is a process of the test binary.
fn nextest(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("src"))?;
    let package = "[package]\nname = \"all\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), package)?;
    fs::write(folder.join("src/lib.rs"), lines(|number| format!("#[test]\nfn t{number}() {{}}\n")))?;
    quietly(Command::new("cargo").args(["nextest", "run", "--offline", "--no-run"]).current_dir(folder))
}
