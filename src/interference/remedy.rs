//! What two cases have in common, and the name of a lock for it.

use std::collections::BTreeSet;

/// The shortest name that says anything, in characters.
const SHORTEST: usize = 3;

/// The shortest word that may be what two cases have in common although it does not look like the name of anything.
const SHORTEST_WORD: usize = 5;

/// Where programs and the system's own files lie, which all cases may share.
const SYSTEM: [&str; 6] = ["/bin/", "/dev/", "/usr/", "/proc/", "/lib", "/etc/"];

/// The word that stands in texts of both cases and in those of as few others as possible: the name of a file before any other. None
/// when there is none but words that many cases have.
#[must_use]
pub fn shared_word(first: &[String], second: &[String], others: &[Vec<String>]) -> Option<String> {
    let all = |texts: &[String]| -> BTreeSet<String> { texts.iter().flat_map(|text| words(text)).collect() };
    let (first, second) = (all(first), all(second));
    let others: Vec<_> = others.iter().map(|texts| all(texts)).collect();
    let common = first.intersection(&second).map(|word| {
        let elsewhere = others.iter().filter(|words| words.contains(word)).count();
        (elsewhere, is_path(word), word)
    });
    // Where others have it, too, it should at least be the name of something.
    let telling = common.filter(|(elsewhere, is_path, word)| match is_path {
        true => *elsewhere * 2 <= others.len(),
        false => *elsewhere == 0 && others.len() > 1 && word.chars().count() >= SHORTEST_WORD,
    });
    telling
        .min_by_key(|(elsewhere, is_path, word)| {
            (!*is_path, *elsewhere, std::cmp::Reverse(word.len()), (*word).clone())
        })
        .map(|(_, _, word)| word.clone())
}

/// A name for a lock on what this word names: the last part of a path, without what is no part of a name.
#[must_use]
pub fn lock_name(word: &str) -> String {
    let last = word.trim_end_matches('/').rsplit('/').next().unwrap_or(word);
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':') { c } else { '-' };
    last.chars().map(safe).collect::<String>().trim_matches(['.', '-', ':']).to_owned()
}

/// The words of a text, in which names of files, hosts and the like are whole.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_part =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '@' | '~' | '+' | '%');
    let words = text.split(move |c: char| !is_part(c));
    let words = words.map(|word| word.trim_matches(|c: char| matches!(c, '.' | ':' | '-' | '+' | '@' | '%')));
    words.filter(|word| is_telling(word)).map(str::to_owned)
}

fn is_telling(word: &str) -> bool {
    word.chars().count() >= SHORTEST
        && word.chars().any(char::is_alphabetic)
        && !SYSTEM.iter().any(|system| word.starts_with(system))
}

/// Whether a word looks like the name of a file or of a host.
fn is_path(word: &str) -> bool {
    let ending = |(stem, ending): (&str, &str)| {
        !stem.is_empty() && !ending.is_empty() && ending.chars().all(char::is_alphanumeric)
    };
    let last = word.rsplit('/').next().unwrap_or(word);
    word.contains('/') && last.len() >= SHORTEST || last.rsplit_once('.').is_some_and(ending)
}

#[cfg(test)]
mod tests {
    use super::{lock_name, shared_word};

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_file_that_only_two_cases_name_is_found() {
        let first =
            texts(&["sh -eu -c 'echo 1 > /work/suite/shared.txt; sleep 0.1; cat /work/suite/own.txt'"]);
        let second = texts(&["sh -c \"printf 2 >>/work/suite/shared.txt; sleep 0.1\"", "/work/suite/input"]);
        let others = [texts(&["sleep 0.1; cat /work/suite/input"]), texts(&["/work/suite/own.txt"])];
        let word = shared_word(&first, &second, &others).expect("shared");
        assert_eq!((word.as_str(), lock_name(&word).as_str()), ("/work/suite/shared.txt", "shared.txt"));
    }

    #[test]
    fn a_name_that_is_no_file_is_better_than_none_and_what_all_have_is_none() {
        let others = [texts(&["psql -c 'select 1'"]), texts(&["psql"])];
        let of = |first: &str, second: &str| shared_word(&texts(&[first]), &texts(&[second]), &others);
        assert_eq!(of("psql accounts", "psql -q accounts").as_deref(), Some("accounts"));
        assert_eq!(of("psql -c a", "psql -c b"), None);
        assert_eq!(of("cat /dev/null", "cat /dev/null; /bin/true"), None);
        assert_eq!(of("", "x"), None);
    }

    #[test]
    fn names_of_locks_are_plain() {
        for (word, name) in [
            ("127.0.0.1:5432", "127.0.0.1:5432"),
            ("/a/b c/", "b-c"),
            ("http://host:80/x?y", "x-y"),
            ("sqlite:/tmp/.app.db", "app.db"),
        ] {
            assert_eq!(lock_name(word), name);
        }
    }
}
