//! Variables: where each wins, what types they keep, and what has no value in time.

use std::sync::Arc;
use std::time::Duration;

use super::{Around, Defaults, Fake, diagnostics, load, read, with_file};
use crate::model::{ExitCodes, Late, Retries, RunCommand, StepAction, Test};
use crate::text::{Template, Variables};

#[test]
fn a_value_alone_keeps_its_type() {
    let text = "vars: {n: 2, no: false, t: 3s, list: [a, b], code: 7, m: {k: [1, {x: null}]}}\ncases:\n- name: a\n  run: '{{ list }}'\n  retries: '{{ n }}'\n  timeout: '{{ t }}'\n  exclusive: '{{ no }}'\n  tags: ['t{{ n }}', '{{ n }}']\n  env: {N: '{{ n }}', 'K{{ n }}': x}\n  inputs: ['{{ list[0] }}.txt']\n  files: {'{{ t }}.txt': '{{ n }}'}\n  expect: {exit: '{{ code }}', stdout: {json: {v: '{{ m }}', w: 'a{{ n }}'}}, stderr: '{{ n }}'}";
    let loaded = load("x.test.yaml", text);
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    let case = &loaded.cases[0];
    let StepAction::Run(run) = &case.steps[0].action else { panic!("no process") };
    assert!(matches!(&run.command, RunCommand::Program(words) if words.len() == 2));
    assert_eq!(
        (case.retries.clone(), case.resources.exclusive),
        (Retries { count: 2, ..Retries::default() }.into(), false)
    );
    assert_eq!(case.time.timeout, Duration::from_secs(3));
    assert_eq!(case.info.tags, ["t2", "2"], "a number is a text where a text is wanted");
    let set: Vec<_> =
        case.environment.set.iter().map(|(name, value)| format!("{name}={}", value.source())).collect();
    assert_eq!(set, ["K2=x", "N=2"]);
    assert_eq!(case.inputs[0].pattern, "a.txt");
    assert_eq!(case.files[0].path.to_str(), Some("3s.txt"));
    let tests: Vec<_> = case.steps[0].checks.iter().map(|check| check.matcher.test.clone()).collect();
    assert!(matches!(&tests[0], Test::Exit(Late::Known(ExitCodes::OneOf(codes))) if *codes == [7]));
    let Test::Json { value, .. } = &tests[1] else { panic!("{tests:?}") };
    assert_eq!(*value, serde_json::json!({"v": {"k": [1, {"x": null}]}, "w": "a2"}));
    assert!(matches!(&tests[2], Test::Equals(Template::Literal(text)) if text.as_ref() == "2"));
}

#[test]
fn defaults_may_hold_variables_of_cases() {
    let text = "defaults: {retries: '{{ n }}', timeout: '{{ n }}s', run: ['{{ tool }}', x], expect: {exit: '{{ n }}', stdout: {contains: '{{ n }}'}}}\ncases: [{name: a, vars: {n: 1, tool: t}}, {name: b, matrix: {n: [2, 3]}, vars: {tool: u}}]";
    let loaded = load("x.test.yaml", text);
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    let counts: Vec<_> = loaded.cases.iter().map(|case| case.retries.count).collect();
    assert_eq!(counts, [1, 2, 3]);
}

#[test]
fn what_only_the_run_knows_stays_a_template() {
    let text = "cases: [{name: a, vars: {x: 1, y: 2}, run: ['{{ x }}-{{ work }}', '{{ y }}'], matrix: {z: [3, 4]}, stdin: '{{ z }}{{ attempt }}'}]";
    let loaded = load("x.test.yaml", text);
    let case = &loaded.cases[1];
    let StepAction::Run(run) = &case.steps[0].action else { panic!("no process") };
    let RunCommand::Program(words) = &run.command else { panic!("a program") };
    assert_eq!(words[0].source(), "{{ x }}-{{ work }}");
    assert_eq!(words[1], Template::literal("2"));
    let expected = Variables::from([("x".to_owned(), 1.into()), ("z".to_owned(), 4.into())]);
    assert_eq!(*case.variables, expected, "what the run needs, and no more");
}

#[test]
fn what_a_step_captures_stays_a_template_beside_variables() {
    let text = "name: a\nmatrix: {x: [1, 2]}\nvars: {y: 5}\nsteps:\n- {run: '{{ y }}', capture: {id: stdout}}\n- {run: ['{{ x }}/{{ id }}', '{{ y }}', '{{ id.part }}'], expect: {stdout: {json: {i: '{{ id }}', x: '{{ x }}'}}}}";
    let loaded = load("x.test.yaml", text);
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    let case = &loaded.cases[1];
    let StepAction::Run(run) = &case.steps[1].action else { panic!("no process") };
    let RunCommand::Program(words) = &run.command else { panic!("a program") };
    let sources: Vec<_> = words.iter().map(Template::source).collect();
    assert_eq!(sources, ["{{ x }}/{{ id }}", "5", "{{ id.part }}"]);
    assert_eq!(case.steps[1].needs, ["id"]);
    assert_eq!(*case.variables, Variables::from([("x".to_owned(), 2.into())]), "what the run needs");
    let Test::Json { value, .. } = &case.steps[1].checks[1].matcher.test else { panic!("json") };
    assert_eq!(*value, serde_json::json!({"i": "{{ id }}", "x": 2}));
}

#[test]
fn data_is_never_read_as_a_template() {
    let loaded =
        load("x.test.yaml", "name: n\nrun: ['{{ text }}', 'a{{ text }}']\nrows: {file: data/braces.csv}");
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    let case = &loaded.cases[0];
    let StepAction::Run(run) = &case.steps[0].action else { panic!("no process") };
    let RunCommand::Program(words) = &run.command else { panic!("a program") };
    let rendered = |word: &Template| word.render(&case.variables).expect("a value").into_owned();
    assert_eq!(
        (rendered(&words[0]), rendered(&words[1])),
        ("{{ work }}".to_owned(), "a{{ work }}".to_owned())
    );
    let found =
        diagnostics("x.test.yaml", "run: a\nname: n\ntags: ['{{ text }}']\nrows: {file: data/braces.csv}");
    assert!(found[0].message.contains("holds `{{`, which cannot stand here"), "{found:#?}");
}

#[test]
fn the_command_line_wins_over_vars_and_values_of_cases_over_it() {
    let overrides =
        Arc::new(Variables::from([("a".to_owned(), "cli".into()), ("b".to_owned(), "cli".into())]));
    let around = Around { outside: &Fake, overrides: &overrides, turn: None };
    let text = "vars: {a: file, c: file}\ncases: [{name: n, vars: {a: case}, matrix: {b: [x]}, run: '{{ a }} {{ b }} {{ c }}'}]";
    let loaded = with_file("x.test.yaml", text.as_bytes(), |file| read(file, &Defaults::default(), &around));
    let StepAction::Run(run) = &loaded.cases[0].steps[0].action else { panic!("no process") };
    assert!(matches!(&run.command, RunCommand::Shell(script) if script.source() == "cli x file"));
}

#[test]
fn mistakes_in_templates_are_told_before_anything_runs() {
    for (text, expected) in [
        ("run: '{{ 1 | nofilter }}'", "1:7 the template is broken: filter nofilter is unknown"),
        ("run: '{{ work | nofilter }}'", "1:7 the template is broken: filter nofilter is unknown"),
        ("run: '{{ work is notest }}'", "1:7 the template is broken: test notest is unknown"),
        ("run: '{{ nofunction() }}'", "1:7 unknown variable `nofunction`"),
        ("run: a\nvars: {m: {k: 1}}\nstdin: '{{ m.l }}'", "3:9 unknown variable `m.l`"),
        (
            "run: a\ntimeout: '{{ work }}'",
            "2:11 `work` is known only when the case runs, too late for this value",
        ),
        (
            "run: a\nretries: '{{ attempt }}'",
            "2:11 `attempt` is known only when the case runs, too late for this value",
        ),
        (
            "steps: [{run: a, capture: {id: stdout}}, {run: b, always: '{{ id }}'}]",
            "1:60 `id` is known only when the case runs, too late for this value",
        ),
        (
            "steps: [{run: a, capture: {id: stdout}}, {run: b, timeout: '{{ idd }}'}]",
            "1:61 unknown variable `idd`",
        ),
        (
            "steps: [{run: a, capture: {id: stdout}}, {run: b, expect: {exit: [1, '{{ idd[1:] }}']}}]",
            "1:71 unknown variable `idd`",
        ),
        (
            "run: a\ncapture: {id: stdout}\nretries: '{{ id }}'",
            "3:11 `id` is known only when the case runs, too late for this value",
        ),
        ("matrix: {id: [1]}\nrun: a\ncapture: {id: stdout}", "3:11 `id` is a variable already"),
        ("steps: [{run: a, capture: {id: stdout}}, {run: '{{ idd }}'}]", "1:49 unknown variable `idd`"),
        ("run: a\nretries: '{{ nope }}'", "2:11 unknown variable `nope`"),
        (
            "run: a\ntags: ['{{ env.HOME }}']",
            "2:9 the case does not name the variable `HOME` of its environment",
        ),
        (
            "run: a\ninputs: ['{{ dir }}/x']",
            "2:11 `dir` is known only when the case runs, too late for this value",
        ),
        (
            "run: a\nskip: '{{ case }}'",
            "2:8 `case` is known only when the case runs, too late for this value",
        ),
        ("run: a\nvars: {c: x}\nexpect: {exit: '{{ c }}'}", "3:16 expected an exit code"),
        ("run: a\nvars: {c: 300}\nexpect: {exit: '{{ c }}'}", "3:16 300 is no exit code"),
        ("run: a\nvars: {c: 5}\ntimeout: '{{ c }}'", "3:10 `5` is no duration"),
        ("run: ['{{ l }}']\nvars: {l: [1]}", "1:7 expected a string, found a list"),
        ("run: a\nskip: '{{ true }}'", "2:7 expected a reason in words"),
        ("run: a\nonly_if: {os: linus}", "2:15 `linus` is no system"),
        ("run: a\nonly_if: {oss: linux}", "2:11 unknown key `oss`"),
        ("run: a\nonly_if: []", "2:10 the list of conditions is empty"),
        ("run: a\nonly_if: {os: []}", "2:15 the list is empty"),
        ("run: a\nonly_if: {env: {A: []}}", "2:20 the list is empty"),
        ("run: a\nonly_if: {env: {A: '{{ nope }}'}}", "2:21 unknown variable `nope`"),
        ("run: a\nonly_if: {env: {A: [x, '{{ work }}']}}", "2:25 `work` is known only when the case runs"),
        ("run: a\nonly_if: {env: {'{{ x': true}}", "2:18 the template is broken"),
        ("run: a\nonly_if: {env: {'A=B': true}}", "2:17 the name of a variable cannot hold `=`"),
    ] {
        let found = diagnostics("x.test.yaml", text);
        let shown = format!("{} {}", found[0].position, found[0].message);
        assert!(shown.starts_with(&format!("x.test.yaml:{expected}")), "{text}: {shown}");
    }
}

#[test]
fn conditions_skip_with_a_reason() {
    let reason = |condition: &str| {
        let loaded = load("x.test.yaml", format!("run: a\n{condition}"));
        assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
        loaded.cases[0].skip.clone().unwrap_or_default()
    };
    let here = std::env::consts::OS;
    let other = if here == "linux" { "macos" } else { "linux" };
    assert_eq!(reason(&format!("only_if: {{os: {here}}}")), "");
    assert_eq!(reason(&format!("only_if: {{os: [{other}, {here}]}}")), "");
    assert_eq!(
        reason(&format!("only_if: {{os: {other}}}")),
        format!("only if os is {other}, and this is {here}")
    );
    assert_eq!(reason("only_if: {env: {CI: 'true'}}"), "");
    assert_eq!(reason("only_if: {env: {CI: [a, 'true']}}"), "");
    assert_eq!(reason("only_if: {env: {CI: true, NONE: false}}"), "");
    assert_eq!(reason("only_if: {env: {CI: no}}"), "only if the variable CI is no, and it is another value");
    assert_eq!(reason("only_if: {env: {CI: false}}"), "only if the variable CI is not set");
    assert_eq!(reason("only_if: {env: {NONE: true}}"), "only if the variable NONE is set");
    assert_eq!(reason("only_if: {env: {NONE: x}}"), "only if the variable NONE is x, and it is not set");
    assert_eq!(
        reason(&format!("only_if: [{{os: {other}}}, {{env: {{CI: true}}}}]")),
        "",
        "one of a list is enough"
    );
    assert_eq!(reason("skip: \"{{ 'no' if 1 > 2 else false }}\"\nonly_if: ~"), "");
    assert_eq!(reason("skip: \"{{ 'yes' if 2 > 1 else false }}\""), "yes");
}

#[test]
fn variables_may_name_each_other_and_those_further_out() {
    let text = "vars: {url: 'http://{{ host }}:{{ port_of.web }}', host: 'www.{{ domain }}', domain: x.org, port_of: {web: 8, all: ['{{ port_of_db }}']}, port_of_db: 9}\n\
                cases:\n- name: a\n  vars: {domain: y.org, full: '{{ url }}/{{ domain }}', n: '{{ port_of.all[0] + 1 }}'}\n  run: ['{{ full }}', '{{ n }}']\n  retries: '{{ n }}'";
    let command = |overrides: Variables| {
        let overrides = Arc::new(overrides);
        let around = Around { outside: &Fake, overrides: &overrides, turn: None };
        let loaded =
            with_file("x.test.yaml", text.as_bytes(), |file| read(file, &Defaults::default(), &around));
        assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
        let StepAction::Run(run) = &loaded.cases[0].steps[0].action else { panic!("no process") };
        let RunCommand::Program(words) = &run.command else { panic!("no program") };
        words.iter().map(|word| word.source().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(command(Variables::new()), ["http://www.x.org:8/y.org", "10"]);
    let overrides = Variables::from([("domain".to_owned(), "cli".into())]);
    assert_eq!(command(overrides), ["http://www.cli:8/cli", "10"]);
}

#[test]
fn what_a_variable_cannot_be_made_of_is_told() {
    for (text, expected) in [
        ("run: a\nvars: {a: '{{ b }}', b: '{{ c }}', c: '{{ a }}'}", "2:8 `a` is made of itself"),
        ("run: a\nvars: {a: ['{{ a }}']}", "2:8 `a` is made of itself"),
        ("run: a\nvars: {b: 1, a: '{{ bb }}'}", "2:18 unknown variable `bb`"),
        ("run: a\nvars: {a: '{{ b.x }}', b: {y: 1}}", "2:12 unknown variable `b.x`"),
        ("run: a\nvars: {a: '{{ dir }}/x'}", "2:12 `dir` is known only when the case runs"),
        ("run: a\nvars: {a: '{{ '}", "2:12 the template is broken"),
        ("run: a\nvars: {a: \"{{ '{{' }}\"}", "2:11 the value holds `{{`"),
        ("run: a\nmatrix: {m: [1]}\nvars: {a: '{{ m }}'}", "3:12 unknown variable `m`"),
    ] {
        let found = diagnostics("x.test.yaml", text);
        let told = format!("{}:{} {}", found[0].position.line, found[0].position.column, found[0].message);
        assert!(told.starts_with(expected), "{text}: {told}");
    }
}
