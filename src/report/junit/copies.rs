//! One test case for all copies of a case, where there may be any number of them.

use std::collections::HashMap;

use crate::model::{CaseId, CaseResult, Outcome};
use crate::report::junit::case::Record;
use crate::text::xml;

/// What came of the copies of cases.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    cases: HashMap<CaseId, Counts>,
}

/// What came of the copies of a case.
#[derive(Debug)]
struct Counts {
    /// The place of its record.
    index: usize,
    /// The name of the case itself.
    name: String,
    passed: usize,
    ran: usize,
    /// The name of the first copy that failed, which is the one that is kept.
    failed: Option<String>,
}

/// Where the record of a result is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere.
    None,
    /// Behind all others.
    New,
    /// Instead of this one.
    Of(usize),
}

impl Copies {
    /// Counts a result, and says where its record is kept when there are `kept` so far: that of the first copy of its
    /// case, until one fails.
    pub(crate) fn place(&mut self, result: &CaseResult, kept: usize) -> Place {
        let info = &result.info;
        let Some(id) = &info.copy_of else { return Place::New };
        let mut place = Place::None;
        let counts = self.cases.entry(id.clone()).or_insert_with(|| {
            place = Place::New;
            let name = info.lasting_name().to_owned();
            Counts { index: kept, name, passed: 0, ran: 0, failed: None }
        });
        match result.outcome {
            Outcome::Skipped(_) => {}
            Outcome::Passed => {
                counts.ran += 1;
                counts.passed += 1;
            }
            Outcome::Failed | Outcome::TimedOut | Outcome::Errored => {
                counts.ran += 1;
                if counts.failed.is_none() {
                    counts.failed = Some(info.name.clone());
                    place = if place == Place::New { place } else { Place::Of(counts.index) };
                }
            }
        }
        place
    }

    /// Puts what came of all copies into the records.
    pub(crate) fn tell(&self, records: &mut [Record]) {
        for Counts { index, name, passed, ran, failed } in self.cases.values() {
            let Some(record) = records.get_mut(*index) else { continue };
            let counts = ("copies", format!("{passed} of {ran} passed"));
            let first = failed.iter().map(|name| ("first-failed", xml::one_line(name).into_owned()));
            record.stand_for(name, std::iter::once(counts).chain(first));
        }
    }
}
