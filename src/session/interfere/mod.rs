//! `interfere`: which cases make one fail that passes alone.
//!
//! Entry point: [`interfere`]. The case is run by itself first. Then it is run again and again while its suspects run beside it: those
//! that were beside it when it failed in earlier runs, as their journals tell, or else all cases. The suspects are halved as long as it
//! fails beside them. What is run here leaves neither a journal nor a line in the history: it is no run of the suite, and says
//! nothing of how often a case fails there.

mod finding;
mod recorded;
mod trial;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use crate::interference::{Company, Minimal, Trial, between, minimise};
use crate::model::{CaseId, CaseResult, Outcome};
use crate::plan::{Selection, TestPlan};
use crate::runner::Control;
use crate::session::interfere::trial::{Enough, Laboratory, Observed, Tally};
use crate::session::{Config, SessionError, no_such_id, plan, wrong_places};
use crate::time::Deadline;

pub use finding::{Change, Finding, Guilt, Remedy};

/// How often a case must fail in turn with others to be told apart from one that fails beside them.
const IN_TURN: usize = 3;

/// How many cases that fail beside the one in question are looked at, when that one does not fail.
const MOST_OTHERS: usize = 5;

/// How often the tries are doubled where more than one case is left.
const PATIENCE: usize = 3;

/// How often a case is run beside all others before it is believed not to fail there.
const ROUNDS: usize = 3;

/// Of how many innocent cases it must be known what they run, so that what two have in common is worth mentioning.
const ENOUGH_KNOWN: usize = 10;

/// How thoroughly is looked.
#[derive(Clone, Copy, Debug)]
pub struct Thoroughness {
    /// How often the case is run alone, and beside each set of suspects before that is taken for innocent.
    pub tries: NonZeroUsize,
    /// How long all of it may take.
    pub time_limit: Duration,
}

/// What is done at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The case was run by itself so often, and passed.
    Alone {
        /// Which.
        case: CaseId,
        /// How often.
        ran: usize,
    },
    /// The case passes only once in a run: from now on it is run in one of its own each time.
    UsedUp {
        /// Which.
        case: CaseId,
    },
    /// There are so many suspects, that were beside so many failed attempts of earlier runs.
    Recorded {
        /// How many suspects.
        suspects: usize,
        /// How many attempts.
        failed: usize,
    },
    /// No earlier run has told of any: all others are suspects.
    Everybody {
        /// How many.
        suspects: usize,
    },
    /// The case was run beside others.
    Beside {
        /// Which.
        case: CaseId,
        /// Those beside it.
        company: Vec<CaseId>,
        /// How often it ran.
        ran: usize,
        /// How often it failed.
        failed: usize,
    },
    /// The case did not fail, but others did beside it.
    Others {
        /// The one that is looked at now.
        case: CaseId,
    },
}

/// Why nothing can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum InterfereError {
    /// There is no such case, or nothing at a path; a line for each.
    #[error("{0}")]
    Unknown(String),
    /// It is not run.
    #[error("{id} cannot be run: {reason}")]
    NotRun {
        /// The case.
        id: String,
        /// Why not.
        reason: String,
    },
    /// The engine does not start.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// What was found, and what went wrong beside the cases.
#[derive(Debug)]
pub struct Investigated {
    /// What was found.
    pub finding: Finding,
    /// A line each.
    pub complaints: Vec<String>,
}

/// Looks for the cases that make the one of this id fail, among those that `config` selects; `say` hears of every step.
///
/// # Errors
/// [`InterfereError`] when there is no such case, or it cannot be run.
pub fn interfere(
    config: &Config,
    id: &str,
    thoroughness: Thoroughness,
    control: &Control,
    say: &mut dyn FnMut(Progress),
) -> Result<Investigated, InterfereError> {
    let wrong = wrong_places(config);
    if !wrong.is_empty() {
        return Err(InterfereError::Unknown(wrong.join("\n")));
    }
    let everything = Config {
        selection: Selection::default(),
        recall: Vec::new(),
        share: None,
        repeat: None,
        stress: None,
        ..config.clone()
    };
    let whole = plan(&everything).plan;
    let victim = find(&whole, id)?;
    let selected = plan(&Config { repeat: None, stress: None, ..config.clone() });
    if !selected.unknown.is_empty() {
        return Err(InterfereError::Unknown(selected.unknown.join("\n")));
    }
    let ids = selected.plan.cases.into_iter().map(|case| case.info.id.clone());
    let others: Vec<CaseId> = ids.filter(|other| *other != victim).collect();
    let deadline = Deadline::after(Some(thoroughness.time_limit));
    let laboratory = Laboratory::new(&whole, config.jobs, config.io_jobs, control, deadline);
    let mut investigation = Investigation {
        laboratory,
        tries: thoroughness.tries.get(),
        others,
        say,
        tried: Vec::new(),
        acquitted: Vec::new(),
    };
    let finding = investigation.run(&victim, &config.root)?;
    Ok(Investigated { finding, complaints: investigation.laboratory.complaints })
}

/// The case of this id; of a copy, that of which it is one.
fn find(plan: &TestPlan, id: &str) -> Result<CaseId, InterfereError> {
    let ids = || plan.cases.iter().map(|case| case.info.id.as_str());
    let lasting = id.rsplit_once(" [").filter(|(_, mark)| mark.ends_with(']')).map_or(id, |(case, _)| case);
    if let Some(found) = [id, lasting].into_iter().find(|id| ids().any(|known| known == *id)) {
        return Ok(CaseId::of_file(found));
    }
    match plan.resolved.iter().find(|result| result.info.id.as_str() == id) {
        Some(result) => Err(InterfereError::NotRun { id: id.to_owned(), reason: reason(result) }),
        None => Err(InterfereError::Unknown(no_such_id(id, ids()))),
    }
}

fn reason(result: &CaseResult) -> String {
    match &result.outcome {
        Outcome::Skipped(skip) => skip.reason(),
        _ => result.all_failures().next().map_or_else(String::new, |failure| failure.message.clone()),
    }
}

/// The search for the guilty.
struct Investigation<'a> {
    laboratory: Laboratory<'a>,
    tries: usize,
    /// All who may be guilty.
    others: Vec<CaseId>,
    say: &'a mut dyn FnMut(Progress),
    /// What came of a case beside which others, so far.
    tried: Vec<(CaseId, Vec<CaseId>, Tally)>,
    /// The cases that fail alone, or for another reason than the case in question.
    acquitted: Vec<CaseId>,
}

impl Investigation<'_> {
    fn run(&mut self, victim: &CaseId, root: &Path) -> Result<Finding, InterfereError> {
        let alone = self.alone(victim)?;
        if alone.ran == 0 && !self.laboratory.is_closed() {
            let reason = alone.left_out.map_or("it has no result".to_owned(), |skip| skip.reason());
            return Err(InterfereError::NotRun { id: victim.to_string(), reason });
        }
        if alone.failed > 0 {
            return Ok(Finding::FailsAlone {
                case: victim.clone(),
                ran: alone.ran,
                failed: alone.failed,
                failure: alone.failure,
            });
        }
        let (near, apart): (Vec<_>, Vec<_>) =
            self.others.clone().into_iter().partition(|other| self.laboratory.may_overlap(victim, other));
        let recorded = recorded::company(root, victim);
        let suspects: Vec<_> =
            recorded.suspects().into_iter().map(|one| one.case).filter(|case| near.contains(case)).collect();
        let mut groups = Vec::new();
        if suspects.is_empty() || suspects.len() == near.len() {
            (self.say)(Progress::Everybody { suspects: near.len() });
        } else {
            (self.say)(Progress::Recorded { suspects: suspects.len(), failed: recorded.failed() });
            groups.push(suspects);
        }
        groups.push(near.clone());
        let everybody = near;
        let rounds = groups.into_iter().filter(|group| !group.is_empty()).flat_map(|group| {
            // What happens rarely may need more than one round of all.
            let rounds = if group == everybody { ROUNDS } else { 1 };
            std::iter::repeat_n(group, rounds)
        });
        for group in rounds {
            if self.laboratory.is_closed() {
                break;
            }
            let seen = self.beside(victim, &group, 1)?;
            if seen.of(victim).failed > 0 {
                return self.accuse(victim, group, &seen, alone.ran);
            }
            if group == everybody
                && let Some(finding) = self.look_at_others(victim, &failing(&seen, victim))?
            {
                return Ok(finding);
            }
        }
        // What it runs after has run before it all the time.
        let apart = apart.into_iter().filter(|other| !self.laboratory.runs_after(victim, other));
        for other in apart.collect::<Vec<_>>() {
            if self.fails_after(victim, std::slice::from_ref(&other))? {
                return Ok(Finding::After(Guilt::new(victim, vec![other], alone.ran)));
            }
        }
        // In a run that is repeated it comes after itself, and may be its own company.
        if let Some(again) = self.laboratory.used_up.get(victim).filter(|_| alone.ran > 0) {
            let itself = Guilt::new(victim, vec![victim.clone()], alone.ran);
            return Ok(Finding::After(itself.with(again.clone())));
        }
        if !self.laboratory.is_closed() && self.laboratory.may_overlap(victim, victim) {
            let set = vec![victim.clone()];
            if self.beside(victim, &set, 1)?.of(victim).failed > 0 {
                return self.judge(victim, Minimal { set, is_minimal: true }, alone.ran);
            }
        }
        let is_complete = !self.laboratory.is_closed();
        Ok(Finding::Nothing { case: victim.clone(), suspects: everybody.len(), is_complete })
    }

    /// Runs a case by itself, and notices when it passes only once in a run: that needs no company, and is no failure alone.
    fn alone(&mut self, case: &CaseId) -> Result<Tally, SessionError> {
        let enough = Enough { failures: usize::MAX, tries: self.tries, runs: self.tries };
        let mut tally = self.laboratory.observe(case, &[], enough)?.of(case);
        if tally.is_used_up() {
            let anew = self.laboratory.observe_anew(case, &[], enough)?.of(case);
            let again = self.laboratory.observe(case, &[], enough)?.of(case);
            // One that fails by chance may look like that, but hardly twice.
            if anew.failed == 0 && (again.is_used_up() || self.laboratory.is_closed()) {
                (self.say)(Progress::UsedUp { case: case.clone() });
                self.laboratory.used_up.insert(case.clone(), tally);
                tally = anew;
            } else {
                tally.add(anew);
                tally.add(again);
            }
        }
        if tally.failed == 0 && tally.ran > 0 {
            (self.say)(Progress::Alone { case: case.clone(), ran: tally.ran });
        }
        Ok(tally)
    }

    /// Runs a case by itself until it passes, so that nothing is left of what was tried before; says whether it did.
    fn settle(&mut self, case: &CaseId) -> Result<bool, SessionError> {
        for _ in 0..IN_TURN {
            let tally = self.laboratory.once(std::slice::from_ref(case))?.of(case);
            if tally.ran > 0 && tally.failed == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs a case beside others until it fails, or for long enough; at least so often.
    fn beside(&mut self, case: &CaseId, company: &[CaseId], runs: usize) -> Result<Observed, SessionError> {
        let enough = Enough { failures: 1, tries: self.tries, runs };
        let seen = self.laboratory.observe(case, company, enough)?;
        let tally = seen.of(case);
        let Tally { ran, failed, .. } = tally;
        match self.tried.iter_mut().find(|(known, set, _)| known == case && set == company) {
            Some((_, _, known)) => known.add(tally),
            None => self.tried.push((case.clone(), company.to_vec(), tally)),
        }
        if ran > 0 {
            (self.say)(Progress::Beside { case: case.clone(), company: company.to_vec(), ran, failed });
        }
        Ok(seen)
    }

    /// It has failed beside these: which of them is it?
    fn accuse(
        &mut self,
        victim: &CaseId,
        group: Vec<CaseId>,
        seen: &Observed,
        alone: usize,
    ) -> Result<Finding, InterfereError> {
        // What is left behind for good would make it fail from now on, whoever is beside it.
        let again = Enough { failures: usize::MAX, tries: IN_TURN, runs: IN_TURN };
        let now = self.laboratory.observe(victim, &[], again)?.of(victim);
        if now.failed > 0 && now.failed == now.ran {
            let set = between(victim, &seen.spans);
            return Ok(Finding::Stays(Guilt::new(victim, set, alone).with(seen.of(victim))));
        }
        let mut company = Company::default();
        company.add(victim, &seen.spans);
        let ranked: Vec<_> = company.suspects().into_iter().map(|one| one.case).collect();
        let size = group.len();
        let ran = seen.of(victim).ran;
        let mut error = None;
        let mut trial = |this: &mut Self, set: &[CaseId]| {
            if error.is_some() || this.laboratory.is_closed() {
                return Trial::Stopped;
            }
            match this.settle(victim) {
                Ok(true) => {}
                Ok(false) => return Trial::Stopped,
                Err(problem) => {
                    error = Some(problem);
                    return Trial::Stopped;
                }
            }
            // The fewer there are, the more often each of them is beside it.
            match this.beside(victim, set, (3 * ran * set.len()).div_ceil(size.max(1))) {
                Ok(seen) if seen.of(victim).failed > 0 => Trial::Failed,
                Ok(_) if this.laboratory.is_closed() => Trial::Stopped,
                Ok(_) => Trial::Passed,
                Err(problem) => {
                    error = Some(problem);
                    Trial::Stopped
                }
            }
        };
        let is_near = ranked.len() < size && !ranked.is_empty() && trial(self, &ranked) == Trial::Failed;
        let start = if is_near {
            ranked
        } else {
            let rest = group.into_iter().filter(|case| !ranked.contains(case)).collect::<Vec<_>>();
            ranked.iter().cloned().chain(rest).collect()
        };
        let mut minimal = minimise(start, |set| trial(self, set));
        for _ in 0..PATIENCE {
            if minimal.set.len() == 1 || !minimal.is_minimal {
                break;
            }
            // A set may have passed by chance.
            self.tries = self.tries.saturating_mul(2);
            minimal = minimise(minimal.set, |set| trial(self, set));
        }
        if let Some(error) = error {
            return Err(error.into());
        }
        self.judge(victim, minimal, alone)
    }

    /// How the smallest set makes it fail.
    fn judge(
        &mut self,
        victim: &CaseId,
        minimal: Minimal<CaseId>,
        alone: usize,
    ) -> Result<Finding, InterfereError> {
        let Minimal { set, is_minimal } = minimal;
        let enough = Enough { failures: usize::MAX, tries: self.tries, runs: self.tries };
        let seen = self.laboratory.observe(victim, &set, enough)?;
        let after = is_minimal && self.fails_after(victim, &set)?;
        let mut tally = seen.of(victim);
        let known = self.tried.iter().filter(|(case, tried, _)| case == victim && *tried == set);
        known.for_each(|(_, _, known)| tally.add(known.clone()));
        let guilt = Guilt { is_minimal, ..Guilt::new(victim, set, alone).with(tally) };
        if after {
            return Ok(Finding::After(guilt));
        }
        let unknown = self.others.iter().filter(|case| !self.laboratory.commands.contains_key(case));
        let wanted = ENOUGH_KNOWN.saturating_sub(self.laboratory.commands.len());
        let unknown: Vec<_> = unknown.take(wanted).cloned().collect();
        if !unknown.is_empty() {
            self.laboratory.once(&unknown)?;
        }
        Ok(Finding::Together(guilt.with_remedy(&self.laboratory)))
    }

    /// Whether a case fails each time when these have run before it, and nothing beside it: in the same run, as long as
    /// they pass, since what they leave may lie in the folder that a run has.
    fn fails_after(&mut self, case: &CaseId, before: &[CaseId]) -> Result<bool, SessionError> {
        for _ in 0..IN_TURN {
            if self.laboratory.is_closed() {
                return Ok(false);
            }
            let mut tally = self.laboratory.in_turn(before, case)?;
            if tally.ran == 0 {
                self.laboratory.once(before)?;
                tally = self.laboratory.once(std::slice::from_ref(case))?.of(case);
            }
            if tally.failed == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The case did not fail beside others, but they did: are they its victims?
    fn look_at_others(
        &mut self,
        first: &CaseId,
        failed: &[CaseId],
    ) -> Result<Option<Finding>, InterfereError> {
        let failed = failed.iter().filter(|case| !self.acquitted.contains(case)).take(MOST_OTHERS);
        for case in failed.cloned().collect::<Vec<_>>() {
            if self.laboratory.is_closed() {
                break;
            }
            (self.say)(Progress::Others { case: case.clone() });
            let alone = self.alone(&case)?;
            let set = vec![first.clone()];
            // It has failed already; once more it may need some patience.
            for _ in 0..if alone.failed > 0 { 0 } else { PATIENCE } {
                if self.settle(&case)? && self.beside(&case, &set, 1)?.of(&case).failed > 0 {
                    return self.judge(&case, Minimal { set, is_minimal: true }, alone.ran).map(Some);
                }
            }
            self.acquitted.push(case);
        }
        Ok(None)
    }
}

/// The cases that failed beside a case: those first that passed, too.
fn failing(seen: &Observed, victim: &CaseId) -> Vec<CaseId> {
    let mut failing: Vec<_> =
        seen.tallies.iter().filter(|(case, tally)| *case != victim && tally.failed > 0).collect();
    failing.sort_by_key(|(_, tally)| (tally.failed == tally.ran, std::cmp::Reverse(tally.failed)));
    failing.into_iter().map(|(case, _)| case.clone()).collect()
}
