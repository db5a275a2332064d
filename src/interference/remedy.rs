//! What two cases have in common, and the name of a lock for it.

use std::collections::BTreeSet;

/// The shortest name that says anything, in characters.
const SHORTEST: usize = 3;

/// The shortest word that may be what two cases have in common although it does not look like the name of anything.
const SHORTEST_WORD: usize = 5;

/// How the number of a port is written among words.
const PORT: &str = "port ";

/// The first port that needs no privileges.
const FIRST_PORT: u16 = 1024;

/// Words of texts that are about connections: numbers in them may be ports.
const CONNECTIONS: [&str; 7] = ["bind", "listen", "connect", "socket", "localhost", "127.0.0.1", "0.0.0.0"];

/// How files end that hold data.
const ENDINGS: [&str; 30] = [
    "bin", "cfg", "conf", "csv", "dat", "data", "db", "html", "in", "ini", "json", "lock", "log", "md",
    "out", "pid", "sock", "sql", "sqlite", "sqlite3", "state", "tar", "tmp", "toml", "tsv", "txt", "xml",
    "yaml", "yml", "zip",
];

/// Where programs and the system's own files lie, which all cases may share.
const SYSTEM: [&str; 6] = ["/bin/", "/dev/", "/usr/", "/proc/", "/lib", "/etc/"];

/// How good a reason for a lock it is that two cases have a word in common, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A file that exists.
    File,
    /// An address, or the number of a port.
    Address,
    /// What looks like the path or the name of a file.
    Path,
    /// A word that says nothing of what it stands for.
    Plain,
}

/// The word that stands in texts of both cases and in those of as few others as possible: a file that `exists` before an address or the
/// number of a port, those before what only looks like a file, and that before any other word. What is known of a program's own text is
/// that its words are names of its own; they are none. None, too, when there is none but words that many cases have.
#[must_use]
pub fn shared_word(
    first: &[String],
    second: &[String],
    others: &[Vec<String>],
    exists: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let all = |texts: &[String]| -> BTreeSet<String> {
        texts.iter().flat_map(|text| words(text, exists)).collect()
    };
    let (first, second) = (all(first), all(second));
    let others: Vec<_> = others.iter().map(|texts| all(texts)).collect();
    let common = first.intersection(&second).map(|word| {
        let elsewhere = others.iter().filter(|words| words.contains(word)).count();
        (elsewhere, kind(word, exists), word)
    });
    // Where others have it, too, it should at least be the name of something.
    let telling = common.filter(|(elsewhere, kind, word)| match kind {
        Kind::Plain => *elsewhere == 0 && others.len() > 1 && word.chars().count() >= SHORTEST_WORD,
        _ => *elsewhere * 2 <= others.len(),
    });
    telling
        .min_by_key(|(elsewhere, kind, word)| {
            (*kind, *elsewhere, std::cmp::Reverse(word.len()), (*word).clone())
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

/// The words of a text, in which names of files, hosts and the like are whole, and the ports that it names. Of code, where something is
/// called, only those that can be no name of the code's own.
fn words(text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let is_part =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '@' | '~' | '+' | '%');
    let is_code = text.as_bytes().windows(2).any(|two| two[0].is_ascii_alphanumeric() && two[1] == b'(');
    let words = text.split(move |c: char| !is_part(c));
    let words = words.map(|word| word.trim_matches(|c: char| matches!(c, '.' | ':' | '-' | '+' | '@' | '%')));
    let words =
        words.filter(|word| is_telling(word) && !(is_code && is_identifier(word) && !is_file(word, exists)));
    words.map(str::to_owned).chain(ports(text)).collect()
}

/// The ports that a text names: numbers behind a colon, and any in a text that is about connections.
fn ports(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    // Not as in "import" or "report".
    let names_port = lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "port");
    let is_about_them = names_port || CONNECTIONS.iter().any(|word| lower.contains(word));
    let mut ports = Vec::new();
    let mut before = ' ';
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        before = rest[..start].chars().next_back().unwrap_or(before);
        rest = &rest[start..];
        let (number, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let is_whole = !before.is_alphanumeric()
            && !matches!(before, '.' | '_')
            && !behind.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ':'));
        if is_whole
            && (is_about_them || before == ':')
            && number.parse().is_ok_and(|port: u16| port >= FIRST_PORT)
        {
            ports.push(format!("{PORT}{number}"));
        }
        before = '0';
        rest = behind;
    }
    ports
}

fn is_telling(word: &str) -> bool {
    word.chars().count() >= SHORTEST
        && word.chars().any(char::is_alphabetic)
        && !SYSTEM.iter().any(|system| word.starts_with(system))
}

/// Whether a word may be a name of a program's own, such as `socket.socket`: unless it ends as files do.
fn is_identifier(word: &str) -> bool {
    let is_name = |part: &str| part.chars().all(|c| c.is_alphanumeric() || c == '_');
    word.split('.').all(is_name) && !has_ending(word)
}

/// Whether a word ends as the names of files do that hold data.
fn has_ending(word: &str) -> bool {
    let ending = word.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

fn is_file(word: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    word.contains(['/', '.']) && exists(word)
}

/// What a word looks like.
fn kind(word: &str, exists: &dyn Fn(&str) -> bool) -> Kind {
    let last = word.rsplit('/').next().unwrap_or(word);
    let port = word.rsplit_once(':').map(|(_, port)| port);
    match () {
        () if is_file(word, exists) => Kind::File,
        () if word.starts_with(PORT) || word.contains("://") => Kind::Address,
        () if port.is_some_and(|port| port.parse::<u16>().is_ok()) => Kind::Address,
        () if word.contains('/') && last.len() >= SHORTEST || has_ending(last) => Kind::Path,
        () => Kind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::{lock_name, shared_word};

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn shared(first: &str, second: &str, others: &[Vec<String>]) -> Option<String> {
        shared_word(&texts(&[first]), &texts(&[second]), others, &|word| word.ends_with("there"))
    }

    #[test]
    fn the_file_that_only_two_cases_name_is_found() {
        let first =
            texts(&["sh -eu -c 'echo 1 > /work/suite/shared.txt; sleep 0.1; cat /work/suite/own.txt'"]);
        let second = texts(&["sh -c \"printf 2 >>/work/suite/shared.txt; sleep 0.1\"", "/work/suite/input"]);
        let others = [texts(&["sleep 0.1; cat /work/suite/input"]), texts(&["/work/suite/own.txt"])];
        let word = shared_word(&first, &second, &others, &|_| false).expect("shared");
        assert_eq!((word.as_str(), lock_name(&word).as_str()), ("/work/suite/shared.txt", "shared.txt"));
    }

    #[test]
    fn a_name_that_is_no_file_is_better_than_none_and_what_all_have_is_none() {
        let others = [texts(&["psql -c 'select 1'"]), texts(&["psql"])];
        let of = |first: &str, second: &str| shared(first, second, &others);
        assert_eq!(of("psql accounts", "psql -q accounts").as_deref(), Some("accounts"));
        assert_eq!(of("psql -c a", "psql -c b"), None);
        assert_eq!(of("cat /dev/null", "cat /dev/null; /bin/true"), None);
        assert_eq!(of("", "x"), None);
    }

    #[test]
    fn a_port_is_better_than_names_of_the_code() {
        let others = [texts(&["sleep 1000"]), texts(&["true"]), texts(&["python3 -c 'print(4096)'"])];
        let code = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 18765)); time.sleep(0.2)";
        let word = shared(code, &code.replace("0.2", "0.5"), &others).expect("shared");
        assert_eq!((word.as_str(), lock_name(&word).as_str()), ("port 18765", "port-18765"));
        let without = "import accounts; accounts.read(30000)";
        assert_eq!(shared(without, without, &others), None);
        let [one, other] = ["curl http://localhost:8080/a", "nc -z localhost:8080"];
        assert_eq!(shared(one, other, &others).as_deref(), Some("port 8080"));
        let [one, other] = ["f('a.there') or g(':9000')", "f('a.there', ':9000')"];
        assert_eq!(shared(one, other, &others).as_deref(), Some("a.there"), "a file that exists");
        assert_eq!(shared("open('table.db')", "open('table.db')", &others).as_deref(), Some("table.db"));
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
