//! From the model to lines, borrowing what can be borrowed.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::journal::line::{
    AttemptLine, CapturedLine, CaseFinishedLine, CaseLine, FailureLine, HaltLine, KeptLine, KindLine,
    OutcomeLine, PositionLine, QuarantineLine, RunFinishedLine, RunStartedLine, ServiceLine, ShardLine,
    SkipLine, StatsLine, StatusLine, StepLine, UpdatedLine,
};
use crate::model::{
    Attempt, Captured, CaseInfo, CaseResult, ExitStatus, Failure, FailureKind, Halt, Outcome, Position,
    RunFinished, RunStarted, RunStats, ServiceRecord, Skip, StepNumber, StepRecord, StepStatus,
    UpdatedGolden,
};

/// Nanoseconds, up to 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn since_1970(time: SystemTime) -> u64 {
    nanoseconds(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

impl<'a> From<&'a RunStarted> for RunStartedLine<'a> {
    fn from(started: &'a RunStarted) -> Self {
        Self {
            run_id: Cow::Borrowed(&started.run_id),
            started_at_ns: since_1970(started.started_at),
            total: started.total,
            jobs: started.jobs,
            safeguards: started.safeguards.names().map(Cow::Borrowed).collect(),
            suites: started.suites.iter().map(|(name, count)| (Cow::Borrowed(&**name), *count)).collect(),
            predicted_ns: started.predicted.map(nanoseconds),
            seed: started.seed,
            shard: started.shard.as_ref().map(|shard| ShardLine {
                number: shard.number,
                of: shard.of,
                cases: shard.cases,
                list: Cow::Borrowed(&shard.list),
                split: Cow::Borrowed(&shard.split),
                definitions: shard.definitions.as_deref().map(Cow::Borrowed),
                variables: shard.variables.as_deref().map(Cow::Borrowed),
                repeat: shard.repeat,
            }),
            stress_ns: started.stress.map(nanoseconds),
        }
    }
}

impl<'a> From<&'a CaseInfo> for CaseLine<'a> {
    fn from(info: &'a CaseInfo) -> Self {
        Self {
            id: Cow::Borrowed(info.id.as_str()),
            name: Cow::Borrowed(&info.name),
            suite: Cow::Borrowed(&info.suite),
            at: (&info.position).into(),
            number: info.number,
            tags: texts(&info.tags),
            copy_of: info.copy_of.as_ref().map(|id| Cow::Borrowed(id.as_str())),
            definition: info.definition,
        }
    }
}

impl<'a> From<&'a Position> for PositionLine<'a> {
    fn from(position: &'a Position) -> Self {
        Self { file: Cow::Borrowed(&position.file), line: position.line, column: position.column }
    }
}

impl<'a> From<&'a CaseResult> for CaseFinishedLine<'a> {
    fn from(result: &'a CaseResult) -> Self {
        Self {
            case: (&*result.info).into(),
            outcome: (&result.outcome).into(),
            expected_failure: result.expected_failure.as_deref().map(Cow::Borrowed),
            failures: result.failures.iter().map(Into::into).collect(),
            attempts: result.attempts.iter().map(Into::into).collect(),
            quarantine: result.quarantine.as_ref().map(|quarantine| QuarantineLine {
                owner: Cow::Borrowed(&quarantine.owner),
                reason: Cow::Borrowed(&quarantine.reason),
                until: quarantine.until.map(|until| until.to_string()),
            }),
            denied_retries: result.has_denied_retries,
            updated: result.updated.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a UpdatedGolden> for UpdatedLine<'a> {
    fn from(updated: &'a UpdatedGolden) -> Self {
        Self {
            path: Cow::Borrowed(&updated.path),
            created: updated.created,
            detail: Cow::Borrowed(&updated.detail),
        }
    }
}

impl<'a> From<&'a Outcome> for OutcomeLine<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Failed => Self::Failed,
            Outcome::TimedOut => Self::TimedOut,
            Outcome::Errored => Self::Errored,
            Outcome::Skipped(Skip::Declared(reason)) => {
                Self::Skipped(SkipLine::Declared(Cow::Borrowed(reason)))
            }
            Outcome::Skipped(Skip::Missing(program)) => {
                Self::Skipped(SkipLine::Missing(Cow::Borrowed(program)))
            }
            Outcome::Skipped(Skip::After(before)) => {
                Self::Skipped(SkipLine::After(Cow::Borrowed(before.as_str())))
            }
            Outcome::Skipped(Skip::Interrupted) => Self::Skipped(SkipLine::Interrupted),
            Outcome::Skipped(Skip::NotRun) => Self::Skipped(SkipLine::NotRun),
            Outcome::Skipped(Skip::Halted(halt)) => Self::Skipped(SkipLine::Halted((*halt).into())),
        }
    }
}

impl<'a> From<&'a Attempt> for AttemptLine<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at_ns: since_1970(attempt.started_at),
            duration_ns: nanoseconds(attempt.duration),
            outcome: (&attempt.outcome).into(),
            failures: attempt.failures.iter().map(Into::into).collect(),
            steps: attempt.steps.iter().map(Into::into).collect(),
            leaked: texts(&attempt.leaked),
            services: attempt.services.iter().map(Into::into).collect(),
            logs: texts(&attempt.logs),
            kept: KeptLine { files: texts(&attempt.kept.files), left_out: texts(&attempt.kept.left_out) },
        }
    }
}

impl<'a> From<&'a ServiceRecord> for ServiceLine<'a> {
    fn from(service: &'a ServiceRecord) -> Self {
        Self {
            name: Cow::Borrowed(&service.name),
            failure: service.failure.as_deref().map(Cow::Borrowed),
            output: (&service.output).into(),
        }
    }
}

impl<'a> From<&'a Failure> for FailureLine<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            kind: failure.kind.into(),
            at: (&failure.position).into(),
            step: failure.step.map(number),
            message: Cow::Borrowed(&failure.message),
            detail: Cow::Borrowed(&failure.detail),
        }
    }
}

fn number(step: StepNumber) -> (usize, usize) {
    (step.number, step.of)
}

impl From<FailureKind> for KindLine {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Expectation => Self::Expectation,
            FailureKind::Timeout => Self::Timeout,
            FailureKind::Limit => Self::Limit,
            FailureKind::Signal => Self::Signal,
            FailureKind::Start => Self::Start,
            FailureKind::Connection => Self::Connection,
            FailureKind::Service => Self::Service,
            FailureKind::Worker => Self::Worker,
            FailureKind::Setup => Self::Setup,
            FailureKind::Descriptor => Self::Descriptor,
            FailureKind::UnexpectedPass => Self::UnexpectedPass,
            FailureKind::Flaky => Self::Flaky,
            FailureKind::Leak => Self::Leak,
            FailureKind::Internal => Self::Internal,
        }
    }
}

impl<'a> From<&'a StepRecord> for StepLine<'a> {
    fn from(step: &'a StepRecord) -> Self {
        Self {
            step: step.step.map(number),
            command: Cow::Borrowed(&step.command),
            status: step.status.as_ref().map(|status| match status {
                StepStatus::Process(ExitStatus::Exited(code)) => StatusLine::Exited(*code),
                StepStatus::Process(ExitStatus::Signaled(number)) => StatusLine::Signaled(*number),
                StepStatus::Done(words) => StatusLine::Done(Cow::Borrowed(words)),
            }),
            duration_ns: nanoseconds(step.duration),
            stdout: (&step.stdout).into(),
            stderr: (&step.stderr).into(),
        }
    }
}

impl<'a> From<&'a Captured> for CapturedLine<'a> {
    fn from(captured: &'a Captured) -> Self {
        let (head, head_bytes) = text_or_bytes(&captured.head);
        let (tail, tail_bytes) = text_or_bytes(&captured.tail);
        Self { head, head_bytes, tail, tail_bytes, dropped: captured.dropped }
    }
}

/// The bytes as text, or else with a character for each byte.
fn text_or_bytes(bytes: &[u8]) -> (Cow<'_, str>, String) {
    match str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), String::new()),
        Err(_) => (Cow::Borrowed(""), bytes.iter().copied().map(char::from).collect()),
    }
}

fn texts(texts: &[String]) -> Vec<Cow<'_, str>> {
    texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect()
}

impl From<Halt> for HaltLine {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Failures(count) => Self::Failures(count),
            Halt::Timeout(limit) => Self::TimeoutNs(nanoseconds(limit)),
        }
    }
}

impl From<&RunFinished> for RunFinishedLine {
    fn from(finished: &RunFinished) -> Self {
        Self {
            duration_ns: nanoseconds(finished.duration),
            stats: (&finished.stats).into(),
            signal: finished.signal,
            halt: finished.halt.map(Into::into),
        }
    }
}

impl From<&RunStats> for StatsLine {
    fn from(stats: &RunStats) -> Self {
        Self {
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
        }
    }
}
