//! Pairs of files, an input and what a program must make of it, as one descriptor.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use ignore::WalkBuilder;
use serde::Serialize;

/// A descriptor for pairs.
#[derive(Debug)]
pub(super) struct Converted {
    /// The text of the descriptor.
    pub(super) descriptor: String,
    /// What a user should know of it.
    pub(super) notes: Vec<String>,
}

/// Why pairs cannot be converted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PairsError {
    #[error("{glob:?} is no glob: {reason}")]
    Glob { glob: String, reason: String },
    #[error("{glob:?} matches no file in {}", folder.display())]
    NoInput { glob: String, folder: PathBuf },
    #[error("{0:?} must be a relative path, below the folder of the descriptor")]
    Path(String),
    #[error("{{{name}}} in {expect:?} is unknown; use {{stem}} or {{name}}")]
    Placeholder { name: String, expect: String },
    #[error(
        "{expect:?} names the same file for every input; use {{stem}}, the input's name without its ending, or {{name}}"
    )]
    SameForAll { expect: String },
    #[error("none of the {inputs} inputs has its expected file; the first would be {}", first.display())]
    NoExpected { inputs: usize, first: PathBuf },
    #[error("there is no program {}", .0.display())]
    NoProgram(PathBuf),
    #[error("the command is empty")]
    NoCommand,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Descriptor {
    foreach: String,
    run: Command,
    stdin: InFile,
    expect: Expect,
}

#[derive(Serialize)]
struct InFile {
    file: String,
}

#[derive(Serialize)]
struct Expect {
    stdout: InFile,
}

/// As `run` has it: a script for the shell or a program with its arguments.
enum Command {
    Shell(String),
    Program(Vec<String>),
}

impl Serialize for Command {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shell(script) => script.serialize(serializer),
            Self::Program(arguments) => arguments.serialize(serializer),
        }
    }
}

/// The descriptor, to be written into `folder`, for the inputs that match `glob`, each with the file that `expect`
/// names, and the command `run`.
///
/// # Errors
/// [`PairsError`] when the files do not fit together.
pub(super) fn convert(folder: &Path, glob: &str, expect: &str, run: &str) -> Result<Converted, PairsError> {
    let glob = glob.strip_prefix("./").unwrap_or(glob);
    let expect = expect.strip_prefix("./").unwrap_or(expect);
    for path in [glob, expect] {
        let parts = Path::new(path).components();
        if path.is_empty() || parts.into_iter().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(PairsError::Path(path.to_owned()));
        }
    }
    let inputs = inputs(folder, glob)?;
    if !expect.contains('{') && inputs.len() > 1 {
        return Err(PairsError::SameForAll { expect: expect.to_owned() });
    }
    let mut missing = Vec::new();
    for input in &inputs {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let path = fill(expect, |name| match name {
            "stem" => Some(part(input.file_stem())),
            "name" => Some(part(input.file_name())),
            _ => None,
        })?;
        let path = folder.join(path);
        if !path.is_file() {
            missing.push(path);
        }
    }
    if let [first, ..] = missing.as_slice()
        && missing.len() == inputs.len()
    {
        return Err(PairsError::NoExpected { inputs: inputs.len(), first: first.clone() });
    }
    let template = fill(expect, |name| Some(format!("{{{{ {name} }}}}")))?;
    let descriptor = Descriptor {
        foreach: glob.to_owned(),
        run: command(folder, run)?,
        stdin: InFile { file: "{{ path }}".to_owned() },
        expect: Expect { stdout: InFile { file: template } },
    };
    let mut notes = Vec::new();
    if let [first, ..] = missing.as_slice() {
        let (without, all) = (missing.len(), inputs.len());
        notes.push(format!(
            "{without} of {all} inputs have no expected file yet, such as {}",
            first.display()
        ));
    }
    Ok(Converted { descriptor: serde_json::to_string_pretty(&descriptor)? + "\n", notes })
}

/// The files in `folder` that match, relative to it.
fn inputs(folder: &Path, glob: &str) -> Result<Vec<PathBuf>, PairsError> {
    let matcher = GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map_err(|error| PairsError::Glob { glob: glob.to_owned(), reason: error.kind().to_string() })?
        .compile_matcher();
    let is_fixed = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<_> = glob.split('/').collect();
    let fixed: PathBuf = parts[..parts.len() - 1].iter().take_while(|part| is_fixed(part)).collect();
    let mut found: Vec<_> = WalkBuilder::new(folder.join(fixed))
        .standard_filters(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.path().strip_prefix(folder).ok().map(Path::to_owned))
        .filter(|path| matcher.is_match(path))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(PairsError::NoInput { glob: glob.to_owned(), folder: folder.to_owned() });
    }
    Ok(found)
}

/// A text with every `{name}` replaced.
fn fill(expect: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, PairsError> {
    let mut filled = String::new();
    let mut rest = expect;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = ["stem", "name"].contains(&name).then(|| value(name)).flatten();
        let value = value
            .ok_or_else(|| PairsError::Placeholder { name: name.to_owned(), expect: expect.to_owned() })?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The command as a case runs it: in a private directory, so that a program beside the descriptor needs its folder.
fn command(folder: &Path, run: &str) -> Result<Command, PairsError> {
    let run = run.trim();
    let Some(program) = run.split_whitespace().next() else { return Err(PairsError::NoCommand) };
    let is_plain = |character: char| character.is_alphanumeric() || " _-./:,+@%^".contains(character);
    let is_beside = program.contains('/') && !program.starts_with('/') && program.chars().all(is_plain);
    let beside = program.strip_prefix("./").unwrap_or(program);
    if is_beside && !folder.join(beside).is_file() {
        return Err(PairsError::NoProgram(folder.join(beside)));
    }
    if run.chars().all(is_plain) {
        let first = if is_beside { format!("{{{{ dir }}}}/{beside}") } else { program.to_owned() };
        let rest = run.split_whitespace().skip(1).map(str::to_owned);
        return Ok(Command::Program(std::iter::once(first).chain(rest).collect()));
    }
    Ok(Command::Shell(match is_beside {
        true => format!("'{{{{ dir }}}}'/{beside}{}", &run[program.len()..]),
        false => run.to_owned(),
    }))
}
