//! From lines to the model.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::journal::line::{
    AttemptLine, CapturedLine, CaseFinishedLine, CaseLine, FailureLine, HaltLine, KindLine, OutcomeLine,
    PositionLine, QuarantineLine, RunFinishedLine, RunStartedLine, ServiceLine, SkipLine, StatusLine,
    StepLine, UpdatedLine,
};
use crate::model::{
    Attempt, Captured, CaseId, CaseInfo, CaseResult, ExitStatus, Failure, FailureKind, Halt, KeptFiles,
    Outcome, Position, Quarantine, RunFinished, RunStarted, RunStats, Safeguards, ServiceRecord, Shard, Skip,
    StepNumber, StepRecord, StepStatus, UpdatedGolden,
};
use crate::time::Day;

/// Makes the model's values; equal suites and files share one place in memory, as there are thousands of them.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    known: HashSet<Arc<str>>,
}

impl Decoder {
    pub(crate) fn run_started(&mut self, line: RunStartedLine<'_>) -> RunStarted {
        RunStarted {
            run_id: line.run_id.into_owned(),
            started_at: time(line.started_at_ns),
            total: line.total,
            jobs: line.jobs,
            safeguards: Safeguards::of_names(line.safeguards.iter().map(AsRef::as_ref)),
            suites: line.suites.into_iter().map(|(name, count)| (self.shared(&name), count)).collect(),
            predicted: line.predicted_ns.map(Duration::from_nanos),
            seed: line.seed,
            shard: line.shard.map(|shard| Shard {
                number: shard.number,
                of: shard.of,
                cases: shard.cases,
                list: shard.list.into_owned(),
                split: shard.split.into_owned(),
                definitions: shard.definitions.map(Cow::into_owned),
                variables: shard.variables.map(Cow::into_owned),
                repeat: shard.repeat,
            }),
            stress: line.stress_ns.map(Duration::from_nanos),
        }
    }

    pub(crate) fn case_finished(&mut self, line: CaseFinishedLine<'_>) -> CaseResult {
        CaseResult {
            info: Arc::new(self.info(line.case)),
            outcome: outcome(line.outcome),
            attempts: line.attempts.into_iter().map(|attempt| self.attempt(attempt)).collect(),
            failures: line.failures.into_iter().map(|failure| self.failure(failure)).collect(),
            expected_failure: line.expected_failure.map(Into::into),
            quarantine: line.quarantine.map(quarantine),
            has_denied_retries: line.denied_retries,
            updated: line.updated.into_iter().map(updated).collect(),
        }
    }

    pub(crate) fn info(&mut self, line: CaseLine<'_>) -> CaseInfo {
        CaseInfo {
            id: CaseId::of_file(&line.id),
            name: line.name.into_owned(),
            suite: self.shared(&line.suite),
            position: self.position(&line.at),
            number: line.number,
            tags: line.tags.into_iter().map(Into::into).collect(),
            copy_of: line.copy_of.map(|id| CaseId::of_file(&id)),
            definition: line.definition,
        }
    }

    fn attempt(&mut self, line: AttemptLine<'_>) -> Attempt {
        Attempt {
            number: line.number,
            started_at: time(line.started_at_ns),
            duration: Duration::from_nanos(line.duration_ns),
            outcome: outcome(line.outcome),
            failures: line.failures.into_iter().map(|failure| self.failure(failure)).collect(),
            steps: line.steps.into_iter().map(step).collect(),
            leaked: texts(line.leaked),
            services: line.services.into_iter().map(service).collect(),
            logs: texts(line.logs),
            kept: KeptFiles { files: texts(line.kept.files), left_out: texts(line.kept.left_out) },
        }
    }

    fn failure(&mut self, line: FailureLine<'_>) -> Failure {
        Failure {
            kind: kind(line.kind),
            position: self.position(&line.at),
            step: line.step.map(number),
            message: line.message.into_owned(),
            detail: line.detail.into_owned(),
        }
    }

    fn position(&mut self, line: &PositionLine<'_>) -> Position {
        Position { file: self.shared(&line.file), line: line.line, column: line.column }
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.known.insert(new.clone());
        new
    }
}

pub(crate) fn run_finished(line: RunFinishedLine) -> RunFinished {
    let stats = line.stats;
    RunFinished {
        duration: Duration::from_nanos(line.duration_ns),
        stats: RunStats {
            passed: stats.passed,
            flaky: stats.flaky,
            expected_failures: stats.expected_failures,
            failed: stats.failed,
            timed_out: stats.timed_out,
            errored: stats.errored,
            skipped: stats.skipped,
            not_run: stats.not_run,
            broken: stats.broken,
            internal: stats.internal,
            leaked: stats.leaked,
            quarantined: stats.quarantined,
            denied_retries: stats.denied_retries,
        },
        signal: line.signal,
        halt: line.halt.map(halt),
    }
}

fn outcome(line: OutcomeLine<'_>) -> Outcome {
    match line {
        OutcomeLine::Passed => Outcome::Passed,
        OutcomeLine::Failed => Outcome::Failed,
        OutcomeLine::TimedOut => Outcome::TimedOut,
        OutcomeLine::Errored => Outcome::Errored,
        OutcomeLine::Skipped(SkipLine::Declared(reason)) => Outcome::Skipped(Skip::Declared(reason.into())),
        OutcomeLine::Skipped(SkipLine::Missing(program)) => Outcome::Skipped(Skip::Missing(program.into())),
        OutcomeLine::Skipped(SkipLine::After(before)) => {
            Outcome::Skipped(Skip::After(CaseId::of_file(&before)))
        }
        OutcomeLine::Skipped(SkipLine::Interrupted) => Outcome::Skipped(Skip::Interrupted),
        OutcomeLine::Skipped(SkipLine::NotRun) => Outcome::Skipped(Skip::NotRun),
        OutcomeLine::Skipped(SkipLine::Halted(line)) => Outcome::Skipped(Skip::Halted(halt(line))),
    }
}

pub(crate) fn halt(line: HaltLine) -> Halt {
    match line {
        HaltLine::Failures(count) => Halt::Failures(count),
        HaltLine::TimeoutNs(limit) => Halt::Timeout(Duration::from_nanos(limit)),
    }
}

fn quarantine(line: QuarantineLine<'_>) -> Quarantine {
    Quarantine {
        owner: line.owner.into_owned(),
        reason: line.reason.into_owned(),
        until: line.until.as_deref().and_then(Day::parse),
    }
}

fn updated(line: UpdatedLine<'_>) -> UpdatedGolden {
    UpdatedGolden { path: line.path.into(), created: line.created, detail: line.detail.into() }
}

fn texts(texts: Vec<Cow<'_, str>>) -> Vec<String> {
    texts.into_iter().map(Cow::into_owned).collect()
}

fn number((number, of): (usize, usize)) -> StepNumber {
    StepNumber { number, of }
}

fn service(line: ServiceLine<'_>) -> ServiceRecord {
    ServiceRecord {
        name: line.name.into_owned(),
        failure: line.failure.map(Into::into),
        output: captured(line.output),
    }
}

fn kind(line: KindLine) -> FailureKind {
    match line {
        KindLine::Expectation => FailureKind::Expectation,
        KindLine::Timeout => FailureKind::Timeout,
        KindLine::Limit => FailureKind::Limit,
        KindLine::Signal => FailureKind::Signal,
        KindLine::Start => FailureKind::Start,
        KindLine::Connection => FailureKind::Connection,
        KindLine::Service => FailureKind::Service,
        KindLine::Worker => FailureKind::Worker,
        KindLine::Setup => FailureKind::Setup,
        KindLine::Descriptor => FailureKind::Descriptor,
        KindLine::UnexpectedPass => FailureKind::UnexpectedPass,
        KindLine::Flaky => FailureKind::Flaky,
        KindLine::Leak => FailureKind::Leak,
        KindLine::Internal => FailureKind::Internal,
    }
}

fn step(line: StepLine<'_>) -> StepRecord {
    StepRecord {
        step: line.step.map(number),
        command: line.command.into_owned(),
        status: line.status.map(|status| match status {
            StatusLine::Exited(code) => StepStatus::Process(ExitStatus::Exited(code)),
            StatusLine::Signaled(number) => StepStatus::Process(ExitStatus::Signaled(number)),
            StatusLine::Done(words) => StepStatus::Done(words.into_owned()),
        }),
        duration: Duration::from_nanos(line.duration_ns),
        stdout: captured(line.stdout),
        stderr: captured(line.stderr),
    }
}

fn captured(line: CapturedLine<'_>) -> Captured {
    let bytes = |text: String, bytes: &str| match bytes {
        "" => text.into_bytes(),
        // A character beyond a byte is nothing that was written by this module.
        bytes => bytes.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect(),
    };
    Captured {
        head: bytes(line.head.into_owned(), &line.head_bytes),
        tail: bytes(line.tail.into_owned(), &line.tail_bytes),
        dropped: line.dropped,
    }
}

fn time(nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
