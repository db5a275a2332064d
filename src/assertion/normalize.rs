//! What is done to a content before it is looked at, so that what differs from run to run does not count.

use std::borrow::Cow;
use std::path::Path;

use crate::assertion::Setting;
use crate::assertion::matcher::Problem;
use crate::model::{FailureKind, Normalization, Pattern};
use crate::text::terminal::without_sequences;

/// The content after every normalization, in order. What is not UTF-8 becomes U+FFFD.
pub(crate) fn normalize(
    bytes: &[u8],
    by: &[Normalization],
    setting: &Setting<'_>,
) -> Result<String, Problem> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    by.iter().try_fold(text, |text, normalization| apply(text, normalization, setting))
}

fn apply(text: String, normalization: &Normalization, setting: &Setting<'_>) -> Result<String, Problem> {
    Ok(match normalization {
        Normalization::Ansi => without_sequences(&text).into_owned(),
        Normalization::Crlf => text.replace("\r\n", "\n"),
        Normalization::Paths => paths(text, setting),
        Normalization::Replace { pattern, with } => {
            let pattern = pattern.value(setting.variables)?;
            let with = with.render(setting.variables).map_err(|error| {
                Problem::undecided(format!("what replaces a match cannot be rendered: {error}"))
            })?;
            replace_all(&text, &pattern, &with, setting)?
        }
    })
}

/// Replaces every match. To find them all can take a time that grows with the square of the text, so it can be ended.
fn replace_all(text: &str, pattern: &Pattern, with: &str, setting: &Setting<'_>) -> Result<String, Problem> {
    let (mut replaced, mut end) = (String::with_capacity(text.len()), 0);
    for captures in pattern.regex().captures_iter(text) {
        if !(setting.go_on)() {
            let problem = Problem::undecided("what is to be replaced was not found in time".to_owned());
            return Err(Problem { kind: FailureKind::Timeout, ..problem });
        }
        let found = captures.get_match();
        replaced.push_str(&text[end..found.start()]);
        captures.expand(with, &mut replaced);
        end = found.end();
    }
    Ok(replaced + &text[end..])
}

/// Replaces the directories of the attempt and the descriptor's folder by words.
fn paths(mut text: String, setting: &Setting<'_>) -> String {
    let named = |name: &str| setting.variables.get(name).and_then(|value| value.as_str()).map(Cow::Borrowed);
    let home = setting.home.map(Path::to_string_lossy);
    let places =
        [(named("work"), "[WORK]"), (named("tmp"), "[TMP]"), (home, "[HOME]"), (named("dir"), "[DIR]")];
    let mut places: Vec<_> = places
        .iter()
        .filter_map(|(path, word)| Some((path.as_deref()?, *word)))
        // "/" would be everywhere.
        .filter(|(path, _)| path.len() > 1)
        .collect();
    // One may lie in another: the longest says most.
    places.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    for (path, word) in places {
        if text.contains(path) {
            text = replace_path(&text, path, word);
        }
    }
    text
}

/// Replaces a path where it ends as a name does: `/tmp/1` does not stand in `/tmp/12`.
fn replace_path(text: &str, path: &str, word: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, after) = (&rest[..at], &rest[at + path.len()..]);
        replaced.push_str(before);
        replaced.push_str(if ends_name(after) { word } else { path });
        rest = after;
    }
    replaced + rest
}

fn ends_name(after: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut characters = after.chars();
    match characters.next() {
        None => true,
        // A full stop ends a sentence, or goes on to an ending.
        Some('.') => !characters.next().is_some_and(part_of_name),
        Some(c) => !part_of_name(c),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::normalize;
    use crate::assertion::Setting;
    use crate::model::{Normalization, Pattern};
    use crate::text::{Template, Variables};

    fn normalized(text: &str, by: &[Normalization]) -> String {
        let variables = Variables::from([
            ("work".to_owned(), json!("/tmp/run/1/work")),
            ("tmp".to_owned(), json!("/tmp/run/1/tmp")),
            ("dir".to_owned(), json!("/tmp")),
        ]);
        let home = Some(Path::new("/tmp/run/1/home"));
        let folder = Path::new("/tmp");
        let setting = Setting { variables: &variables, folder, home, tells_matches: false, go_on: &|| true };
        normalize(text.as_bytes(), by, &setting).ok().expect("every value is known")
    }

    #[test]
    fn sequences_and_carriage_returns_go() {
        let by = [Normalization::Ansi, Normalization::Crlf];
        assert_eq!(normalized("\u{1b}[1;31mred\u{1b}[0m\r\na\rb\n", &by), "red\na\rb\n");
    }

    #[test]
    fn directories_become_words() {
        let text =
            "/tmp/run/1/work/a.txt /tmp/run/1/workshop in /tmp/run/1/tmp. \"/tmp/run/1/home\":/tmp/run/12";
        let expected = "[WORK]/a.txt [DIR]/run/1/workshop in [TMP]. \"[HOME]\":[DIR]/run/12";
        assert_eq!(normalized(text, &[Normalization::Paths]), expected);
    }

    #[test]
    fn patterns_are_replaced_in_order() {
        let replace = |pattern: &str, with: &str| Normalization::Replace {
            pattern: Pattern::new(pattern).expect("a pattern").into(),
            with: Template::literal(with),
        };
        let by = [replace(r"(\d+)ms", "${1} ms"), replace(r"\d", "N")];
        assert_eq!(normalized("took 12ms\n", &by), "took NN ms\n");
    }
}
