//! YAML 1.2, read by serde-saphyr with the place of every key and value and a budget against documents that
//! explode.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy};
use serde_saphyr::{Budget, Location, Options, Spanned};

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::node::{Entry, Node, OUT_OF_RANGE, SourceId, Span, Value};
use crate::descriptor::source::Source;

/// Values in one document, aliases expanded: enough for 8 MiB of cases.
const NODES: usize = 1_000_000;
/// Levels of nesting. The parser takes up to 40 kB of stack for each in a build without optimisation, and a
/// thread of Rust has 2 MB.
const DEPTH: usize = 40;
/// Values that aliases may repeat in total.
const REPEATED: usize = 20_000;

/// Reads a file that holds one document.
pub(crate) fn parse(source: &Source, id: SourceId) -> Result<Node, Problem> {
    let tree = serde_saphyr::from_str_with_options::<Spanned<Tree>>(&source.text, options())
        .map_err(|error| problem(&error, source, id))?;
    let mut node = node(tree);
    node.set_source(id);
    mend_altered(&mut node, &source.text)?;
    Ok(node)
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_nodes = NODES;
    budget.max_events = 3 * NODES;
    budget.max_depth = DEPTH;
    budget.flow_nesting_limit = DEPTH;
    budget.max_documents = 2;
    budget.max_aliases = REPEATED;
    budget.max_anchors = 1_000;
    budget.max_merge_keys = 1_000;
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = REPEATED;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits = aliases;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    options
}

/// Places are kept by byte; the id of the text is filled in later.
fn span_of(location: &Location) -> Span {
    let span = location.span();
    let offset = |value: Option<u64>| usize::try_from(value.unwrap_or(0)).unwrap_or(0);
    let start = offset(span.byte_offset());
    Span::new(SourceId(0), start, start + offset(span.byte_len()))
}

/// What to do about a number that no value can be.
const IN_QUOTES: &str = "write a finite number, or put it in quotes to make it a string";

fn problem(error: &serde_saphyr::Error, source: &Source, id: SourceId) -> Problem {
    let span = match error.location() {
        Some(location) if location.span().byte_offset().is_some() => {
            let span = span_of(&location);
            Span { source: id, ..span }
        }
        Some(location) => {
            let line_start = source.line_start(usize::try_from(location.line()).unwrap_or(1));
            let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
            let line = source.text[line_start..].lines().next().unwrap_or_default();
            let within = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
            Span::new(id, line_start + within, line_start + within + 1)
        }
        None => Span::new(id, 0, 0),
    };
    let is_tag = error.to_string().contains("unsupported tag");
    let span = if is_tag { tag_before(span, &source.text) } else { span };
    let (message, help) = match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => (
            "a descriptor is one YAML document, and here another begins".to_owned(),
            Some("list several cases under `cases`"),
        ),
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => (
            format!("the key {} stands twice", quote(key.as_deref().unwrap_or("?"))),
            Some("keep one of them"),
        ),
        serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            (format!("nested too deeply: more than {DEPTH} levels"), Some("let the values be flatter"))
        }
        serde_saphyr::Error::Budget { .. } | serde_saphyr::Error::AliasReplayLimitExceeded { .. } => {
            too_many_aliases()
        }
        serde_saphyr::Error::NonFiniteFloat { .. } => {
            ("the number is not finite".to_owned(), Some(IN_QUOTES))
        }
        serde_saphyr::Error::Message { msg, .. } if msg == OUT_OF_RANGE.0 => {
            (msg.clone(), Some(OUT_OF_RANGE.1))
        }
        serde_saphyr::Error::Message { msg, .. } => (format!("not valid YAML: {msg}"), None),
        // Within an alias the limit is told by words alone.
        other if other.to_string().starts_with("alias replay limit") => too_many_aliases(),
        other => (format!("not valid YAML: {}", reason(other)), None),
    };
    let message = message.lines().next().unwrap_or_default().chars().take(300).collect::<String>();
    let help = help.map_or_else(|| help_with(&message, span, source), str::to_owned);
    Problem::new(span, message).help(help)
}

fn too_many_aliases() -> (String, Option<&'static str>) {
    let message = "the document becomes too large when its aliases are expanded";
    (message.to_owned(), Some("write `defaults` or `vars` instead of aliases"))
}

/// The place of the tag before a value.
fn tag_before(span: Span, text: &str) -> Span {
    let before = text.get(..span.start as usize).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    match before[line..].rfind('!') {
        Some(at) => {
            let length = before[line + at..].find(' ').unwrap_or(before.len() - line - at);
            Span::new(span.source, line + at, line + at + length)
        }
        None => span,
    }
}

/// What most often is the matter.
fn help_with(message: &str, span: Span, source: &Source) -> String {
    let (before, from) = source.text.split_at_checked(span.start as usize).unwrap_or_default();
    let line = from.lines().next().unwrap_or_default();
    if before.ends_with('{') {
        // Without quotes, YAML takes the braces of a variable for those of an object.
        "put quotes around a text with a variable: \"{{ name }}\"".to_owned()
    } else if message.contains("tabs disallowed") {
        "indent with spaces".to_owned()
    } else if line.starts_with(char::is_control) {
        "take the control character away, or write it as in \"\\x1b\"".to_owned()
    } else if message.contains("unknown anchor") || message.contains("unexpected character") {
        let text = line.trim_end().trim_end_matches([',', ']', '}']);
        let first = text.chars().next().unwrap_or('*');
        match text.contains('\'') {
            true => format!("a text that begins with `{first}` needs quotes"),
            false => format!("a text that begins with `{first}` needs quotes: '{}'", shortened(text)),
        }
    } else if message.contains("tag") {
        "tags mean nothing here: take what begins with `!` away, or put quotes around a text that begins with it"
            .to_owned()
    } else if message.contains("escape") {
        "write a text with backslashes in single quotes, in which they mean nothing".to_owned()
    } else if message.contains("recursion limit") {
        format!("let the values be flatter: up to {DEPTH} levels")
    } else {
        "look for a bracket or a quote that is not closed, or for a line that is not indented as those beside it; \
         a text with `: ` or ` #` in it needs quotes"
            .to_owned()
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The parser's message without its own idea of the place.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let end = line.rfind(" at line ").or_else(|| line.rfind(" (line ")).unwrap_or(line.len());
    line[..end].to_owned()
}

/// Takes texts as they stand that are numbers in older versions of YAML only. Refuses what is not as it stands in the
/// text: whole numbers that were too large and have become inexact, and texts that a tag has decoded.
fn mend_altered(node: &mut Node, text: &str) -> Result<(), Problem> {
    let written = node.span.number(text);
    match &mut node.value {
        Value::List(items) => items.iter_mut().try_for_each(|item| mend_altered(item, text)),
        Value::Map(entries) => entries.iter_mut().try_for_each(|entry| mend_altered(&mut entry.value, text)),
        Value::Int(_) | Value::Large(_) | Value::Float(_) if is_old_number(written) => {
            node.value = Value::String(written.to_owned());
            Ok(())
        }
        Value::Float(_) => {
            let digits = written.trim_start_matches(['+', '-']);
            if !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() && byte != b'e' && byte != b'E')
            {
                return Err(match digits.strip_prefix('0') {
                    Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                        let sign = if written.starts_with('-') { "-" } else { "" };
                        let number = match rest.trim_start_matches('0') {
                            "" => "0",
                            number => number,
                        };
                        Problem::new(node.span, "a number does not begin with 0").help(format!(
                            "write `{sign}{number}`, or quote it if it is a text: \"{written}\"",
                        ))
                    }
                    _ => Problem::new(node.span, OUT_OF_RANGE.0).help(OUT_OF_RANGE.1),
                });
            }
            Ok(())
        }
        Value::String(_) if is_binary(node.span, text) => {
            Err(Problem::new(node.span, "the tag `!!binary` means nothing here")
                .help("write the text as it is"))
        }
        _ => Ok(()),
    }
}

/// Whether YAML 1.2 takes this for a text that is a number for YAML 1.1 or the parser: in its core schema `0o` and `0x` are
/// small, without a sign before them, and the only ones of their kind.
fn is_old_number(written: &str) -> bool {
    let digits = written.trim_start_matches(['+', '-']);
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| digits.starts_with(prefix));
    let is_signed = digits.len() < written.len();
    written.contains('_') || begins(&["0b", "0B", "0O", "0X"]) || is_signed && begins(&["0o", "0x"])
}

/// Whether a value has the tag for Base64, by which the parser has decoded it.
fn is_binary(span: Span, text: &str) -> bool {
    let (before, from) = text.split_at_checked(span.start as usize).unwrap_or_default();
    let is_tag = |word: &str| matches!(word, "!!binary" | "!<tag:yaml.org,2002:binary>");
    let mut words = before.rsplit([' ', '\t', '\n', '\r', '[', '{', ',']).filter(|word| !word.is_empty());
    is_tag(from.split_whitespace().next().unwrap_or_default())
        || words.find(|word| !word.starts_with('&')).is_some_and(is_tag)
}

/// A value as serde-saphyr hands it over.
struct Tree(Value);

/// A value with its place, which is that of the alias where one repeats it.
fn node(tree: Spanned<Tree>) -> Node {
    let Spanned { value: Tree(value), referenced, defined } = tree;
    Node { span: Span { written: span_of(&defined).start, ..span_of(&referenced) }, value }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree(Value::Int(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree(i64::try_from(value).map_or(Value::Large(value), Value::Int)))
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Tree, E> {
        Err(E::custom(OUT_OF_RANGE.0))
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Tree, E> {
        Err(E::custom(OUT_OF_RANGE.0))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        if value.is_finite() {
            Ok(Tree(Value::Float(value)))
        } else {
            Err(E::custom("the number is not finite"))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree(Value::String(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Tree, E> {
        Ok(Tree(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(node(item));
        }
        Ok(Tree(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = node(map.next_value()?);
            entries.push(Entry { key: key.value, key_span: span_of(&key.referenced), value });
        }
        Ok(Tree(Value::Map(entries)))
    }
}
