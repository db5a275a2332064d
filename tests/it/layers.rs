//! The floors of `src/ARCHITECTURE.md`: a module imports only strictly lower ones, and says so openly.

use proc_macro2::TokenTree;

use crate::source::{SourceFile, files_below, flatten};

/// The modules of each floor, lowest first.
const FLOORS: [&[&str]; 8] = [
    &["text", "time", "disk"],
    &["model"],
    &[
        "descriptor",
        "assertion",
        "plan",
        "schedule",
        "sandbox",
        "process",
        "journal",
        "golden",
        "interference",
    ],
    &["config", "discovery", "step", "service", "report", "history"],
    &["runner"],
    &["remote"],
    &["session"],
    &["cli", "harness"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// What is wrong with the imports of one file.
fn violations(file: &SourceFile) -> Vec<String> {
    let module = file.path.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = floor(module) else { return vec![format!("{}: the module has no floor", file.path)] };
    let below_root = file.path.matches('/').count() - usize::from(file.path.ends_with("/mod.rs"));
    let mut found = Vec::new();
    let mut say = |token: &TokenTree, what: String| {
        found.push(format!("{}:{}: {what}", file.path, token.span().start().line));
    };
    let tokens = flatten(file.tokens());
    for (at, (token, inline_depth)) in tokens.iter().enumerate() {
        let next = path_segment_after(&tokens, at);
        match (token.to_string().as_str(), next) {
            ("crate", Some(TokenTree::Ident(name))) => match floor(&name.to_string()) {
                None => say(token, format!("crate::{name} is no module with a floor")),
                Some(_) if name == module => {}
                Some(other) if other < own => {}
                Some(other) => say(token, format!("{module} (floor {own}) imports {name} (floor {other})")),
            },
            ("crate", Some(_)) => say(token, "name one module in each path from the crate's root".to_owned()),
            ("super", Some(TokenTree::Ident(name))) if name == "super" => {
                say(token, "super::super hides what is imported".to_owned());
            }
            ("super", Some(_)) if below_root + inline_depth == 0 => {
                say(token, "super leaves the module here: name it from the crate's root".to_owned());
            }
            ("partest", Some(_)) => say(token, "the crate imports itself by its own name".to_owned()),
            _ => {}
        }
    }
    found
}

/// The token that follows `::` after the token at `at`.
fn path_segment_after(tokens: &[(TokenTree, usize)], at: usize) -> Option<&TokenTree> {
    match tokens.get(at + 1..at + 4)? {
        [(TokenTree::Punct(a), _), (TokenTree::Punct(b), _), (next, _)]
            if a.as_char() == ':' && b.as_char() == ':' =>
        {
            Some(next)
        }
        _ => None,
    }
}

#[test]
fn modules_import_lower_floors_only() {
    let files = files_below("src");
    let inner = files.iter().filter(|file| !matches!(file.path.as_str(), "lib.rs" | "main.rs"));
    let found: Vec<_> = inner.flat_map(violations).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_crate_root_only_names_modules() {
    let root = files_below("src").into_iter().find(|file| file.path == "lib.rs").expect("src/lib.rs");
    let reexports =
        root.tokens().into_iter().any(|token| matches!(&token, TokenTree::Ident(word) if *word == "use"));
    assert!(!reexports, "src/lib.rs re-exports something, which would hide an import from the floors");
}

#[test]
fn planted_imports_are_found() {
    let found = |path: &str, text: &str| {
        violations(&SourceFile { path: path.to_owned(), text: text.to_owned() }).len()
    };
    assert_eq!(found("plan/mod.rs", "use crate::model::CaseId; use crate::plan::selection::Selection;"), 0);
    assert_eq!(found("plan/mod.rs", "// use crate::cli;\nconst A: &str = \"crate::cli::x\";"), 0);
    assert_eq!(found("plan/mod.rs", "mod tests { use super::TestPlan; }"), 0);
    assert_eq!(found("plan/selection.rs", "use super::TestPlan;"), 0);
    for planted in [
        "use crate::runner::run;",
        "use crate::schedule::Schedule;",
        "use crate::{model, runner};",
        "use crate::*;",
        "use crate::unknown::Thing;",
        "use super::runner::run;",
        "mod tests { use super::super::runner; }",
        "use partest::runner::run;",
        "fn f() { crate::cli::main(); }",
        "fn f() { format!(\"{}\", crate::cli::NAME); }",
    ] {
        assert_eq!(found("plan/mod.rs", planted), 1, "{planted}");
    }
    assert_eq!(found("nowhere/mod.rs", ""), 1);
}
