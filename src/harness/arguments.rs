//! The arguments of Rust's own test harness, where libtest-mimic is stricter than it or forgets one.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use libtest_mimic::{Arguments, Trial};

/// Flags that Rust's harness takes and libtest-mimic refuses. None changes which tests run.
const IGNORED_FLAGS: [&str; 6] =
    ["--no-capture", "--report-time", "--ensure-time", "--shuffle", "--fail-fast", "--force-run-in-process"];

/// Flags with a value, which must not be taken for a filter.
const FLAGS_WITH_VALUE: [&str; 6] = ["--test-threads", "--logfile", "--skip", "--color", "--format", "-Z"];

/// The arguments, understood.
#[derive(Debug)]
pub(super) struct HarnessArguments {
    /// What libtest-mimic is given: one waiting thread, so that tests are printed in their order.
    pub(super) parsed: Arguments,
    /// How many cases run at the same time.
    pub(super) jobs: NonZeroUsize,
    /// The filters when there are several, of which libtest-mimic knows only one.
    filters: Vec<String>,
}

impl HarnessArguments {
    /// Reads the arguments of the program (its name first) and the variable `RUST_TEST_THREADS`.
    ///
    /// # Errors
    /// A message when a number of threads is no positive number or an argument is not UTF-8. libtest-mimic ends the
    /// process itself for an unknown flag, with exit code 2.
    pub(super) fn read(
        arguments: impl IntoIterator<Item = OsString>,
        threads: Option<OsString>,
    ) -> Result<Self, String> {
        let (flags, filters) = sort(arguments)?;
        let mut parsed = Arguments::from_iter(flags);
        let threads = match (parsed.test_threads, threads) {
            (Some(number), _) => NonZeroUsize::new(number).ok_or("--test-threads must not be 0")?,
            (None, Some(text)) => text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
                format!("RUST_TEST_THREADS is {}, should be a positive number", text.display())
            })?,
            (None, None) => available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        parsed.test_threads = Some(1);
        match filters.as_slice() {
            [one] => {
                parsed.filter = Some(one.clone());
                Ok(Self { parsed, jobs: threads, filters: Vec::new() })
            }
            _ => Ok(Self { parsed, jobs: threads, filters }),
        }
    }

    /// The names asked for, when tests are asked for by their whole names.
    pub(super) fn exact_names(&self) -> Option<&[String]> {
        let names = match &self.parsed.filter {
            Some(filter) => std::slice::from_ref(filter),
            None => &self.filters,
        };
        (self.parsed.exact && !names.is_empty()).then_some(names)
    }

    /// Whether one of several filters, which libtest-mimic does not see, matches the name.
    pub(super) fn several_filters_match(&self, name: &str) -> bool {
        let matches =
            |filter: &String| if self.parsed.exact { name == filter } else { name.contains(filter.as_str()) };
        self.filters.is_empty() || self.filters.iter().any(matches)
    }

    /// Whether libtest-mimic will run the trial.
    pub(super) fn will_run(&self, trial: &Trial) -> bool {
        !self.parsed.list && !self.parsed.is_filtered_out(trial) && !self.parsed.is_ignored(trial)
    }
}

/// Takes flags and filters apart, and drops the flags that libtest-mimic does not know.
fn sort(arguments: impl IntoIterator<Item = OsString>) -> Result<(Vec<String>, Vec<String>), String> {
    let mut flags = Vec::new();
    let mut filters = Vec::new();
    let mut arguments = arguments.into_iter();
    flags
        .push(arguments.next().map_or_else(|| "test".to_owned(), |name| name.to_string_lossy().into_owned()));
    let mut only_filters = false;
    while let Some(argument) = arguments.next() {
        let argument = argument.into_string().map_err(|raw| format!("{} is not UTF-8", raw.display()))?;
        let name = argument.split('=').next().unwrap_or_default();
        if only_filters || !argument.starts_with('-') {
            filters.push(argument);
        } else if argument == "--" {
            only_filters = true;
        } else if name == "--shuffle-seed" {
            if !argument.contains('=') {
                arguments.next();
            }
        } else if !IGNORED_FLAGS.contains(&name) {
            let takes_next = FLAGS_WITH_VALUE.contains(&argument.as_str());
            flags.push(argument);
            if let Some(value) = takes_next.then(|| arguments.next()).flatten() {
                flags.push(value.into_string().map_err(|raw| format!("{} is not UTF-8", raw.display()))?);
            }
        }
    }
    Ok((flags, filters))
}

#[cfg(test)]
mod tests {
    use super::HarnessArguments;

    fn read(arguments: &[&str]) -> Result<HarnessArguments, String> {
        HarnessArguments::read(["test"].iter().chain(arguments).map(Into::into), None)
    }

    #[test]
    fn flags_of_the_standard_harness_are_no_mistake() {
        let read = read(&["--no-capture", "--report-time=plain", "--shuffle-seed", "7", "--nocapture"])
            .expect("valid");
        assert!(read.parsed.nocapture);
        assert_eq!(read.parsed.filter, None);
        assert!(read.several_filters_match("anything"));
    }

    #[test]
    fn one_filter_is_left_to_libtest_mimic_and_several_are_not() {
        let one = read(&["a", "--skip", "b"]).expect("valid");
        assert_eq!(
            (one.parsed.filter.as_deref(), one.parsed.skip.as_slice()),
            (Some("a"), &["b".to_owned()][..])
        );
        let several = read(&["a", "--exact", "--", "--b"]).expect("valid");
        assert_eq!(several.parsed.filter, None);
        assert!(several.several_filters_match("a") && several.several_filters_match("--b"));
        assert!(!several.several_filters_match("ab"));
        assert_eq!(several.exact_names().map(<[String]>::len), Some(2));
    }

    #[test]
    fn threads_come_from_the_flag_then_from_the_variable_and_are_never_zero() {
        let with = |flags: &[&str], variable: &str| {
            let flags = ["test"].iter().chain(flags).map(Into::into);
            HarnessArguments::read(flags, Some(variable.into())).map(|read| read.jobs.get())
        };
        assert_eq!(with(&["--test-threads=3"], "5"), Ok(3));
        assert_eq!(with(&[], "5"), Ok(5));
        assert!(with(&["--test-threads", "0"], "5").is_err());
        assert!(with(&[], "0").is_err());
        assert!(with(&[], "many").is_err());
    }
}
