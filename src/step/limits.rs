//! What a failure has to do with the limits of its case.

use crate::model::{
    Captured, Excess, ExitStatus, Failure, FailureKind, Position, Resource, ResourceLimits, signal_name,
};
use crate::process::{self, Finished};

/// How much of the end of an output is searched for words.
const TAIL: usize = 4 << 10;

/// What programs say when a limit stops them, by `strerror(3)` or the libraries of languages.
const WORDS: [(Resource, &[&str]); 4] = [
    (
        Resource::Memory,
        &["Cannot allocate memory", "MemoryError", "emory allocation", "bad_alloc", "ut of memory"],
    ),
    (Resource::FileSize, &["File too large", "File size limit exceeded"]),
    (Resource::OpenFiles, &["Too many open files"]),
    (Resource::Cpu, &["CPU time limit exceeded"]),
];

/// The failure that names the limit, when a step that did not do what was expected ran into one.
pub(super) fn exceeded(limits: &ResourceLimits, finished: &Finished, position: &Position) -> Option<Failure> {
    let (resource, _) = limits.each().find(|(resource, _)| is_exceeded(*resource, limits, finished))?;
    let message =
        format!("ran into limits.{resource} = {}: {}", limits.of(resource), why(resource, finished));
    Some(Failure::new(FailureKind::Limit, position.clone(), message))
}

/// The failure of a case with too many processes.
pub(super) fn too_many(limits: &ResourceLimits, excess: Excess, position: &Position) -> Failure {
    let limit = limits.of(Resource::Processes);
    let how = match excess {
        Excess::Seen(seen) => format!("there were {seen}; all were killed"),
        Excess::Refused { count, is_ended } => {
            let were = if count == 1 { "was" } else { "were" };
            let end = if is_ended { "; as it still ran 5s later, all were killed" } else { "" };
            format!("{count} more {were} refused (EAGAIN){end}")
        }
    };
    let message = format!("exceeded limits.processes = {limit}: {how}");
    Failure::new(FailureKind::Limit, position.clone(), message)
}

/// A line that names the limits in force, for failures that may have to do with them.
pub(super) fn in_force(limits: &ResourceLimits) -> Option<String> {
    let all: Vec<String> = limits.each().map(|(resource, limit)| format!("{resource} {limit}")).collect();
    (!all.is_empty()).then(|| format!("limits in force: {}\n", all.join(", ")))
}

fn is_exceeded(resource: Resource, limits: &ResourceLimits, finished: &Finished) -> bool {
    let by_number = match resource {
        // A process begins with what partest itself had at most.
        Resource::Memory => limits.memory.is_some_and(|limit| {
            finished.max_rss >= limit / 4 * 3 && finished.max_rss > process::peak_memory()
        }),
        Resource::Cpu => {
            was_signalled(finished.status, 24) || limits.cpu.is_some_and(|cpu| finished.cpu >= cpu)
        }
        Resource::FileSize => was_signalled(finished.status, 25),
        Resource::Processes | Resource::OpenFiles => false,
    };
    let said = |words: &[&str]| {
        [&finished.stderr, &finished.stdout]
            .iter()
            .any(|output| words.iter().any(|word| ends_with_word(output, word)))
    };
    by_number || WORDS.iter().any(|(known, words)| *known == resource && said(words))
}

/// Whether a process was ended by this signal, or says in a shell's way that one of its own was.
fn was_signalled(status: ExitStatus, number: i32) -> bool {
    matches!(status, ExitStatus::Signaled(signal) if signal == number)
        || matches!(status, ExitStatus::Exited(code) if code == 128 + number)
}

fn ends_with_word(output: &Captured, word: &str) -> bool {
    let end = if output.tail.is_empty() { &output.head } else { &output.tail };
    let end = &end[end.len().saturating_sub(TAIL)..];
    end.windows(word.len()).any(|window| window == word.as_bytes())
}

fn why(resource: Resource, finished: &Finished) -> String {
    match resource {
        Resource::Memory => format!("its largest process had {} MiB", finished.max_rss >> 20),
        Resource::Cpu => format!("it used {:.1}s of processor time", finished.cpu.as_secs_f64()),
        _ => match finished.status {
            ExitStatus::Signaled(number) => {
                format!("ended by {}", signal_name(number).unwrap_or("a signal"))
            }
            status @ ExitStatus::Exited(_) => status.to_string(),
        },
    }
}
