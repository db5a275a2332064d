//! Who was beside a case when it failed.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::model::{CaseId, CaseResult, Outcome};

/// When an attempt at a case went on, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The case; of a copy, that of which it is one.
    pub case: CaseId,
    /// When it began.
    pub begin: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// Whether it failed.
    pub has_failed: bool,
}

impl Span {
    /// Those of all attempts of a result. Attempts that were interrupted say nothing.
    pub fn of(result: &CaseResult) -> impl Iterator<Item = Self> + '_ {
        result.attempts.iter().filter_map(|attempt| {
            let has_failed = match attempt.outcome {
                Outcome::Passed => false,
                Outcome::Failed | Outcome::TimedOut | Outcome::Errored => true,
                Outcome::Skipped(_) => return None,
            };
            let end = attempt.started_at.checked_add(attempt.duration)?;
            Some(Self { case: result.info.lasting_id().clone(), begin: attempt.started_at, end, has_failed })
        })
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.begin < other.end && other.begin < self.end
    }
}

/// Who was beside the attempts at one case.
#[derive(Debug, Default)]
pub struct Company {
    /// How many of its attempts failed, and passed.
    failed: usize,
    passed: usize,
    beside: HashMap<CaseId, Beside>,
}

/// Beside how many attempts a case was.
#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    failed: usize,
    passed: usize,
}

/// A case that was beside another one when that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Which.
    pub case: CaseId,
    /// Beside how many failed attempts it was.
    pub failed: usize,
    /// Beside how many it was that passed.
    pub passed: usize,
}

impl Company {
    /// Adds the attempts of one run, those at `victim` and those beside them.
    pub fn add(&mut self, victim: &CaseId, spans: &[Span]) {
        let (own, others): (Vec<&Span>, Vec<&Span>) = spans.iter().partition(|span| span.case == *victim);
        for own in own {
            let mut seen: Vec<&CaseId> =
                others.iter().filter(|other| other.overlaps(own)).map(|other| &other.case).collect();
            seen.sort_unstable();
            seen.dedup();
            let count = |beside: &mut Beside| match own.has_failed {
                true => beside.failed += 1,
                false => beside.passed += 1,
            };
            seen.into_iter().for_each(|case| count(self.beside.entry(case.clone()).or_default()));
            match own.has_failed {
                true => self.failed += 1,
                false => self.passed += 1,
            }
        }
    }

    /// How many attempts failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// How many attempts passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// Who was beside attempts that failed, the most suspicious first: who was beside most of them, and beside few that passed.
    #[must_use]
    pub fn suspects(&self) -> Vec<Suspect> {
        let beside = self.beside.iter().filter(|(_, beside)| beside.failed > 0);
        let suspect = |(case, beside): (&CaseId, &Beside)| {
            let Beside { failed, passed } = *beside;
            Suspect { case: case.clone(), failed, passed }
        };
        let mut suspects: Vec<_> = beside.map(suspect).collect();
        suspects.sort_by(|a, b| {
            b.failed.cmp(&a.failed).then(a.passed.cmp(&b.passed)).then_with(|| a.case.cmp(&b.case))
        });
        suspects
    }
}

/// The cases of which something went on between the last attempt at `victim` that passed and the first after it that failed;
/// nothing when it did not fail, or from the beginning.
#[must_use]
pub fn between(victim: &CaseId, spans: &[Span]) -> Vec<CaseId> {
    let own = || spans.iter().filter(|span| span.case == *victim);
    let Some(first) = own().filter(|span| span.has_failed).min_by_key(|span| span.begin) else {
        return Vec::new();
    };
    let passed = own().filter(|span| !span.has_failed && span.end <= first.begin).max_by_key(|span| span.end);
    let since = passed.map_or(SystemTime::UNIX_EPOCH, |span| span.begin);
    let is_between = |span: &&Span| span.case != *victim && span.begin < first.end && span.end > since;
    let mut between: Vec<_> = spans.iter().filter(is_between).map(|span| span.case.clone()).collect();
    between.sort_unstable();
    between.dedup();
    between
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Company, Span, between};
    use crate::model::CaseId;

    fn span(case: &str, begin: u64, end: u64, has_failed: bool) -> Span {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Span { case: CaseId::of_file(case), begin: at(begin), end: at(end), has_failed }
    }

    #[test]
    fn who_is_beside_failures_and_not_beside_successes_comes_first() {
        let mut company = Company::default();
        let victim = CaseId::of_file("v");
        company.add(
            &victim,
            &[
                span("before", 0, 10, false),
                span("v", 10, 20, true),
                span("guilty", 19, 25, false),
                span("guilty", 12, 13, true),
                span("steady", 0, 60, false),
                span("v", 30, 40, false),
                span("after", 40, 50, false),
            ],
        );
        company
            .add(&victim, &[span("v", 5, 6, true), span("steady", 1, 9, false), span("guilty", 0, 9, false)]);
        company.add(&victim, &[span("guilty", 0, 9, false)]);
        let suspects: Vec<_> = company
            .suspects()
            .into_iter()
            .map(|one| (one.case.to_string(), one.failed, one.passed))
            .collect();
        assert_eq!(suspects, [("guilty".to_owned(), 2, 0), ("steady".to_owned(), 2, 1)]);
        assert_eq!((company.failed(), company.passed()), (2, 1));
    }

    #[test]
    fn what_ran_since_it_last_passed_is_known() {
        let spans = [
            span("early", 0, 4, false),
            span("v", 5, 6, false),
            span("a", 5, 7, false),
            span("b", 8, 9, false),
            span("v", 9, 12, true),
            span("c", 11, 13, false),
            span("late", 12, 14, false),
            span("v", 14, 15, true),
        ];
        let ids = |victim: &str| between(&CaseId::of_file(victim), &spans);
        assert_eq!(ids("v"), ["a", "b", "c"].map(CaseId::of_file));
        assert_eq!(ids("early"), []);
    }
}
