//! What earlier runs say of the cases. It is given from outside: nothing here reads a file.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{CaseId, CaseInfo};

/// What is known of one case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastResult {
    /// How long it takes, from its last runs; none when it never ran to its end.
    pub duration: Option<Duration>,
    /// Whether its last verdict was a failure.
    pub failed: bool,
    /// Whether the last run gave it a verdict.
    pub in_last_run: bool,
}

/// What is known of all cases, by id.
#[derive(Clone, Debug, Default)]
pub struct PastResults {
    cases: HashMap<CaseId, PastResult>,
}

impl PastResults {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// What is known of a case; none when no run has had it.
    #[must_use]
    pub fn get(&self, id: &CaseId) -> Option<&PastResult> {
        self.cases.get(id)
    }

    /// How long cases may take: what is known of each, or else the mean of its neighbours in the same suite, or else
    /// the median of all. None when no duration is known at all.
    #[must_use]
    pub fn estimates(&self, cases: &[&CaseInfo]) -> Option<Estimates> {
        let known: Vec<Option<Duration>> =
            cases.iter().map(|info| self.cases.get(&info.id).and_then(|past| past.duration)).collect();
        let mut all: Vec<Duration> = known.iter().copied().flatten().collect();
        if all.is_empty() {
            return None;
        }
        all.sort_unstable();
        let median = all[all.len() / 2];
        let guessed = cases.len() - all.len();
        let mut suites: HashMap<&str, (Duration, u32)> = HashMap::new();
        for (info, duration) in cases.iter().zip(&known) {
            if let Some(duration) = duration {
                let (sum, count) = suites.entry(&info.suite).or_default();
                *sum += *duration;
                *count += 1;
            }
        }
        let neighbours = |info: &CaseInfo| suites.get(&*info.suite).map(|(sum, count)| *sum / *count);
        let estimate = |info: &CaseInfo| neighbours(info).unwrap_or(median);
        let cases = cases.iter().zip(known);
        let cases =
            cases.map(|(info, known)| (info.id.clone(), known.unwrap_or_else(|| estimate(info)))).collect();
        Some(Estimates { cases, guessed })
    }
}

impl FromIterator<(CaseId, PastResult)> for PastResults {
    fn from_iter<T: IntoIterator<Item = (CaseId, PastResult)>>(cases: T) -> Self {
        Self { cases: cases.into_iter().collect() }
    }
}

/// How long each case of a plan may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimates {
    cases: HashMap<CaseId, Duration>,
    /// For how many of them nothing is known of the case itself.
    guessed: usize,
}

impl Estimates {
    /// Whether most of them are known from the cases themselves.
    #[must_use]
    pub fn are_founded(&self) -> bool {
        self.guessed * 2 <= self.cases.len()
    }

    /// That of one case; zero for one that was not among those that were estimated.
    #[must_use]
    pub fn of(&self, id: &CaseId) -> Duration {
        self.cases.get(id).copied().unwrap_or_default()
    }
}
