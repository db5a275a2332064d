//! What a run would do, for people and for programs.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::model::{CaseId, CaseInfo, CaseResult, Outcome, Position, Resources, TestCase};
use crate::plan::TestPlan;
use crate::text::terminal::{Colours, printable};

/// The cases of a plan, and the errors of files that could not be read.
///
/// As JSON: `{"cases": [{"id", "name", "suite", "file", "line", "tags", "skip"?,
/// "takes"?, "after"?}], "errors": [{"file", "line",
/// "column", "message"}]}`.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    cases: Vec<Entry<'a>>,
    errors: Vec<Error<'a>>,
    #[serde(skip)]
    broken: Vec<&'a CaseResult>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    id: &'a str,
    name: &'a str,
    suite: &'a str,
    file: &'a str,
    line: u32,
    #[serde(skip)]
    place: (&'a Position, u32),
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<String>,
    /// What it takes of what cases share, in words.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    takes: Option<&'a Resources>,
    /// The cases that must have passed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct Error<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
}

impl<'a> Listing<'a> {
    /// What `plan` would run, in the order of the files and of what stands in them.
    #[must_use]
    pub fn new(plan: &'a TestPlan) -> Self {
        let mut cases: Vec<_> = plan.cases.iter().map(|case| Entry::of_case(case, plan)).collect();
        let mut broken = Vec::new();
        for result in &plan.resolved {
            match &result.outcome {
                Outcome::Skipped(skip) => cases.push(Entry::new(&result.info, Some(skip.reason()))),
                _ => broken.push(result),
            }
        }
        cases.sort_by_key(|entry| entry.place);
        let failures = broken.iter().flat_map(|result| result.all_failures());
        let errors = failures.map(|failure| Error {
            file: &failure.position.file,
            line: failure.position.line,
            column: failure.position.column,
            message: &failure.message,
        });
        Self { errors: errors.collect(), cases, broken }
    }

    /// Whether there is neither a case nor an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty() && self.errors.is_empty()
    }

    /// Whether some file could not be read.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// How many cases there are, skipped ones among them.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.cases.len()
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors.len()
    }

    /// In how many files they stand.
    #[must_use]
    pub fn broken_files(&self) -> usize {
        let files: HashSet<_> = self.errors.iter().map(|error| error.file).collect();
        files.len()
    }

    /// Writes one id a line.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.cases.iter().try_for_each(|entry| writeln!(out, "{}", entry.id))
    }

    /// Writes one id a line, and beside it what the case takes of what cases share, and which cases it runs after; or
    /// why it is skipped.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_details(&self, out: &mut dyn Write) -> io::Result<()> {
        self.cases.iter().try_for_each(|entry| {
            let details = match (&entry.skip, &entry.takes) {
                (Some(reason), _) => format!("skipped: {reason}"),
                (None, takes) => takes.map(ToString::to_string).unwrap_or_default(),
            };
            let after = entry.after.iter().map(|id| format!(", after {id}")).collect::<String>();
            let line = format!("{}  # {details}{after}", entry.id);
            writeln!(out, "{}", printable(&line, Colours::Remove))
        })
    }

    /// Writes one JSON document.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// The errors in full, as a run would show them.
    pub fn diagnostics(&self) -> impl Iterator<Item = &str> {
        let text = |failure: &'a crate::model::Failure| match failure.detail.as_str() {
            "" => failure.message.as_str(),
            detail => detail,
        };
        self.broken.iter().flat_map(|result| result.all_failures()).map(text)
    }
}

fn in_words<S: Serializer>(takes: &Option<&Resources>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&takes.map_or_else(String::new, ToString::to_string))
}

impl<'a> Entry<'a> {
    fn of_case(case: &'a TestCase, plan: &'a TestPlan) -> Self {
        let after = plan.after.get(&case.info.id).into_iter().flat_map(|before| before.iter());
        Self {
            takes: Some(&case.resources),
            after: after.map(CaseId::as_str).collect(),
            ..Self::new(&case.info, None)
        }
    }

    fn new(info: &'a CaseInfo, skip: Option<String>) -> Self {
        Self {
            id: info.id.as_str(),
            name: &info.name,
            suite: &info.suite,
            file: &info.position.file,
            line: info.position.line,
            place: info.place(),
            tags: &info.tags,
            skip,
            takes: None,
            after: Vec::new(),
        }
    }
}
