//! `partest record`: what a command does now, as a test case.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use clap::Args;

use crate::cli::init::{stem_of, write_new};
use crate::cli::recorded::{Recorded, Stdin};
use crate::cli::{complain, fail, print, run, settings};
use crate::discovery::DiscoverOptions;
use crate::model::{CaseResult, Outcome, TestEvent};
use crate::report::{Reporter, Reporters};
use crate::runner::{Options, Policy};
use crate::session::{self, Config, ExitStatus, Listing, working_directory};

/// Run a command once, and write a test case that holds what it did
///
/// The command runs as a case does: with a clean environment, within its time limit, with nothing left behind; but in the
/// working directory, unless --private is given. Its exit code and what it wrote become the expectations. Look at them
/// before you keep the file: what changes from run to run, such as the time, is better matched by { "matches": "REGEX" }.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RecordArguments {
    /// The file to write, which must not exist [default: the program's name and .test.json]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The name of the case [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// What the command reads: a file, or - for what partest itself is given
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,

    /// Run in a private directory instead of the working directory
    #[arg(long)]
    private: bool,

    /// A file or glob, relative to the descriptor, that is copied into the private directory
    ///
    /// May be given several times.
    #[arg(long = "input", value_name = "GLOB", requires = "private")]
    inputs: Vec<String>,

    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  partest record -- ./greet --lang en                  writes greet.test.json
  partest record -o suite/sorts.test.json -- sort words.txt
  echo 'b a' | partest record --stdin - -- tr ' ' '\\n'
  partest record --private --input data.csv -- wc -l data.csv";

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("{} is already there", .0.display())]
    Exists(PathBuf),
    #[error("{} must end in .test.json, so that partest finds it", .0.display())]
    Ending(PathBuf),
    #[error("the folder of {} does not exist", .0.display())]
    NoFolder(PathBuf),
    #[error("{what} is not UTF-8")]
    NotUtf8 { what: &'static str },
    #[error("cannot read standard input: {0}")]
    Stdin(io::Error),
}

/// Runs the command and writes the descriptor.
pub(super) fn execute(arguments: &RecordArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let here = working_directory()?;
    let (output, mut recorded) = match prepare(arguments, &here) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let settings = match settings::load(&here, None) {
        Ok(settings) => settings,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    // The suite files around it must hold for the command as they will for the case, so that it is run from the same
    // folder, under a name that is gone afterwards.
    let folder = output.parent().unwrap_or(&here);
    let mut draft = tempfile::Builder::new().prefix(".record-").suffix(".test.json").tempfile_in(folder)?;
    draft.write_all(recorded.draft()?.as_bytes())?;
    let discover = DiscoverOptions { defaults: settings.defaults, ..DiscoverOptions::default() };
    let config = Config::of(vec![draft.path().to_owned()], settings.root, discover);
    let result = match observe(&config)? {
        Ok(result) => result,
        Err(status) => return Ok(status),
    };
    drop(draft);
    if !matches!(result.outcome, Outcome::Passed | Outcome::Failed) {
        let reasons: Vec<_> = result.all_failures().map(|failure| failure.message.as_str()).collect();
        let reason = match &result.outcome {
            Outcome::Skipped(skip) => skip.reason(),
            _ => reasons.join("; "),
        };
        complain(&format!("nothing is recorded: {reason}"));
        return Ok(ExitStatus::Failed);
    }
    let notes = recorded.take(&result, folder, &here);
    notes.iter().for_each(|note| complain(note));
    let shown = output.strip_prefix(&here).unwrap_or(&output).to_owned();
    write_new(&output, &recorded.text()?)?;
    print(|out| {
        writeln!(out, "wrote {}: {}", shown.display(), recorded.summary())?;
        writeln!(out, "run it with: partest {}", shown.display())
    })?;
    Ok(ExitStatus::Success)
}

/// Where the descriptor goes, and the descriptor without expectations.
fn prepare(arguments: &RecordArguments, here: &Path) -> Result<(PathBuf, Recorded), RecordError> {
    let words = arguments.command.iter().map(|word| {
        word.to_str().map(str::to_owned).ok_or(RecordError::NotUtf8 { what: "an argument of the command" })
    });
    let words: Vec<String> = words.collect::<Result<_, _>>()?;
    let program = words.first().map_or("", String::as_str);
    let named = arguments.output.clone().unwrap_or_else(|| {
        let stem = Path::new(program).file_stem().unwrap_or_default().to_string_lossy();
        PathBuf::from(format!("{stem}.test.json"))
    });
    let Some(stem) = stem_of(&named).map(str::to_owned) else { return Err(RecordError::Ending(named)) };
    let folder = here.join(named.parent().unwrap_or(Path::new("")));
    let folder = folder.canonicalize().map_err(|_| RecordError::NoFolder(named.clone()))?;
    let output = folder.join(format!("{stem}.test.json"));
    if output.symlink_metadata().is_ok() {
        return Err(RecordError::Exists(named));
    }
    let stdin = match &arguments.stdin {
        None => None,
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(RecordError::Stdin)?;
            Some(Stdin::Text(text))
        }
        Some(path) => {
            let path = relative(&folder, &here.join(path));
            let path = path.to_str().ok_or(RecordError::NotUtf8 { what: "the path of the input" })?;
            Some(Stdin::File(path.to_owned()))
        }
    };
    let cwd = if arguments.private { None } else { Some(relative(&folder, here)) };
    let cwd = match cwd.as_deref().map(|path| path.to_str().ok_or(path)) {
        None => None,
        Some(Ok(path)) => Some(path.to_owned()),
        Some(Err(_)) => return Err(RecordError::NotUtf8 { what: "the working directory" }),
    };
    let name = (arguments.name.clone(), stem);
    Ok((output, Recorded::new(name, &words, stdin, cwd.as_deref(), &arguments.inputs)))
}

/// The way from one folder to a path, both absolute.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder.ancestors().find(|above| path.starts_with(above)).unwrap_or(folder);
    let up = folder.strip_prefix(shared).map_or(0, |below| below.components().count());
    let down = path.strip_prefix(shared).unwrap_or(path);
    // An empty path at the end would add a slash.
    let down = Some(down).filter(|down| !down.as_os_str().is_empty());
    std::iter::repeat_n(Path::new(".."), up).chain(down).collect()
}

/// Runs the one case there is, and gives its result, or the exit status when there is none.
fn observe(config: &Config) -> Result<Result<Arc<CaseResult>, ExitStatus>, Box<dyn Error>> {
    let plan = session::plan(config).plan;
    let listing = Listing::new(&plan);
    if listing.has_errors() {
        listing.diagnostics().for_each(complain);
        return Ok(Err(ExitStatus::Usage));
    }
    let (sender, receiver) = channel();
    let reporters = Reporters::new().with("the recorder", Box::new(Recorder(sender)));
    let options = Options {
        run_id: String::new(),
        jobs: config.jobs,
        io_jobs: config.io_jobs,
        goldens: None,
        policy: Policy::default(),
        repetition: None,
        slot: None,
    };
    let ended = run::carry_out(|control| session::run_with(plan, options, None, control, reporters))?;
    match (ended.finished.signal, receiver.try_recv()) {
        (Some(signal), _) => Ok(Err(ExitStatus::Signal(signal))),
        (None, Ok(result)) => Ok(Ok(result)),
        (None, Err(_)) => Ok(Err(ExitStatus::Internal)),
    }
}

/// Passes the result of a case on.
struct Recorder(Sender<Arc<CaseResult>>);

impl Reporter for Recorder {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        if let TestEvent::CaseFinished(result) = event {
            // Whoever waits for it waits until the run is over.
            let _ = self.0.send(Arc::clone(result));
        }
        Ok(())
    }
}
