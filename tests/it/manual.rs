//! `partest man`.

use std::fs;

use crate::support::Suite;

#[test]
fn every_command_has_a_page() {
    let suite = Suite::new();
    suite.run(&["man", "--dir", "man/man1"]).expect_code(0);
    let mut pages: Vec<_> = fs::read_dir(suite.path().join("man/man1"))
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    pages.sort();
    let mut expected: Vec<_> =
        suite.commands().iter().map(|command| format!("partest-{command}.1")).collect();
    expected.push("partest.1".to_owned());
    expected.sort();
    assert_eq!(pages, expected);
    for page in &pages {
        let text = fs::read_to_string(suite.path().join("man/man1").join(page)).expect("readable");
        let name = page.trim_end_matches(".1");
        assert!(text.contains(&format!(".TH {name} 1")), "{page}: {text}");
        assert!(text.is_ascii(), "{page}: what is not ASCII needs an escape in roff");
        assert!(text.contains(".SH \"EXAMPLES\"\n.nf\n"), "{page}: {text}");
        let odd = text.lines().find(|line| line.starts_with('\''));
        assert_eq!(odd, None, "{page} has a line that roff takes for a request");
    }
    // A second time replaces them.
    suite.run(&["man", "--dir", "man/man1"]).expect_code(0);
}

#[test]
fn the_page_of_the_command_has_examples_as_they_are_typed() {
    let page = Suite::new().run(&["man"]).expect_code(0).stdout;
    for line in [
        ".SH \"EXAMPLES\"",
        "  partest \\-\\-filter \\(aqapi/*::create*\\(aq  a glob for whole ids",
        "    \"expect\": { \"stdout\": \"hello\\en\" }",
        ".SH \"EXIT CODES\"",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
}
