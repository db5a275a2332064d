//! From the bytes of a file to its tree.

use std::sync::Arc;

use crate::descriptor::diagnostic::{Diagnostic, Problem};
use crate::descriptor::node::{Node, SourceId, Span, Value};
use crate::descriptor::source::{Source, Sources};
use crate::descriptor::{json, toml, yaml};
use crate::model::{Position, is_suite_file};

/// The largest descriptor in bytes.
pub const SIZE_LIMIT: usize = 8 << 20;

/// The spellings of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON as of RFC 8259.
    Json,
    /// TOML 1.1.
    Toml,
    /// YAML 1.2.
    Yaml,
}

impl Format {
    /// The endings of file names that have a format.
    pub const ENDINGS: [&'static str; 4] = ["json", "toml", "yaml", "yml"];

    /// The format of files with this ending, written without the dot.
    #[must_use]
    pub fn of_ending(ending: &str) -> Option<Self> {
        match ending {
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// The format that a text has by the look of it, where the name of its file says nothing: JSON begins with a brace,
    /// and TOML with a table or an equals sign behind the first key.
    #[must_use]
    pub fn of_text(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
        let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
        match first.first() {
            Some(b'{') => Self::Json,
            Some(b'[') => Self::Toml,
            _ if first.iter().find(|byte| matches!(byte, b'=' | b':')) == Some(&b'=') => Self::Toml,
            _ => Self::Yaml,
        }
    }
}

/// Reads the bytes of a file as the next text of `sources`: the texts with this one, and its tree, which is an
/// object.
pub(crate) fn read_tree(
    path: &Arc<str>,
    bytes: &[u8],
    format: Format,
    sources: &Sources,
) -> Result<(Sources, Node), Diagnostic> {
    let start = Position { file: Arc::clone(path), line: 1, column: 1 };
    if bytes.len() > SIZE_LIMIT {
        let message = format!("the file is larger than {} MiB", SIZE_LIMIT >> 20);
        return Err(Diagnostic::without_source(start, message, None));
    }
    let not_utf8 = |message: String| {
        Diagnostic::without_source(start.clone(), message, Some("save the file as UTF-8".to_owned()))
    };
    // UTF-16 without a byte order mark may be UTF-8 by chance; the texts of none of the formats hold a NUL byte.
    if bytes[..bytes.len().min(64)].contains(&0) {
        return Err(not_utf8("not UTF-8: this looks like UTF-16".to_owned()));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| not_utf8(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let id = sources.next_id();
    let sources = sources.with(Arc::new(Source::new(Arc::clone(path), text.to_owned())));
    match tree(sources.get(id), id, format) {
        Ok(node) => Ok((sources, node)),
        Err(problem) => Err(problem.diagnose(&sources)),
    }
}

fn tree(source: &Source, id: SourceId, format: Format) -> Result<Node, Problem> {
    let help = match is_suite_file(&source.path) {
        true => "write what its cases share, such as `defaults`, or remove the file",
        false => "write a case with `run`, or a list of them under `cases`",
    };
    if source.text.trim().is_empty() {
        return Err(Problem::new(Span::new(id, 0, 0), "the file is empty").help(help));
    }
    let node = match format {
        Format::Json => json::parse(source, id),
        Format::Toml => toml::parse(source, id),
        Format::Yaml => yaml::parse(source, id),
    }?;
    match &node.value {
        Value::Map(_) => Ok(node),
        other => {
            let message = format!("expected an object, found {}", other.kind());
            Err(Problem::new(node.span, message).help(help))
        }
    }
}
