//! `--shard`: which part of the cases is run, named outright or by the variables of a CI.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::str::FromStr;

use crate::plan::{Share, ShareError, Split};

/// What `--shard` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardArgument {
    /// A part.
    Named(Share),
    /// The part that variables name.
    Auto {
        /// How parts are made.
        split: Split,
        /// How many there are, where somebody says so.
        of: Option<u64>,
    },
}

/// The part that is run, with what to tell of how it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) share: Share,
    pub(super) note: Option<String>,
}

/// Why no part can be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShardError {
    #[error(
        "--shard auto: none of the variables is set that name a shard (see partest --help); name it as in --shard 1/4"
    )]
    None,
    #[error("--shard auto: {0}, so it is not clear which shard this is; name it as in --shard 1/4")]
    Several(String),
    #[error("--shard auto: {system} sets {set} but not {missing}{help}")]
    Missing { system: &'static str, set: &'static str, missing: &'static str, help: &'static str },
    #[error("--shard auto: {system} does not say how many shards there are; add it, as in --shard auto/4")]
    NoTotal { system: &'static str },
    #[error("--shard auto/{said}: {variable} says {total}")]
    OtherTotal { said: u64, variable: &'static str, total: u64 },
    #[error("--shard auto: {variable} is {value:?}, which is no number of a shard")]
    Number { variable: &'static str, value: String },
    #[error("--shard auto: {variable} is {value}, and shards are counted from {first} to {last}")]
    Range { variable: &'static str, value: u64, first: u64, last: u64 },
    #[error(
        "--shard auto: the {total} tasks of Slurm's array are not all from {least} to {most} in steps of {step}, so it is not clear which shard this is; name it as in --shard 1/4"
    )]
    List { total: u64, least: u64, most: u64, step: u64 },
    #[error("--shard auto: {0}")]
    Share(#[from] ShareError),
    #[error("cannot write {path}, the status file of the shards: {source}")]
    StatusFile { path: String, source: io::Error },
}

impl FromStr for ShardArgument {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (split, part) = match text.split_once(':') {
            Some(("hash", part)) => (Split::Hash, part),
            Some(("slice", part)) => (Split::Slice, part),
            _ => (Split::Balanced, text),
        };
        match part.strip_prefix("auto") {
            Some("") => Ok(Self::Auto { split, of: None }),
            Some(of) => {
                let of = of.strip_prefix('/').and_then(|of| of.parse().ok()).filter(|of| *of > 0);
                Ok(Self::Auto { split, of: Some(of.ok_or(ShareError::Form)?) })
            }
            None => text.parse().map(Self::Named),
        }
    }
}

/// A system that tells its jobs which of several they are.
struct System {
    name: &'static str,
    index: &'static str,
    total: Option<&'static str>,
    /// The number of the first shard.
    first: u64,
    /// A variable that must be set, too, where others use the same names.
    mark: Option<&'static str>,
}

const fn system(name: &'static str, index: &'static str, total: &'static str, first: u64) -> System {
    System { name, index, total: Some(total), first, mark: None }
}

/// Systems that are told in a file that shards are not ignored.
const BAZEL: &str = "Bazel";
const GOOGLETEST: &str = "googletest";

const SYSTEMS: [System; 14] = [
    System { mark: Some("GITLAB_CI"), ..system("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1) },
    System { mark: Some("HEROKU_TEST_RUN_ID"), ..system("Heroku CI", "CI_NODE_INDEX", "CI_NODE_TOTAL", 0) },
    system("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
    system("Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
    system("Bitbucket", "BITBUCKET_PARALLEL_STEP", "BITBUCKET_PARALLEL_STEP_COUNT", 0),
    system("Semaphore", "SEMAPHORE_JOB_INDEX", "SEMAPHORE_JOB_COUNT", 1),
    system("Azure Pipelines", "SYSTEM_JOBPOSITIONINPHASE", "SYSTEM_TOTALJOBSINPHASE", 1),
    system(BAZEL, "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0),
    system(GOOGLETEST, "GTEST_SHARD_INDEX", "GTEST_TOTAL_SHARDS", 0),
    System { total: None, ..system("Kubernetes", "JOB_COMPLETION_INDEX", "", 0) },
    system("Slurm's array", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 0),
    // The script of a job has a number, too, but is there once.
    System { mark: Some("SLURM_STEP_ID"), ..system("Slurm's srun", "SLURM_PROCID", "SLURM_NTASKS", 0) },
    System { total: None, ..system("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "", 0) },
    system("Cloud Run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", 0),
];

type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl ShardArgument {
    /// The part that is meant.
    ///
    /// # Errors
    /// [`ShardError`] when variables do not name exactly one.
    pub(super) fn find(self, variable: Variable<'_>) -> Result<Found, ShardError> {
        let (split, of) = match self {
            Self::Named(share) => return Ok(Found { share, note: None }),
            Self::Auto { split, of } => (split, of),
        };
        let system = find_system(variable)?;
        let (number, total, note) = read(system, of, variable)?;
        let share = Share::new(number, total, split)?;
        match system.name {
            BAZEL => touch_status_file(variable, "TEST_SHARD_STATUS_FILE")?,
            GOOGLETEST => touch_status_file(variable, "GTEST_SHARD_STATUS_FILE")?,
            _ => {}
        }
        Ok(Found { share, note: Some(format!("shard {share}, by {note}")) })
    }
}

fn value(variable: Variable<'_>, name: &str) -> Option<String> {
    variable(name).map(|value| value.to_string_lossy().trim().to_owned()).filter(|value| !value.is_empty())
}

/// The one system whose job this is.
fn find_system(variable: Variable<'_>) -> Result<&'static System, ShardError> {
    let is_set = |name: &str| value(variable, name).is_some();
    // Who sets the variables of googletest, too, means those.
    let is_hidden = |system: &System| system.name == BAZEL && is_set("GTEST_SHARD_INDEX");
    let is_marked = |name| value(variable, name).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
    let is_here = |system: &&System| {
        system.mark.is_none_or(is_marked) && !is_one_task(system, variable) && !is_hidden(system)
    };
    let here: Vec<&System> = SYSTEMS.iter().filter(is_here).collect();
    let named: Vec<&&System> = here.iter().filter(|system| is_set(system.index)).collect();
    match named.as_slice() {
        [system] => Ok(system),
        [] => {
            let half = here
                .iter()
                .find_map(|system| system.total.filter(|total| is_set(total)).map(|total| (system, total)));
            Err(match half {
                Some((system, set)) => {
                    let help = if system.name == "GitLab" { ": the job needs the keyword `parallel`" } else { "" };
                    ShardError::Missing { system: system.name, set, missing: system.index, help }
                }
                None if is_set("CI_NODE_INDEX") => ShardError::Several(
                    "CI_NODE_INDEX is set, but neither GITLAB_CI (it counts from 1) nor HEROKU_TEST_RUN_ID (from 0)"
                        .to_owned(),
                ),
                None if value(variable, "SLURM_NTASKS").is_some_and(|tasks| tasks != "1") => {
                    ShardError::Several(
                        "SLURM_NTASKS is set, but not SLURM_STEP_ID: srun has not started this process".to_owned(),
                    )
                }
                None => ShardError::None,
            })
        }
        several => {
            let names: Vec<_> =
                several.iter().map(|system| format!("{} ({})", system.index, system.name)).collect();
            Err(ShardError::Several(format!("{} are set", names.join(" and "))))
        }
    }
}

/// Whether it is a job of Slurm with one task only, as those of an array mostly are.
fn is_one_task(system: &System, variable: Variable<'_>) -> bool {
    system.index == "SLURM_PROCID" && value(variable, "SLURM_NTASKS").is_none_or(|tasks| tasks == "1")
}

/// The number of the shard, from 1, of how many, and the variables that said so.
fn read(
    system: &System,
    said: Option<u64>,
    variable: Variable<'_>,
) -> Result<(u64, u64, String), ShardError> {
    let number = |name: &'static str| -> Result<Option<u64>, ShardError> {
        let Some(value) = value(variable, name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| ShardError::Number { variable: name, value })
    };
    let missing = |set, missing| ShardError::Missing { system: system.name, set, missing, help: "" };
    let index = number(system.index)?.ok_or_else(|| missing(system.total.unwrap_or(""), system.index))?;
    let total = match (system.total, said) {
        (None, Some(said)) => said,
        (None, None) => return Err(ShardError::NoTotal { system: system.name }),
        (Some(name), said) => {
            let total = number(name)?.ok_or_else(|| missing(system.index, name))?;
            if let Some(said) = said.filter(|said| *said != total) {
                return Err(ShardError::OtherTotal { said, variable: name, total });
            }
            total
        }
    };
    let mut from_zero = index.checked_sub(system.first);
    if system.index == "SLURM_ARRAY_TASK_ID" {
        let least = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.filter(|step| *step > 0).unwrap_or(1);
        if let Some(most) = number("SLURM_ARRAY_TASK_MAX")? {
            // An array may also be a list, of which only the ends are told.
            let all = most.checked_sub(least).map(|distance| distance / step + 1);
            if all != Some(total) {
                return Err(ShardError::List { total, least, most, step });
            }
        }
        from_zero =
            index.checked_sub(least).filter(|distance| distance % step == 0).map(|distance| distance / step);
    }
    let Some(number) = from_zero.filter(|number| *number < total) else {
        let last = (total + system.first).saturating_sub(1);
        return Err(ShardError::Range { variable: system.index, value: index, first: system.first, last });
    };
    let names =
        system.total.map_or_else(|| system.index.to_owned(), |total| format!("{} and {total}", system.index));
    Ok((number + 1, total, format!("{names} ({})", system.name)))
}

/// Tells a system that its shards are not ignored, by the file that this variable names.
fn touch_status_file(variable: Variable<'_>, name: &str) -> Result<(), ShardError> {
    let Some(path) = variable(name).filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let touched = OpenOptions::new().append(true).create(true).open(&path);
    touched
        .map(drop)
        .map_err(|source| ShardError::StatusFile { path: path.to_string_lossy().into_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Found, SYSTEMS, ShardArgument};

    fn find(text: &str, variables: &[(&str, &str)]) -> Result<Found, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let argument: ShardArgument =
            text.parse().map_err(|error: crate::plan::ShareError| error.to_string())?;
        argument.find(&variable).map_err(|error| error.to_string())
    }

    fn found(text: &str, variables: &[(&str, &str)]) -> String {
        find(text, variables).unwrap_or_else(|error| panic!("{error}")).share.to_string()
    }

    fn refused(text: &str, variables: &[(&str, &str)]) -> String {
        find(text, variables).expect_err("refused")
    }

    #[test]
    fn a_part_is_named() {
        assert_eq!(found("2/4", &[]), "2/4");
        assert_eq!(found("hash:1/1", &[]), "1/1");
        assert_eq!(found("slice:12/12", &[]), "12/12");
        for wrong in [
            "",
            "2",
            "2/",
            "/4",
            "a/b",
            "+1/4",
            "1/4/2",
            "time:1/4",
            "hash:",
            "auto/",
            "auto/0",
            "auto/x",
            "automatic",
        ] {
            assert!(refused(wrong, &[]).contains("such as 1/4"), "{wrong}");
        }
        for wrong in ["0/4", "5/4", "0/0"] {
            assert!(refused(wrong, &[]).contains("there is no shard"), "{wrong}");
        }
        assert_eq!(found("10000/10000", &[]), "10000/10000");
        for wrong in ["1/10001", "1/4294967296", "auto/4294967295"] {
            let reason = refused(wrong, &[("JOB_COMPLETION_INDEX", "0")]);
            assert!(reason.contains("shards are too many: there may be 10000"), "{reason}");
        }
    }

    #[test]
    fn every_system_counts_as_it_does() {
        for system in SYSTEMS {
            let (first, last) = (system.first.to_string(), (system.first + 3).to_string());
            for (index, number) in [(first, "1/4"), (last, "4/4")] {
                let mark = system.mark.map(|mark| (mark, "true"));
                let total = system.total.map(|total| (total, "4"));
                let set: Vec<_> =
                    [Some((system.index, index.as_str())), mark, total].into_iter().flatten().collect();
                let text = if system.total.is_some() { "auto" } else { "auto/4" };
                assert_eq!(found(text, &set), number, "{}", system.name);
                let note = find(text, &set).expect("found").note.expect("told");
                assert!(note.contains(system.index) && note.contains(system.name), "{note}");
            }
        }
        let array = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "3"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_PROCID", "0"),
            ("SLURM_NTASKS", "1"),
        ];
        assert_eq!(found("auto", &array), "3/3");
        let whole = [&array[..], &[("SLURM_ARRAY_TASK_MAX", "7")]].concat();
        assert_eq!(found("auto", &whole), "3/3");
    }

    #[test]
    fn an_array_of_slurm_that_is_a_list_is_no_row_of_shards() {
        let list = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_MAX", "7"),
            ("SLURM_ARRAY_TASK_STEP", "1"),
        ];
        let reason = refused("auto", &list);
        assert!(
            reason.contains("the 3 tasks of Slurm's array are not all from 1 to 7 in steps of 1"),
            "{reason}"
        );
    }

    #[test]
    fn the_script_of_a_job_of_slurm_is_no_shard() {
        let script = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
        assert!(refused("auto", &script).contains("srun has not started this process"));
        assert_eq!(found("auto", &[&script[..], &[("SLURM_STEP_ID", "0")]].concat()), "1/4");
        let array = [("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "2")];
        assert_eq!(found("auto", &[&script[..], &array].concat()), "2/2");
    }

    #[test]
    fn nothing_is_guessed() {
        let gitlab = [("GITLAB_CI", "true"), ("CI_NODE_TOTAL", "1")];
        assert!(refused("auto", &[]).contains("none of the variables"));
        assert!(
            refused("auto", &gitlab)
                .contains("GitLab sets CI_NODE_TOTAL but not CI_NODE_INDEX: the job needs")
        );
        assert!(refused("auto", &[("CIRCLE_NODE_INDEX", "0")]).contains("but not CIRCLE_NODE_TOTAL"));
        assert!(
            refused("auto", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")]).contains("neither GITLAB_CI")
        );
        let two = [
            ("CIRCLE_NODE_INDEX", "0"),
            ("CIRCLE_NODE_TOTAL", "2"),
            ("TEST_SHARD_INDEX", "0"),
            ("TEST_TOTAL_SHARDS", "2"),
        ];
        assert!(
            refused("auto", &two)
                .contains("CIRCLE_NODE_INDEX (CircleCI) and TEST_SHARD_INDEX (Bazel) are set")
        );
        let circle = |index, total| [("CIRCLE_NODE_INDEX", index), ("CIRCLE_NODE_TOTAL", total)];
        assert!(refused("auto", &circle("4", "4")).contains("is 4, and shards are counted from 0 to 3"));
        assert!(refused("auto", &circle("-1", "4")).contains("no number of a shard"));
        assert!(refused("auto", &circle("0", "0")).contains("counted from 0 to 0"));
        assert!(refused("auto/3", &circle("0", "4")).contains("CIRCLE_NODE_TOTAL says 4"));
        assert!(refused("auto", &[("JOB_COMPLETION_INDEX", "2")]).contains("does not say how many"));
        let no_gitlab = [("GITLAB_CI", "false"), ("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")];
        assert!(refused("auto", &no_gitlab).contains("neither GITLAB_CI"));
        let gitlab = [("GITLAB_CI", "true"), ("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")];
        assert!(refused("auto", &gitlab).contains("counted from 1 to 4"));
    }
}
