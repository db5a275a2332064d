use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use super::Expression;
use crate::model::{CaseId, CaseInfo, Position};

fn info(path: &str, name: &str, tags: &[&str]) -> CaseInfo {
    let suite = path.strip_suffix(".test.json").expect("a descriptor");
    CaseInfo {
        id: CaseId::new(suite, name),
        name: name.to_owned(),
        suite: suite.into(),
        position: Position { file: path.into(), line: 1, column: 1 },
        number: 0,
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        copy_of: None,
        definition: None,
    }
}

fn cases() -> [CaseInfo; 4] {
    [
        info("api/users.test.json", "adds", &["smoke"]),
        info("api/deep/rights.test.json", "grants (all) [x=1]", &["slow", "smoke"]),
        info("web.test.json", "slow page", &["slow"]),
        info("web.test.json", "quick page", &[]),
    ]
}

/// Which of the cases an expression holds for, by their letters.
fn selected(text: &str) -> String {
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{error}"));
    cases()
        .iter()
        .zip("abcd".chars())
        .filter(|(case, _)| expression.holds(case))
        .map(|(_, letter)| letter)
        .collect()
}

#[test]
fn predicates_and_patterns() {
    for (text, letters) in [
        ("tag(smoke)", "ab"),
        ("tag(s*)", "abc"),
        ("tag(~low)", "bc"),
        ("tag(=smoke)", "ab"),
        ("tag(/^s[lx]/)", "bc"),
        ("id(api/*)", "ab"),
        ("id(adds)", ""),
        ("id(~adds)", "a"),
        ("id(=api/users::adds)", "a"),
        ("id(*x=1])", "b"),
        ("name(adds)", "a"),
        ("name(* page)", "cd"),
        ("name(????)", "a"),
        ("name(=grants (all) [x=1])", "b"),
        (r"name(~\(all)", "b"),
        (r"name(/\(all\)/)", "b"),
        ("name(/^(adds|slow page)$/)", "ac"),
        ("name(/[)]/)", "b"),
        (r"id(/(a|b)pi\/(users)/ )", "a"),
        ("path(api/*)", "a"),
        ("path(api/**)", "ab"),
        ("path(**/rights.*)", "b"),
        ("path({web,api/users}.test.json)", "acd"),
        ("suite(web)", "cd"),
        ("suite(*)", "cd"),
        ("suite(api/**)", "ab"),
        ("  tag ( smoke )  ", "ab"),
    ] {
        assert_eq!(selected(text), letters, "{text}");
    }
}

#[test]
fn operators_bind_as_usual_and_have_words() {
    for (text, letters) in [
        ("tag(smoke) & tag(slow)", "b"),
        ("tag(smoke) | tag(slow)", "abc"),
        ("!tag(smoke)", "cd"),
        ("!!tag(smoke)", "ab"),
        ("not tag(smoke) and not tag(slow)", "d"),
        ("tag(smoke) & !id(~rights) | path(web.*)", "acd"),
        ("path(web.*) | tag(smoke) & !id(~rights)", "acd"),
        ("(path(web.*) | tag(smoke)) & !tag(slow)", "ad"),
        ("not(tag(slow) or tag(smoke))", "d"),
        ("!(tag(slow)&tag(smoke))", "acd"),
    ] {
        assert_eq!(selected(text), letters, "{text}");
    }
}

/// One mistake: the expression, the bytes that the carets stand under, words of the message and of the help.
type Wrong = (&'static str, (usize, usize), &'static str, &'static str);

#[test]
fn mistakes_are_told_with_their_place_and_a_way_out() {
    let mistakes: [Wrong; 17] = [
        ("tga(smoke)", (0, 3), "unknown predicate `tga`", "did you mean `tag`?"),
        ("id(a) & owner(me)", (8, 13), "unknown predicate `owner`", "known predicates: `id`"),
        ("smoke", (0, 5), "found the word `smoke`", "`tag(smoke)`"),
        ("id(a) & tag", (8, 11), "`tag` has no pattern", "`tag(~part)`"),
        ("tag()", (4, 5), "the pattern is empty", "glob"),
        ("tag(~)", (4, 5), "the pattern is empty", "glob"),
        ("tag(smoke", (3, 4), "the pattern is not closed", "add `)`"),
        ("name(/a)", (4, 5), "ends with `/)`", "add `)`"),
        ("(id(a) | id(b)", (0, 1), "not closed", ""),
        ("id(a))", (5, 6), "closes nothing", ""),
        ("id(a) tag(b)", (6, 9), "expected `&` or `|`, found `tag`", "join"),
        ("id(a) & ", (8, 9), "expected a predicate such as `tag(smoke)`, found the end", ""),
        ("id(a) && id(b)", (7, 8), "`&&` is no operator", "write `&` once"),
        ("| id(a)", (0, 1), "found `|`", ""),
        ("id(a) & id(/(/)", (11, 14), "not a regular expression", ""),
        ("path(a/{b)", (5, 9), "not a glob", ""),
        (" ", (0, 1), "the expression is empty", "tag(smoke)"),
    ];
    for (text, (start, end), message, help) in mistakes {
        let error = Expression::parse(text).expect_err(text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!((error.place.start, error.place.end), (start, end), "{text}: {error}");
        assert!(error.suggestion.as_deref().unwrap_or_default().contains(help), "{text}: {error}");
        assert!(error.to_string().contains('^'), "{error}");
    }
}

#[test]
fn an_error_looks_like_this() {
    let error = Expression::parse("tag(smoke) & idd(~\tslow)").expect_err("no predicate");
    let expected = "error: unknown predicate `idd`\n  |\n1 | tag(smoke) & idd(~ slow)\n  |              ^^^\n  |\n  = help: did you mean `id`?";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn depth_is_limited() {
    assert!(Expression::parse(&format!("{}id(a)", "!".repeat(90))).is_ok());
    for deep in ["!".repeat(100_000), "(".repeat(100_000)] {
        let error = Expression::parse(&format!("{deep}id(a)")).expect_err("too deep");
        assert!(error.message.contains("nested too deeply"), "{}", error.message);
    }
}

#[test]
fn tags_are_patterns() {
    let tagged = |patterns: &[&str]| {
        Expression::tagged(&patterns.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    };
    let slow = tagged(&["none", "slow"]).expect("valid");
    assert_eq!(cases().iter().filter(|case| slow.holds(case)).count(), 2);
    assert!(tagged(&["/(/"]).is_err());
}

#[test]
fn a_broken_case_stays_unless_what_is_known_of_it_rules_it_out() {
    let [broken, ..] = cases();
    let may = |text: &str, info: &CaseInfo| Expression::parse(text).expect("valid").may_hold_for_broken(info);
    assert!(may("tag(other)", &broken) && may("!tag(other)", &broken) && may("id(~adds)", &broken));
    assert!(may("tag(other) | id(~zzz)", &broken));
    assert!(!may("tag(other) & id(~zzz)", &broken) && !may("path(web.*)", &broken));
    let file = CaseInfo { id: CaseId::of_file("api/users.test.json"), ..broken };
    assert!(may("id(~zzz)", &file) && may("path(web.*)", &file));
}

/// Expressions, and which of the four cases they hold for, as bits.
fn expressions() -> impl Strategy<Value = (String, u8)> {
    let leaf = prop_oneof![
        Just(("tag(smoke)".to_owned(), 0b0011)),
        Just(("id(~page)".to_owned(), 0b1100)),
        Just(("path(api/**)".to_owned(), 0b0011)),
        Just(("name(/^slow/)".to_owned(), 0b0100)),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(text, bits)| (format!("!({text})"), !bits & 0b1111)),
            (prop::collection::vec(inner.clone(), 1..4), any::<bool>()).prop_map(|(all, words)| {
                let operator = if words { ") and (" } else { ")&(" };
                let (texts, bits): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (format!("({})", texts.join(operator)), bits.into_iter().fold(0b1111, |a, b| a & b))
            }),
            (prop::collection::vec(inner, 1..4), any::<bool>()).prop_map(|(all, words)| {
                let operator = if words { " or " } else { " | " };
                let (texts, bits): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (format!("({})", texts.join(operator)), bits.into_iter().fold(0, |a, b| a | b))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn an_expression_means_what_it_is_made_of((text, bits) in expressions()) {
        let expression = Expression::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let found = cases().iter().enumerate().fold(0_u8, |found, (at, case)| found | (u8::from(expression.holds(case)) << at));
        assert_eq!(found, bits, "{text}");
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_within_it(text in "[idtagnmepshrou~=/&|!()\\\\ *\u{e4}\t\n]{0,40}") {
        if let Err(error) = Expression::parse(&text) {
            assert!(error.place.start <= text.len() && error.place.start < error.place.end, "{error:?}");
            assert!(text.is_char_boundary(error.place.start), "{error:?}");
        }
    }
}

#[test]
fn every_mistake_has_a_way_out() {
    for text in
        ["! ", "tag(smoke))", "((((tag(a)", "path([a)", "tag(/a(/)", "& tag(a)", "tag(a) tag(b)", "", "tag()"]
    {
        let error = Expression::parse(text).expect_err(text);
        assert!(
            error.suggestion.is_some_and(|suggestion| !suggestion.is_empty()),
            "{text}: {}",
            error.message
        );
    }
}
