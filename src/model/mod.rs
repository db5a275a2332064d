//! The nouns of a run: what a case is, what was seen, what came of it.
//!
//! Plain data that every other module speaks. Nothing here reads a file, starts a thread or knows a format.

mod capture;
mod case;
mod event;
mod expectation;
mod file;
mod gauge;
mod golden;
mod halt;
mod http;
mod late;
mod leniency;
mod observation;
mod outcome;
mod pattern;
mod position;
mod precaution;
mod query;
mod resources;
mod service;
mod sql;
mod written;

pub use capture::{Capture, Part};
pub use case::{
    CallInput, CallStep, CaseId, CaseInfo, Environment, ExpectedFailure, InlineFile, Input, KeepWhen,
    OutputFiles, RunCommand, RunStep, Step, StepAction, StepInput, TestCase, TimeLimits, Until,
    WorkingDirectory, is_suite_file,
};
pub use event::{RunFinished, RunStarted, RunStats, Safeguards, Shard, TestEvent};
pub use expectation::{
    BytesTest, Check, ExitCodes, Matcher, NodeTest, Normalization, NumberTest, Pace, Subject, Test,
};
pub use file::FileStep;
pub use gauge::{Amount, Gauge};
pub use golden::{Golden, GoldenChange, GoldenError, UpdatedGolden};
pub use halt::Halt;
pub use http::{
    DownloadStep, HttpAuth, HttpBody, HttpField, HttpRequest, HttpStatus, HttpStep, HttpTimeouts, HttpTls,
    HttpValue,
};
pub use late::{Late, LateError, Pending};
pub use leniency::{Backoff, Quarantine, Retries};
pub use observation::{Captured, End, Excess, ExitStatus, Fact, Observation, signal_name, signal_number};
pub use outcome::{
    Attempt, CaseResult, Failure, FailureKind, KeptFiles, Outcome, ServiceRecord, Skip, Standing, StepNumber,
    StepRecord, StepStatus,
};
pub use pattern::{Pattern, PatternError};
pub use position::Position;
pub use precaution::{LeakPolicy, Precautions, Resource, ResourceLimits};
pub use query::{Found, Query, QueryError, member};
pub use resources::{LockAccess, Pool, Prerequisite, Resources, SlotDemand, SlotReason};
pub use service::{Ready, Service, ServiceScope, SuiteHooks};
pub use sql::{SqlParameter, SqlParameters, SqlStatement, SqlStep};
pub use written::Written;
