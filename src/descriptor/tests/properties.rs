//! What holds of every expansion and every template, whatever the values.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::{Just, Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::load;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (-4_i64..4).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "a,b=c", "]", "1", "\u{85}\n", "\u{202e}", "{{", "x}}", "null"])
            .prop_map(Value::from),
        "\\PC{0,60}".prop_map(Value::from),
        Just(Value::Null),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn lists() -> impl Strategy<Value = Value> {
    let record = || prop::collection::btree_map("[a-d]", value(), 0..4);
    let axes = prop::collection::btree_map("[a-c]", prop::collection::vec(value(), 0..5), 0..4);
    let rules = || prop::collection::vec(record(), 0..3);
    (axes, rules(), rules()).prop_map(|(axes, include, exclude)| {
        let mut matrix = json!(axes);
        matrix["include"] = json!(include);
        matrix["exclude"] = json!(exclude);
        matrix
    })
}

fn template() -> impl Strategy<Value = String> {
    let words = vec![
        "{{ ", " }}", "a", "b", "c", "d", ".", "[0]", " | ", "upper", "length", "join", "nofilter", "(", ")",
        "'x'", " + ", " * ", "1", "99999999", "work", "env.HOME", "attempt", " if ", " else ", " is ",
        "defined", "none", "-", "{%", "\n", "range", ",",
    ];
    prop_oneof![
        prop::collection::vec(prop::sample::select(words.clone()), 0..12).prop_map(|words| words.concat()),
        prop::collection::vec(prop::sample::select(words), 0..8)
            .prop_map(|words| format!("{{{{ {} }}}}", words.concat())),
    ]
}

proptest! {
    #[test]
    fn every_case_has_an_id_of_its_own_and_always_the_same(
        matrix in lists(),
        rows in prop::option::of(prop::collection::vec(prop::collection::btree_map("[e-g]|name", value(), 0..4), 0..4)),
        name in prop_oneof![Just("n".to_owned()), template()],
        run in prop::collection::vec(template(), 1..4),
        typed in template(),
    ) {
        let mut case = json!({
            "name": name, "run": run, "matrix": matrix, "rows": rows, "retries": typed, "timeout": typed, "tags": [typed],
            "skip": typed, "expect": { "exit": typed, "stdout": { "json": typed, "contains": run }, "files": { typed.as_str(): typed } },
        });
        if run.len() == 1 {
            for key in ["retries", "timeout", "tags", "skip", "expect"] {
                case[key] = Value::Null;
            }
        }
        let text = json!({ "vars": { "d": [1, "two"] }, "cases": [case] }).to_string();
        let ids = || -> Vec<String> {
            let loaded = load("a.test.json", &text);
            let broken = loaded.broken.iter().map(|broken| broken.info.id.to_string());
            loaded.cases.iter().map(|case| case.info.id.to_string()).chain(broken).collect()
        };
        let found = ids();
        prop_assert!(!found.is_empty());
        prop_assert!(found.iter().all(|id| !id.contains(char::is_control)), "{:?}", found);
        prop_assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "{:?}", found);
        prop_assert_eq!(ids(), found);
    }

    #[test]
    fn data_of_a_table_arrives_as_it_is(text in "\\PC{0,40}") {
        let text = json!({ "name": "n", "run": ["a", "<{{ x }}>"], "rows": [{ "x": text }] }).to_string();
        let loaded = load("a.test.json", &text);
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        let x = expected["rows"][0]["x"].as_str().expect("a text");
        // What looks like a template is refused in a descriptor.
        prop_assert_eq!(loaded.cases.len(), usize::from(!x.contains("{{")));
        for case in loaded.cases {
            let crate::model::StepAction::Run(run) = &case.steps[0].action else { panic!("no process") };
            let crate::model::RunCommand::Program(words) = &run.command else { panic!("a program") };
            prop_assert_eq!(words[1].render(&case.variables).expect("a value"), format!("<{x}>"));
        }
    }
}

#[test]
fn templates_that_would_explode_are_refused_soon() {
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    let lists = format!("{{{{ {}1{} }}}}", "[".repeat(100_000), "]".repeat(100_000));
    let not = format!("{{{{ {}true }}}}", "not ".repeat(100_000));
    let minus = format!("{{{{ {}1 }}}}", "- ".repeat(100_000));
    let dots = format!("{{{{ a{} }}}}", ".a".repeat(100_000));
    let filters = format!("{{{{ a{} }}}}", "|upper".repeat(100_000));
    let plus = format!("{{{{ 1{} }}}}", " + 1".repeat(20_000));
    let fixed = [
        "{{ 'a' * 100000000000 }}",
        "{{ range(1000000000) }}",
        "{{ [1] * 100000000000 }}",
        "{{ 10 ** 1000000 }}",
    ];
    let grown = [deep, lists, not, minus, dots, filters, plus];
    for template in grown.iter().map(String::as_str).chain(fixed) {
        let begin = Instant::now();
        let text = json!({ "run": ["a", template], "vars": { "a": "x" } }).to_string();
        let loaded = load("a.test.json", text);
        let shown: String = template.chars().take(40).collect();
        assert!(begin.elapsed() < Duration::from_secs(5), "{shown}… took {:?}", begin.elapsed());
        assert_eq!(loaded.cases.len() + loaded.broken.len(), 1, "{shown}");
    }
}
