//! Rules that keep the source easy to find one's way in.

use std::fs;

use proc_macro2::{Delimiter, TokenTree};

use crate::source::{SourceFile, files_below, flatten, package};

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 70;

#[test]
fn files_are_short() {
    let long = |file: &SourceFile| {
        let lines = file.text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{} has {lines} lines", file.path))
    };
    let found: Vec<_> =
        ["src", "tests"].into_iter().flat_map(files_below).filter_map(|file| long(&file)).collect();
    assert!(found.is_empty(), "two rooms in one?\n{}", found.join("\n"));
}

#[test]
fn functions_are_short() {
    let found: Vec<_> =
        ["src", "tests"].into_iter().flat_map(files_below).flat_map(|file| long_functions(&file)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn long_functions(file: &SourceFile) -> Vec<String> {
    let tokens = flatten(file.tokens());
    let mut found = Vec::new();
    for (at, (token, _)) in tokens.iter().enumerate() {
        let [(TokenTree::Ident(name), _), rest @ ..] = &tokens[at + 1..] else { continue };
        if !matches!(token, TokenTree::Ident(word) if *word == "fn") {
            continue;
        }
        let body = rest.iter().find_map(|(token, _)| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        });
        let lines = body.map_or(0, |body| body.span_close().start().line - body.span_open().start().line);
        if lines > LONGEST_FUNCTION {
            found.push(format!("{}: {name} has {lines} lines", file.path));
        }
    }
    found
}

#[test]
fn modules_say_what_they_are() {
    let silent = |file: &SourceFile| !file.path.ends_with("tests.rs") && !file.text.starts_with("//!");
    let found: Vec<_> = files_below("src").into_iter().filter(silent).map(|file| file.path).collect();
    assert!(found.is_empty(), "without a comment at the top: {found:?}");
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    let drawer = |file: &SourceFile| {
        file.path
            .split(['/', '.'])
            .any(|name| ["utils", "util", "helpers", "common", "misc", "imp"].contains(&name))
    };
    let found: Vec<_> = files_below("src").into_iter().filter(drawer).map(|file| file.path).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_sample_suite_is_listed_in_the_readme() {
    let readme = fs::read_to_string(package().join("README.md")).expect("README.md");
    for entry in fs::read_dir(package().join("sample-suites")).expect("sample-suites") {
        let name = entry.expect("readable").file_name().into_string().expect("UTF-8");
        assert!(
            readme.contains(&format!("sample-suites/{name}")),
            "README.md does not list sample-suites/{name}"
        );
    }
}

#[test]
fn the_architecture_names_every_module() {
    let map = fs::read_to_string(package().join("src/ARCHITECTURE.md")).expect("src/ARCHITECTURE.md");
    for file in files_below("src") {
        let module = file.path.split(['/', '.']).next().expect("a name");
        let known = ["lib", "main"].contains(&module) || map.contains(&format!("`{module}`"));
        assert!(known, "src/ARCHITECTURE.md does not name `{module}`");
    }
}

#[test]
fn the_wall_clock_only_dates_what_happened() {
    // Where something has a deadline, or takes its time.
    for folder in ["src/process", "src/schedule", "src/service", "src/step"] {
        for file in files_below(folder) {
            assert!(!file.text.contains("SystemTime"), "{folder}/{} looks at the wall clock", file.path);
        }
    }
}

#[test]
fn every_fault_is_held_by_tests_that_are_there() {
    let map = fs::read_to_string(package().join("tests/it/FAULTS.md")).expect("tests/it/FAULTS.md");
    let rows = map.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        Some((number.parse::<u32>().ok()?, rest))
    });
    let rows: Vec<_> = rows.collect();
    let numbers: Vec<_> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=85).collect::<Vec<_>>());
    let below = |folder| {
        let file = |file: SourceFile| (file.path.trim_end_matches(".rs").replace('/', "::"), file.text);
        files_below(folder).into_iter().map(file)
    };
    let files: Vec<_> = below("tests/it").chain(below("src")).collect();
    let is_there = |name: &str| {
        let (module, test) = name.rsplit_once("::")?;
        let inline = module.strip_suffix("::tests");
        let holds = |(path, text): &&(String, String)| {
            let path = path.strip_suffix("::mod").unwrap_or(path);
            (path == module || Some(path) == inline) && is_test(text, test)
        };
        files.iter().find(holds)
    };
    for (number, row) in rows {
        let names: Vec<_> =
            row.split('`').filter(|part| part.contains("::") && !part.contains(' ')).collect();
        let is_explained = row.contains("sandbox");
        assert!(!names.is_empty() || is_explained, "nothing holds {number}");
        for name in names {
            assert!(is_there(name).is_some(), "{number}: there is no test {name}");
        }
    }
}

/// Whether a text has a test of this name.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_named = |line: &str| line.starts_with(&format!("fn {name}("));
    let Some(at) = lines.iter().position(|line| is_named(line)) else { return false };
    lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
}
