//! No text makes a parser panic, hang or fill the memory.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::{any, prop};
use proptest::proptest;
use rustix::time::{ClockId, clock_gettime};

use super::{diagnostics, load, with_file};
use crate::descriptor::{Defaults, SIZE_LIMIT, read_suite};

const PATHS: [&str; 3] = ["a.test.json", "a.test.toml", "a.test.yaml"];

/// Refused with one located message, and soon.
fn refused(path: &str, text: impl AsRef<[u8]>) -> String {
    let begin = Instant::now();
    let found = diagnostics(path, text);
    assert!(begin.elapsed() < Duration::from_secs(2), "{path} took {:?}", begin.elapsed());
    let [diagnostic] = found.as_slice() else { panic!("one mistake in {path}: {found:#?}") };
    assert!(
        diagnostic.rendered.len() < 2048 && diagnostic.rendered.contains(path),
        "{}",
        diagnostic.rendered
    );
    diagnostic.message.clone()
}

#[test]
fn deep_nesting_is_refused() {
    let brackets = "[".repeat(100_000);
    let closed = format!("{brackets}{}", "]".repeat(100_000));
    let maps = "{\"a\":".repeat(100_000);
    for nested in [&brackets, &closed, &maps] {
        refused("a.test.json", nested);
        refused("a.test.json", format!("{{\"run\": {nested}}}"));
        refused("a.test.yaml", format!("run: {nested}"));
        refused("a.test.toml", format!("run = {nested}"));
    }
    let toml = diagnostics("a.test.toml", format!("run = {brackets}"));
    assert!(toml[0].rendered.contains("help: let the values be flatter"), "{}", toml[0].rendered);
    assert_eq!(refused("a.test.yaml", "- ".repeat(100)), "nested too deeply: more than 40 levels");
    refused("a.test.yaml", "- ".repeat(100_000));
    refused("a.test.yaml", format!("run: {}", "? ".repeat(100_000)));
    refused("a.test.toml", format!("{}a = 1", "a.".repeat(100_000)));
    refused("a.test.toml", format!("[{}a]\n", "a.".repeat(100_000)));
}

#[test]
fn nesting_just_below_the_limits_does_not_overflow_the_stack() {
    for depth in [60, 90, 120] {
        let not = format!(
            "{{\"run\": \"a\", \"expect\": {{\"stdout\": {}{{\"equals\": \"a\"}}{}}}}}",
            "{\"not\":".repeat(depth),
            "}".repeat(depth)
        );
        let list = format!(
            "{{\"run\": \"a\", \"expect\": {{\"stdout\": {}\"a\"{}}}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        for text in [not, list] {
            assert_eq!(load("a.test.json", &text).cases.len(), 1, "{depth}");
            // Flow YAML reads the same text; its limit is lower.
            let _ = load("a.test.yaml", &text);
        }
    }
}

#[test]
fn billion_laughs_are_refused() {
    let mut text = String::from("x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "x-{level}: &a{level} [{aliases}]").expect("a string");
    }
    let too_large = "the document becomes too large when its aliases are expanded";
    assert_eq!(refused("a.test.yaml", format!("{text}run: a\n")), too_large);
    refused("a.test.yaml", "run: &a [*a]");
    refused("a.test.yaml", "x-a: &a {<<: *a}\nrun: a");
}

#[test]
fn encodings_are_told_apart() {
    for path in PATHS {
        assert_eq!(refused(path, b"\xFF\xFEr\0u\0n\0"), "not UTF-8: this looks like UTF-16");
        assert_eq!(refused(path, b"# gr\xFC\xDFe"), "not UTF-8 at byte 4");
        for empty in ["", " \r\n\t\n", "\u{FEFF}"] {
            assert_eq!(refused(path, empty), "the file is empty");
        }
    }
    for scalar in ["null", "3", "\"a\"", "[]", "true"] {
        refused("a.test.json", scalar);
        refused("a.test.yaml", scalar);
    }
    refused("a.test.yaml", "# nothing");
    refused("a.test.yaml", "run: a\n---\nrun: b\n");
    refused("a.test.yaml", "run: !custom a\n");
    refused("a.test.json", "{\"run\": \"a\"} {}");
    refused("a.test.json", "{\"run\": \"a\",}");
    refused("a.test.json", "{\"run\": \"a\" // no\n}");
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    for (path, numbers) in [
        ("a.test.json", &["1e999", "-1e999", "99999999999999999999", "-99999999999999999999"][..]),
        ("a.test.toml", &["1e999", "nan", "inf", "-inf", "99999999999999999999", "2020-01-01"]),
        (
            "a.test.yaml",
            &[
                "1e999",
                ".nan",
                ".inf",
                "-.inf",
                "99999999999999999999",
                "-99999999999999999999",
                "9999999999999999999999999999999999999999999",
            ],
        ),
    ] {
        for number in numbers {
            let text = match path {
                "a.test.json" => format!("{{\"run\": \"a\", \"vars\": {{\"n\": {number}}}}}"),
                "a.test.toml" => format!("run = \"a\"\nvars.n = {number}"),
                _ => format!("run: a\nvars: {{n: {number}}}"),
            };
            refused(path, text);
        }
    }
}

#[test]
fn large_files_are_refused_and_many_cases_are_read() {
    refused("a.test.json", vec![b' '; SIZE_LIMIT + 1]);
    let mut json = String::from("{\"cases\": [");
    let mut yaml = String::from("cases:\n");
    for index in 0..20_000 {
        let comma = if index == 0 { "" } else { "," };
        write!(json, "{comma}{{\"name\": \"ü{index}\", \"run\": [\"a\", \"b\"], \"stdin\": \"x\", \"expect\": {{\"stdout\": \"y\"}}, \"timeout\": \"5s\"}}").expect("a string");
        writeln!(yaml, "- {{name: ü{index}, run: [a, b], stdin: x, expect: {{stdout: y}}, timeout: 5s}}")
            .expect("a string");
    }
    json.push_str("]}");
    for (path, text) in [("a.test.json", json), ("a.test.yaml", yaml)] {
        // The time of this thread alone: others may keep the processors busy.
        let begin = clock_gettime(ClockId::ThreadCPUTime).tv_sec;
        let loaded = load(path, text);
        assert_eq!((loaded.cases.len(), loaded.broken.len()), (20_000, 0));
        let took = clock_gettime(ClockId::ThreadCPUTime).tv_sec - begin;
        assert!(took < 30, "{path} took {took} s");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for path in PATHS {
            let _ = load(path, &bytes);
        }
    }

    #[test]
    fn no_text_of_the_language_makes_a_parser_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "'", "\n", "  ", "- ", "=", "&a", "*a", "<<", "|", ">", "!t", "#", "%", "?",
            "run", "\"run\"", "cases", "\"cases\"", "expect", "\"expect\"", "steps", "env", "vars", "defaults", "json",
            "ü", "\r\n", "{{ ", " }}", "dir", "1e9", "0x1", "null", "~", "true", "---\n", "\\u0000", "\u{0}", "\u{FEFF}", ".",
        ]), 0..40),
    ) {
        let text = words.concat();
        for path in PATHS {
            let _ = load(path, &text);
            let _ = with_file(path, text.as_bytes(), |file| read_suite(file, &Defaults::default(), &Arc::default()));
        }
    }
}
