//! What `after` means: which cases must have passed before which.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{CaseId, CaseInfo, CaseResult, Failure, FailureKind, Outcome, Prerequisite, TestCase};
use crate::plan::selection::Pattern;
use crate::text::mistake;

/// The cases that must have passed before a case, by the id of that case.
pub type After = HashMap<CaseId, Arc<[CaseId]>>;

/// Whether some of these cases run after cases that may not be among them.
#[must_use]
pub fn names_others(cases: &[Arc<TestCase>]) -> bool {
    let after = || cases.iter().flat_map(|case| &case.resources.after);
    if !after().any(|one| one.text.contains("::")) {
        return false;
    }
    let known: HashSet<_> = cases.iter().map(|case| case.info.id.as_str()).collect();
    after().any(|one| one.text.contains("::") && !known.contains(one.text.as_str()))
}

/// What `after` comes to in all cases, and the results of cases for which it comes to nothing.
pub(super) fn resolve(cases: &[Arc<TestCase>], broken: &[CaseResult]) -> (After, Vec<CaseResult>) {
    if cases.iter().all(|case| case.resources.after.is_empty()) {
        return (After::new(), Vec::new());
    }
    let mut resolver = Resolver {
        cases,
        ids: cases.iter().enumerate().map(|(index, case)| (case.info.id.as_str(), index)).collect(),
        broken: broken.iter().flat_map(|result| [result.info.id.as_str(), &result.info.suite]).collect(),
        known: HashMap::new(),
    };
    let mut links = Vec::new();
    let mut wrong: HashMap<usize, Vec<Failure>> = HashMap::new();
    for (index, case) in cases.iter().enumerate() {
        for prerequisite in &case.resources.after {
            match resolver.find(index, prerequisite) {
                Ok(found) => {
                    links.extend(found.iter().filter(|before| **before != index).map(|before| Link {
                        case: index,
                        before: *before,
                        said: prerequisite,
                    }))
                }
                Err(failure) => wrong.entry(index).or_default().push(failure),
            }
        }
    }
    break_cycles(cases, &links, &mut wrong);
    let mut after: HashMap<usize, Vec<CaseId>> = HashMap::new();
    for Link { case, before, .. } in links.iter().filter(|link| !wrong.contains_key(&link.case)) {
        after.entry(*case).or_default().push(cases[*before].info.id.clone());
    }
    let result = |(index, failures): (usize, Vec<Failure>)| {
        CaseResult::without_attempt(Arc::clone(&cases[index].info), Outcome::Errored, failures)
    };
    let mut wrong: Vec<_> = wrong.into_iter().collect();
    wrong.sort_by_key(|(index, _)| *index);
    let after = after.into_iter().map(|(index, before)| (cases[index].info.id.clone(), before.into()));
    (after.collect(), wrong.into_iter().map(result).collect())
}

/// A mistake in what a case says it runs after, told as those of descriptors are.
fn failure(said: &Prerequisite, message: String, help: &str) -> Failure {
    let Prerequisite { position, line, .. } = said;
    let place = (&*position.file, position.line, position.column);
    let detail = mistake::render(&message, place, Some(line), Some(help));
    Failure { detail, ..Failure::new(FailureKind::Descriptor, position.clone(), message) }
}

/// How to get out of a circle.
const OUT_OF_A_CIRCLE: &str = "take one of these cases out of the `after` of another";

/// A case that runs after another.
struct Link<'a> {
    case: usize,
    before: usize,
    /// What says so.
    said: &'a Prerequisite,
}

/// Finds the cases that texts name.
struct Resolver<'a> {
    cases: &'a [Arc<TestCase>],
    ids: HashMap<&'a str, usize>,
    /// The ids and suites of which there is something that could not be read.
    broken: HashSet<&'a str>,
    /// What a text of a suite was found to name.
    known: HashMap<(&'a str, &'a str), Arc<[usize]>>,
}

impl<'a> Resolver<'a> {
    fn find(&mut self, index: usize, wanted: &'a Prerequisite) -> Result<Arc<[usize]>, Failure> {
        let cases = self.cases;
        let info = &cases[index].info;
        let key = (info.suite.as_ref(), wanted.text.as_str());
        let found = match self.known.get(&key) {
            Some(known) => Arc::clone(known),
            None => {
                let found = self.look_up(info, &wanted.text).ok_or_else(|| self.unknown(info, wanted))?;
                self.known.insert(key, Arc::clone(&found));
                found
            }
        };
        match *found == [index] {
            // A pattern means the others.
            true if is_pattern(&wanted.text)
                && ![info.name.as_str(), info.id.as_str()].contains(&wanted.text.as_str()) =>
            {
                Err(self.unknown(info, wanted))
            }
            true => {
                let message = format!("the case runs after itself: {} → {}", info.id, info.id);
                Err(failure(wanted, message, "take it out of its own `after`"))
            }
            false => Ok(found),
        }
    }

    /// A case of the same file by its name, or any by its id, or all that match with `*` and `?`. Nothing, but no
    /// mistake either, where what is named cannot be read.
    fn look_up(&self, info: &CaseInfo, text: &str) -> Option<Arc<[usize]>> {
        let own = CaseId::new(&info.suite, text);
        if let Some(index) = self.ids.get(own.as_str()).or_else(|| self.ids.get(text)) {
            return Some([*index].into());
        }
        if is_pattern(text) {
            let pattern = Pattern::new(if text.contains("::") { text } else { own.as_str() });
            let matches = |index: &usize| pattern.matches(self.cases[*index].info.id.as_str());
            let found: Arc<[usize]> = (0..self.cases.len()).filter(matches).collect();
            return (!found.is_empty()).then_some(found);
        }
        None
    }

    /// Why nothing is found.
    fn unknown(&self, info: &CaseInfo, wanted: &Prerequisite) -> Failure {
        const LIST: &str = "`partest --list` shows the ids of all cases";
        let text = &wanted.text;
        if is_pattern(text) {
            return match text.contains("::") {
                true => failure(wanted, format!("no other case has an id that matches {text:?}"), LIST),
                false => {
                    let message = format!("no other case of this file has a name that matches {text:?}");
                    failure(
                        wanted,
                        message,
                        "for cases of other files write a pattern for ids: `folder/file::name`",
                    )
                }
            };
        }
        let own = CaseId::new(&info.suite, text);
        let suite = text.split("::").next().unwrap_or_default();
        if [own.as_str(), text, suite].iter().any(|id| self.broken.contains(id)) {
            return failure(wanted, format!("the case {text:?} is broken"), "its own mistake comes first");
        }
        let ids = self.cases.iter().filter(|case| text.contains("::") || case.info.suite == info.suite);
        let names = ids.map(|case| match text.contains("::") {
            true => case.info.id.as_str(),
            false => case.info.name.as_str(),
        });
        let near = |name: &&str| 3 * strsim::osa_distance(name, text) <= name.chars().count();
        let message = match text.contains("::") {
            true => format!("no case has the id {text:?}"),
            false => format!("no case of this file has the name {text:?}"),
        };
        match names.min_by_key(|name| strsim::osa_distance(name, text)).filter(near) {
            Some(name) => failure(wanted, message, &format!("did you mean {name:?}?")),
            None => failure(wanted, message, LIST),
        }
    }
}

/// Whether a text means all that match it, unless a case has this very name.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Finds the cases that wait for each other, and says for each of them how.
fn break_cycles(cases: &[Arc<TestCase>], links: &[Link<'_>], wrong: &mut HashMap<usize, Vec<Failure>>) {
    loop {
        let left = endless(cases.len(), links, wrong);
        let Some(first) = left.iter().min() else { return };
        // Every case that is left runs after another one that is left, so that the way from one to the next comes
        // round.
        let mut next: HashMap<usize, &Link<'_>> = HashMap::new();
        for link in links.iter().filter(|link| left.contains(&link.before)) {
            next.entry(link.case).or_insert(link);
        }
        let mut path: Vec<&Link<'_>> = Vec::new();
        let mut places: HashMap<usize, usize> = HashMap::new();
        let mut at = *first;
        while !places.contains_key(&at) {
            let Some(link) = next.get(&at) else { return };
            places.insert(at, path.len());
            path.push(link);
            at = link.before;
        }
        let cycle = &path[places[&at]..];
        for (turn, link) in cycle.iter().enumerate() {
            let ids =
                cycle[turn..].iter().chain(&cycle[..=turn]).map(|link| cases[link.case].info.id.as_str());
            let message = format!("the case runs after itself: {}", ids.collect::<Vec<_>>().join(" → "));
            wrong.entry(link.case).or_default().push(failure(link.said, message, OUT_OF_A_CIRCLE));
        }
    }
}

/// The cases that can never run, if those in `wrong` are over.
fn endless(count: usize, links: &[Link<'_>], wrong: &HashMap<usize, Vec<Failure>>) -> HashSet<usize> {
    let mut pending = vec![0_usize; count];
    let mut dependents: HashMap<usize, Vec<usize>> = HashMap::new();
    for link in links.iter().filter(|link| !wrong.contains_key(&link.case)) {
        pending[link.case] += 1;
        dependents.entry(link.before).or_default().push(link.case);
    }
    let mut free: Vec<_> = (0..count).filter(|case| pending[*case] == 0).collect();
    while let Some(case) = free.pop() {
        for dependent in dependents.get(&case).into_iter().flatten() {
            pending[*dependent] -= 1;
            if pending[*dependent] == 0 {
                free.push(*dependent);
            }
        }
    }
    (0..count).filter(|case| pending[*case] > 0).collect()
}

/// The chosen cases with all that must run before them, in their order.
pub(super) fn with_prerequisites(
    cases: Vec<Arc<TestCase>>,
    after: &After,
    is_chosen: impl Fn(&CaseInfo) -> bool,
) -> Vec<Arc<TestCase>> {
    if after.is_empty() {
        return cases.into_iter().filter(|case| is_chosen(&case.info)).collect();
    }
    let wanted = chosen_and_prerequisites(&cases, after, is_chosen);
    cases.into_iter().filter(|case| wanted.contains(&case.info.id)).collect()
}

/// The ids of the chosen cases and of all that must run before them.
pub(super) fn chosen_and_prerequisites(
    cases: &[Arc<TestCase>],
    after: &After,
    is_chosen: impl Fn(&CaseInfo) -> bool,
) -> HashSet<CaseId> {
    let mut wanted = HashSet::new();
    let mut open: Vec<&CaseId> =
        cases.iter().filter(|case| is_chosen(&case.info)).map(|case| &case.info.id).collect();
    while let Some(id) = open.pop() {
        if wanted.insert(id.clone()) {
            open.extend(after.get(id).into_iter().flat_map(|before| before.iter()));
        }
    }
    wanted
}

/// The cases that cannot run since one that must have passed before has a result already, or is missing, and has not
/// passed; with that one.
pub(super) fn hopeless(
    cases: &[Arc<TestCase>],
    resolved: &[CaseResult],
    after: &After,
) -> HashMap<CaseId, CaseId> {
    let mut because = HashMap::new();
    if after.is_empty() {
        return because;
    }
    let waiting: HashSet<_> = cases.iter().map(|case| &case.info.id).collect();
    let passed: HashSet<_> =
        resolved.iter().filter(|result| result.has_passed()).map(|result| &result.info.id).collect();
    let mut dependents: HashMap<&CaseId, Vec<&CaseId>> = HashMap::new();
    for case in cases {
        for before in after.get(&case.info.id).into_iter().flat_map(|before| before.iter()) {
            dependents.entry(before).or_default().push(&case.info.id);
        }
    }
    let is_hopeless = |id: &&&CaseId| !waiting.contains(**id) && !passed.contains(**id);
    let mut open: Vec<&CaseId> = dependents.keys().filter(is_hopeless).copied().collect();
    open.sort_unstable();
    while let Some(before) = open.pop() {
        for dependent in dependents.get(before).into_iter().flatten() {
            if !because.contains_key(*dependent) {
                because.insert((*dependent).clone(), before.clone());
                open.push(dependent);
            }
        }
    }
    because
}
