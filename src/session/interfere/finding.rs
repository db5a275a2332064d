//! What was found, and what helps against it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use crate::interference::{lock_name, shared_word};
use crate::model::{CaseId, CaseResult, LockAccess, TestCase};
use crate::session::interfere::trial::{Laboratory, Tally};

/// The most bytes that are read of a file which a command names.
const MOST_READ: u64 = 64 << 10;

/// The longest name that is made for a lock, in characters.
const LONGEST_NAME: usize = 40;

/// What was found.
#[derive(Clone, Debug)]
pub enum Finding {
    /// The case fails by itself.
    FailsAlone {
        /// Which.
        case: CaseId,
        /// How often it ran.
        ran: usize,
        /// How often it failed.
        failed: usize,
        /// The first result that was a failure.
        failure: Option<Arc<CaseResult>>,
    },
    /// A case fails while others run.
    Together(Guilt),
    /// A case fails when others have run before it, or it itself has in the same run.
    After(Guilt),
    /// A case fails for good since others have run: they leave something behind that stays.
    Stays(Guilt),
    /// It did not fail.
    Nothing {
        /// Which.
        case: CaseId,
        /// How many suspects there were.
        suspects: usize,
        /// Whether all of them were tried.
        is_complete: bool,
    },
}

/// Which cases make one fail.
#[derive(Clone, Debug)]
pub struct Guilt {
    /// The case that fails.
    pub case: CaseId,
    /// Those that make it fail.
    pub set: Vec<CaseId>,
    /// How often it ran by itself, and passed each time.
    pub alone: usize,
    /// How often it ran beside them in the end.
    pub ran: usize,
    /// How often it failed then.
    pub failed: usize,
    /// Whether it does not fail without any one of them.
    pub is_minimal: bool,
    /// How it fails.
    pub failure: Option<Arc<CaseResult>>,
    /// What helps.
    pub remedy: Option<Remedy>,
}

/// A lock that keeps cases from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Its name.
    pub lock: String,
    /// What all of them name, after which it is called.
    pub shared: Option<String>,
    /// What is to be written into each.
    pub changes: Vec<Change>,
}

/// What is to be written into a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub case: CaseId,
    /// Where it stands, `file:line`.
    pub place: String,
    /// In the format of that file.
    pub text: String,
}

impl Guilt {
    /// Those that make a case fail which ran so often by itself.
    pub(super) fn new(case: &CaseId, set: Vec<CaseId>, alone: usize) -> Self {
        let case = case.clone();
        Self { case, set, alone, ran: 0, failed: 0, is_minimal: true, failure: None, remedy: None }
    }

    /// The same, with what was seen of the case beside them.
    pub(super) fn with(self, tally: Tally) -> Self {
        Self { ran: tally.ran, failed: tally.failed, failure: tally.failure, ..self }
    }

    /// The same with the lock that helps.
    pub(super) fn with_remedy(self, laboratory: &Laboratory<'_>) -> Self {
        let set = self.set.iter().filter(|id| **id != self.case);
        let cases: Vec<_> =
            [&self.case].into_iter().chain(set).filter_map(|id| laboratory.case(id)).collect();
        let is_guilty = |id: &CaseId| *id == self.case || self.set.contains(id);
        let texts = |id: &CaseId, commands: &[String]| {
            laboratory.case(id).map_or_else(Vec::new, |case| texts(case, commands))
        };
        let known: BTreeMap<&CaseId, Vec<String>> =
            laboratory.commands.iter().map(|(id, commands)| (id, texts(id, commands))).collect();
        let others: Vec<Vec<String>> =
            known.iter().filter(|(id, _)| !is_guilty(id)).map(|(_, texts)| texts.clone()).collect();
        let of = |id: &CaseId| known.get(id).cloned().unwrap_or_default();
        let exists = |word: &str| cases.iter().any(|case| case.folder.join(word).is_file());
        let pair = self.set.first().map(|first| (of(&self.case), of(first)));
        let shared = pair.and_then(|(own, other)| shared_word(&own, &other, &others, &exists));
        let lock = shared.as_deref().map(lock_name).filter(|name| !name.is_empty());
        let lock = lock.unwrap_or_else(|| {
            let names: Vec<_> = cases.iter().take(2).map(|case| case.info.name.replace('/', " ")).collect();
            lock_name(&names.join(" and ")).chars().take(LONGEST_NAME).collect()
        });
        let change = |case: &&Arc<TestCase>| Change {
            case: case.info.id.clone(),
            place: format!("{}:{}", case.info.position.file, case.info.position.line),
            text: key(case, &lock),
        };
        let changes = cases.iter().map(change).collect();
        Self { remedy: Some(Remedy { lock, shared, changes }), ..self }
    }
}

/// The key `locks` of a case that has this lock, too.
fn key(case: &TestCase, lock: &str) -> String {
    let mut locks = case.resources.locks.clone();
    locks.insert(lock.to_owned(), LockAccess::Exclusive);
    let (between, colon) = match case.info.position.file.rsplit('.').next() {
        Some("toml") => ("locks = ", " ="),
        Some("yaml" | "yml") => ("locks: ", ":"),
        _ => ("\"locks\": ", ":"),
    };
    let quoted = |name: &String| serde_json::Value::from(name.as_str()).to_string();
    let entry = |(name, access): (&String, &LockAccess)| match access {
        LockAccess::Shared => format!("{}{colon} \"shared\"", quoted(name)),
        LockAccess::Exclusive => format!("{}{colon} \"exclusive\"", quoted(name)),
    };
    let is_plain = locks.values().all(|access| *access == LockAccess::Exclusive);
    match is_plain {
        true => format!("{between}[{}]", locks.keys().map(quoted).collect::<Vec<_>>().join(", ")),
        false => format!("{between}{{ {} }}", locks.iter().map(entry).collect::<Vec<_>>().join(", ")),
    }
}

/// What a case runs, its environment, and the files that its commands name: scripts, as a rule.
fn texts(case: &TestCase, commands: &[String]) -> Vec<String> {
    let named = |command: &String| -> Vec<String> {
        let words = command.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ';'));
        words
            .filter(|word| word.contains(['/', '.']))
            .filter_map(|word| read(&case.folder.join(word)))
            .collect()
    };
    let files: Vec<String> = commands.iter().flat_map(named).collect();
    let values = case.environment.set.values().map(|value| value.source().to_owned());
    commands.iter().cloned().chain(files).chain(values).collect()
}

/// The text of a small file that is no program of the system.
fn read(path: &Path) -> Option<String> {
    let is_own = !["/usr", "/bin", "/dev", "/proc", "/sys"].iter().any(|system| path.starts_with(system));
    if !is_own || !path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MOST_READ) {
        return None;
    }
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MOST_READ).read_to_string(&mut text).ok()?;
    Some(text)
}
