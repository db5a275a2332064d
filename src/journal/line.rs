//! The lines of a journal as serde sees them, since the model knows no format.

use std::borrow::Cow;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// What stands in every line; the rest depends on it.
#[derive(Deserialize)]
pub(crate) struct Head<'a> {
    /// The version, in the first line only.
    pub(crate) partest: Option<u32>,
    #[serde(borrow, default)]
    pub(crate) event: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RunStartedLine<'a> {
    #[serde(borrow)]
    pub(crate) run_id: Cow<'a, str>,
    pub(crate) started_at_ns: u64,
    pub(crate) total: usize,
    pub(crate) jobs: usize,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) safeguards: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) suites: Vec<(Cow<'a, str>, usize)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) predicted_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<ShardLine<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stress_ns: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ShardLine<'a> {
    pub(crate) number: u32,
    pub(crate) of: u32,
    pub(crate) cases: usize,
    #[serde(borrow)]
    pub(crate) list: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) split: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) definitions: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) variables: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repeat: Option<NonZeroU32>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CaseStartedLine<'a> {
    #[serde(borrow)]
    pub(crate) case: CaseLine<'a>,
    pub(crate) attempt: u32,
    pub(crate) slow_after_ns: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CaseFinishedLine<'a> {
    #[serde(borrow)]
    pub(crate) case: CaseLine<'a>,
    #[serde(borrow)]
    pub(crate) outcome: OutcomeLine<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected_failure: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<FailureLine<'a>>,
    #[serde(borrow)]
    pub(crate) attempts: Vec<AttemptLine<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) quarantine: Option<QuarantineLine<'a>>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) denied_retries: bool,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) updated: Vec<UpdatedLine<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct QuarantineLine<'a> {
    #[serde(borrow)]
    pub(crate) owner: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) reason: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct UpdatedLine<'a> {
    #[serde(borrow)]
    pub(crate) path: Cow<'a, str>,
    pub(crate) created: bool,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) detail: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct InterruptedLine {
    pub(crate) signal: i32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WarnedLine<'a> {
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct HaltedLine {
    pub(crate) reason: HaltLine,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HaltLine {
    Failures(usize),
    TimeoutNs(u64),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RunFinishedLine {
    pub(crate) duration_ns: u64,
    pub(crate) stats: StatsLine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) halt: Option<HaltLine>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StatsLine {
    pub(crate) passed: usize,
    pub(crate) flaky: usize,
    pub(crate) expected_failures: usize,
    pub(crate) failed: usize,
    pub(crate) timed_out: usize,
    pub(crate) errored: usize,
    pub(crate) skipped: usize,
    pub(crate) not_run: usize,
    pub(crate) broken: usize,
    pub(crate) internal: usize,
    pub(crate) leaked: usize,
    #[serde(default)]
    pub(crate) quarantined: usize,
    #[serde(default)]
    pub(crate) denied_retries: usize,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CaseLine<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) suite: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) at: PositionLine<'a>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) number: u32,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) copy_of: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PositionLine<'a> {
    #[serde(borrow)]
    pub(crate) file: Cow<'a, str>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutcomeLine<'a> {
    Passed,
    Failed,
    TimedOut,
    Errored,
    #[serde(borrow)]
    Skipped(SkipLine<'a>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SkipLine<'a> {
    #[serde(borrow)]
    Declared(Cow<'a, str>),
    #[serde(borrow)]
    Missing(Cow<'a, str>),
    #[serde(borrow)]
    After(Cow<'a, str>),
    Interrupted,
    NotRun,
    Halted(HaltLine),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KindLine {
    Expectation,
    Timeout,
    Limit,
    Signal,
    Start,
    Connection,
    Service,
    Worker,
    Setup,
    Descriptor,
    UnexpectedPass,
    Flaky,
    Leak,
    Internal,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct FailureLine<'a> {
    pub(crate) kind: KindLine,
    #[serde(borrow)]
    pub(crate) at: PositionLine<'a>,
    /// The number of the step and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<(usize, usize)>,
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) detail: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AttemptLine<'a> {
    pub(crate) number: u32,
    pub(crate) started_at_ns: u64,
    pub(crate) duration_ns: u64,
    #[serde(borrow)]
    pub(crate) outcome: OutcomeLine<'a>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<FailureLine<'a>>,
    #[serde(borrow)]
    pub(crate) steps: Vec<StepLine<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaked: Vec<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) services: Vec<ServiceLine<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) logs: Vec<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "KeptLine::is_empty")]
    pub(crate) kept: KeptLine<'a>,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct KeptLine<'a> {
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<Cow<'a, str>>,
}

impl KeptLine<'_> {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.left_out.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ServiceLine<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "CapturedLine::is_empty")]
    pub(crate) output: CapturedLine<'a>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StepLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<(usize, usize)>,
    #[serde(borrow)]
    pub(crate) command: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<StatusLine<'a>>,
    pub(crate) duration_ns: u64,
    #[serde(borrow, default, skip_serializing_if = "CapturedLine::is_empty")]
    pub(crate) stdout: CapturedLine<'a>,
    #[serde(borrow, default, skip_serializing_if = "CapturedLine::is_empty")]
    pub(crate) stderr: CapturedLine<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StatusLine<'a> {
    Exited(i32),
    Signaled(i32),
    #[serde(borrow)]
    Done(Cow<'a, str>),
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct CapturedLine<'a> {
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) head: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) head_bytes: String,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) tail: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) tail_bytes: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) dropped: u64,
}

impl CapturedLine<'_> {
    fn is_empty(&self) -> bool {
        self.head.is_empty()
            && self.head_bytes.is_empty()
            && self.tail.is_empty()
            && self.tail_bytes.is_empty()
            && self.dropped == 0
    }
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
