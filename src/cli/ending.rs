//! The flags that say when a run ends early, and how often it tries again.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::numbers::{positive, whole};
use crate::config::{Flaky, Settings};
use crate::runner::{FlakyVerdict, Policy};
use crate::time::parse_duration;

/// When a run ends early, and how often it tries again.
#[derive(Clone, Debug, Args)]
pub(super) struct EndArguments {
    /// Start no more cases once this many have failed
    ///
    /// Those that run come to their end, and so does what their folders do afterwards; the others are reported as not run.
    #[arg(long, value_name = "N", value_parser = positive::<NonZeroUsize>)]
    #[arg(allow_negative_numbers = true, conflicts_with = "list")]
    max_fail: Option<NonZeroUsize>,

    /// Start no more cases once one has failed: --max-fail 1
    #[arg(long, conflicts_with_all = ["max_fail", "list"])]
    fail_fast: bool,

    /// Go on after cases that fail and files that cannot be read: what partest does anyway, whatever max_fail in
    /// partest.toml says
    #[arg(long, conflicts_with_all = ["max_fail", "fail_fast", "list"])]
    keep_going: bool,

    /// End the run when it has taken this long, as in 90s or 1h30m
    ///
    /// The cases that run are interrupted, and those that have not begun are not run. All reports are written, and the exit
    /// code is 1. (The limit of each case is `timeout` in its descriptor.)
    #[arg(long, visible_alias = "timeout", value_name = "DURATION", value_parser = duration, conflicts_with = "list")]
    run_timeout: Option<Duration>,

    /// Try every case that fails again, up to this many times, whatever it says itself; 0 tries none again
    ///
    /// A case keeps its own `delay`, `backoff` and `jitter`. Those with `xfail` are never tried again.
    #[arg(long, value_name = "N", value_parser = whole, allow_negative_numbers = true, conflicts_with = "list")]
    retries: Option<u32>,

    /// Make at most this many retries in the whole run, of all cases together
    #[arg(long, value_name = "N", value_parser = whole, allow_negative_numbers = true, conflicts_with = "list")]
    retry_budget: Option<u32>,

    /// What a case comes to that passes only when it is tried again [default: pass]
    #[arg(long, value_enum, value_name = "VERDICT", conflicts_with = "list")]
    flaky: Option<FlakyArgument>,
}

/// What a case comes to that passes only when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FlakyArgument {
    Pass,
    Fail,
}

impl EndArguments {
    /// What these flags say, over the settings.
    pub(super) fn policy(&self, settings: &mut Settings) -> Policy {
        settings.max_fail.override_by("--max-fail", self.max_fail.map(Some));
        settings.max_fail.override_by("--fail-fast", self.fail_fast.then_some(Some(NonZeroUsize::MIN)));
        settings.max_fail.override_by("--keep-going", self.keep_going.then_some(None));
        settings.run_timeout.override_by("--run-timeout", self.run_timeout.map(Some));
        settings.retry_budget.override_by("--retry-budget", self.retry_budget.map(Some));
        let flaky = self.flaky.map(|flaky| match flaky {
            FlakyArgument::Pass => Flaky::Pass,
            FlakyArgument::Fail => Flaky::Fail,
        });
        settings.flaky.override_by("--flaky", flaky);
        Policy {
            max_fail: settings.max_fail.value,
            timeout: settings.run_timeout.value,
            retries: self.retries,
            retry_budget: settings.retry_budget.value,
            flaky: match settings.flaky.value {
                Flaky::Pass => FlakyVerdict::Pass,
                Flaky::Fail => FlakyVerdict::Fail,
            },
        }
    }
}

/// Reads a duration.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
