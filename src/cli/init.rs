//! `partest init`: a first suite, or a suite made of files that are already there.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{complain, fail, pairs, print};
use crate::session::ExitStatus;

/// Write a first suite, or one for pairs of input and expected output
///
/// Files that exist are never overwritten: then nothing is written, and the exit code is 2.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InitArguments {
    /// Where it is written [default: suite, or with --pairs the working directory]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// A glob for the inputs of existing pairs, relative to DIR
    ///
    /// One descriptor is written, with one case for each input: the program gets the input on standard input, and what it
    /// writes must be exactly what the expected file holds.
    #[arg(long, value_name = "GLOB", requires_all = ["expect", "run"])]
    pairs: Option<String>,

    /// The expected file of an input, relative to DIR: {stem} is the input's name without its ending, {name} with it
    #[arg(long, value_name = "PATH", requires = "pairs")]
    expect: Option<String>,

    /// What is run for each input; a program with a / in its name is relative to DIR
    #[arg(long, value_name = "COMMAND", requires = "pairs")]
    run: Option<String>,

    /// The name of the descriptor for pairs, in DIR; it ends in .test.json
    #[arg(short, long, value_name = "FILE", requires = "pairs", default_value = "pairs.test.json")]
    output: String,
}

const EXAMPLES: &str = "\
Examples:
  partest init                   writes suite/hello.test.json and suite/suite.toml
  partest init --pairs 'in/*.txt' --expect 'out/{stem}.txt' --run './prog --fast'
                                 writes pairs.test.json: one case for each file in in/";

const HELLO: &str = r#"{
  "cases": [
    {
      "name": "says hello",
      "run": ["echo", "hello"],
      "expect": { "stdout": "hello\n" }
    },
    {
      "name": "sorts what it reads",
      "run": "sort | uniq",
      "stdin": "pear\napple\npear\n",
      "expect": { "stdout": "apple\npear\n" }
    },
    {
      "name": "refuses a file that is not there",
      "run": ["cat", "nothing.txt"],
      "expect": { "exit": "nonzero", "stderr": { "contains": "nothing.txt" } }
    }
  ]
}
"#;

const SUITE: &str = r#"# For every case in this folder and below it; a case can say something else.
[defaults]
timeout = "10s"

# Values for {{ name }} in the cases.
[vars]
greeting = "hello"
"#;

/// Writes what was asked for.
pub(super) fn execute(arguments: &InitArguments) -> Result<ExitStatus, Box<dyn Error>> {
    if stem_of(Path::new(&arguments.output)).is_none() {
        complain(&format!("{} must end in .test.json, so that partest finds it", arguments.output));
        return Ok(ExitStatus::Usage);
    }
    let (folder, files) = match (&arguments.pairs, &arguments.expect, &arguments.run) {
        (Some(glob), Some(expect), Some(run)) => {
            let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from("."));
            let found = match pairs::convert(&folder, glob, expect, run) {
                Ok(found) => found,
                Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
            };
            found.notes.iter().for_each(|note| complain(note));
            (folder, vec![(arguments.output.as_str(), found.descriptor)])
        }
        _ => {
            let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from("suite"));
            (folder, vec![("hello.test.json", HELLO.to_owned()), ("suite.toml", SUITE.to_owned())])
        }
    };
    if let Some((name, _)) = files.iter().find(|(name, _)| folder.join(name).symlink_metadata().is_ok()) {
        complain(&format!("{} is already there; nothing was written", folder.join(name).display()));
        return Ok(ExitStatus::Usage);
    }
    fs::create_dir_all(&folder).map_err(|error| about(&folder, &error))?;
    for (name, text) in &files {
        write_new(&folder.join(name), text)?;
    }
    print(|out| {
        for (name, _) in &files {
            writeln!(out, "wrote {}", tidy(&folder.join(name)).display())?;
        }
        writeln!(out, "run it with: partest {}", tidy(&folder).display())
    })?;
    Ok(ExitStatus::Success)
}

/// The name of a descriptor that is written, without its ending; none where it has not the one by which it is found.
pub(super) fn stem_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".test.json").filter(|stem| !stem.is_empty())
}

/// Writes a file that must not be there.
///
/// # Errors
/// When it is there, or cannot be written; the message names it.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let written = OpenOptions::new().write(true).create_new(true).open(path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| about(path, &error))
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

/// The path without a leading `./`, unless nothing would be left.
fn tidy(path: &Path) -> &Path {
    path.strip_prefix(".").ok().filter(|rest| !rest.as_os_str().is_empty()).unwrap_or(path)
}
