//! The step `file`: what a file is and what it holds. Only what is asked for is looked at.

mod table;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::assertion;
use crate::model::{Check, Fact, FileStep, Observation, Step, StepRecord, StepStatus, Subject, Test};
use crate::step::{StepResult, Surroundings, judge};
use crate::time::{Deadline, clock};

/// How many bytes are read at once while a digest is made; between them the deadline is looked at.
const CHUNK: usize = 256 << 10;

/// The bits of a mode that are permissions, with those for the user, the group and the sticky bit.
const PERMISSIONS: u32 = 0o7777;

pub(super) fn execute(
    step: &Step,
    file: &FileStep,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let mut record = StepRecord::new("file".to_owned());
    let path = match file.path.render(around.variables) {
        Ok(path) if path.is_empty() => Err("the path is empty".to_owned()),
        Ok(path) => Ok(path),
        Err(error) => Err(error.to_string()),
    };
    let delimiter = file.delimiter.value(around.variables).map_err(|error| error.message);
    let (path, delimiter) = match path.and_then(|path| Ok((path, *delimiter?))) {
        Ok(both) => both,
        Err(message) => return StepResult::not_started(record, &step.position, message),
    };
    record.command = format!("file {path}");
    if let Some(result) = contradiction(step, &record, around) {
        return result;
    }
    let begin = clock::now();
    let look = Look { step, path: &around.directory.join(&*path), delimiter };
    let seen = look.facts(&path, deadline, around);
    record.duration = clock::now() - begin;
    let (status, facts) = match seen {
        Ok(seen) => seen,
        Err(Stopped::Interrupted) => return StepResult::interrupted(record, Vec::new()),
        Err(Stopped::TimedOut) => return StepResult::timed_out(step, record, around),
    };
    let is_missing = status.is_none();
    record.status = Some(StepStatus::Done(status.unwrap_or_else(|| "missing".to_owned())));
    let observation = Observation { facts, directory: around.directory.to_owned() };
    if is_missing {
        // That it is missing says it all.
        let mut step = step.clone();
        step.checks.retain(|check| matches!(check.matcher.test, Test::Exists(_)));
        return judge::compare(&step, &observation, record, deadline, around);
    }
    judge::compare(step, &observation, record, deadline, around)
}

/// An error of the step if, by a value that is known only now, the file must not exist and something else is expected
/// of it. Known values are refused when the descriptor is read.
fn contradiction(step: &Step, record: &StepRecord, around: &Surroundings<'_>) -> Option<StepResult> {
    let must_be_missing = |check: &&Check| match &check.matcher.test {
        Test::Exists(expected) => expected.value(around.variables).is_ok_and(|expected| !*expected),
        _ => false,
    };
    let check = step.checks.iter().find(must_be_missing).filter(|_| step.checks.len() > 1)?;
    let message = "nothing else can be expected of a file that does not exist";
    Some(StepResult::not_started(record.clone(), &check.matcher.position, message.to_owned()))
}

/// Why a look did not come to its end.
enum Stopped {
    TimedOut,
    Interrupted,
}

/// What the file is in a few words, none when it is missing; and what was seen of it.
type Seen = (Option<String>, Vec<(Subject, Fact)>);

/// What is looked at, and for which step.
struct Look<'a> {
    step: &'a Step,
    path: &'a Path,
    delimiter: u8,
}

impl Look<'_> {
    fn facts(&self, shown: &str, deadline: Deadline, around: &Surroundings<'_>) -> Result<Seen, Stopped> {
        let content = (Subject::Content, Fact::File(shown.to_owned()));
        let metadata = match fs::metadata(self.path) {
            Ok(metadata) => metadata,
            Err(error) if assertion::leads_nowhere(&error) => return Ok((None, vec![content])),
            Err(error) => {
                let reason = error.to_string();
                let all = [Subject::Size, Subject::Sha256, Subject::Mode, Subject::Rows, Subject::RowCount];
                let facts = all.map(|subject| (subject, Fact::Unreadable(reason.clone())));
                return Ok((Some(reason), [content].into_iter().chain(facts).collect()));
            }
        };
        let mode = format!("{:04o}", metadata.mode() & PERMISSIONS);
        let mut facts = vec![content, (Subject::Mode, Fact::Value(mode.into()))];
        let status = if metadata.is_file() {
            facts.push((Subject::Size, Fact::Value(metadata.len().into())));
            format!("{} bytes", metadata.len())
        } else {
            let what = if metadata.is_dir() { "a directory" } else { "no regular file" };
            facts.push((Subject::Size, Fact::Unreadable(format!("it is {what}"))));
            what.to_owned()
        };
        if self.is_asked(&Subject::Sha256) {
            facts.push((Subject::Sha256, sha256(self.path, deadline, around)?));
        }
        if self.is_asked(&Subject::RowCount) {
            facts.push((Subject::RowCount, self.count_rows(deadline, around)?));
        }
        if self.is_asked(&Subject::Rows) {
            let rows = table::read(self.path, self.delimiter);
            facts.push((Subject::Rows, rows.map_or_else(Fact::Unreadable, |rows| Fact::Value(rows.into()))));
        }
        Ok((Some(status), facts))
    }

    fn count_rows(&self, deadline: Deadline, around: &Surroundings<'_>) -> Result<Fact, Stopped> {
        let file = match assertion::open(self.path) {
            Ok(Ok((file, _))) => file,
            Ok(Err(reason)) => return Ok(Fact::Unreadable(reason)),
            Err(error) => return Ok(Fact::Unreadable(error.to_string())),
        };
        let counted = table::count(file, self.delimiter, || go_on(deadline, around))?;
        Ok(counted.map_or_else(Fact::Unreadable, |count| Fact::Value(count.into())))
    }

    fn is_asked(&self, subject: &Subject) -> bool {
        self.step.checks.iter().any(|check| check.subject == *subject)
            || self.step.captures.iter().any(|capture| capture.subject == *subject)
    }
}

/// Whether a long look may go on.
fn go_on(deadline: Deadline, around: &Surroundings<'_>) -> Result<(), Stopped> {
    if around.cancellation.is_requested() {
        return Err(Stopped::Interrupted);
    }
    if deadline.has_passed() { Err(Stopped::TimedOut) } else { Ok(()) }
}

/// The digest of a file of any size.
fn sha256(path: &Path, deadline: Deadline, around: &Surroundings<'_>) -> Result<Fact, Stopped> {
    let mut file = match assertion::open(path) {
        Ok(Ok((file, _))) => file,
        Ok(Err(reason)) => return Ok(Fact::Unreadable(reason)),
        Err(error) => return Ok(Fact::Unreadable(error.to_string())),
    };
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        go_on(deadline, around)?;
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => digest.update(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Ok(Fact::Unreadable(error.to_string())),
        }
    }
    let digits = data_encoding::HEXLOWER.encode(&digest.finalize());
    Ok(Fact::Value(digits.into()))
}
