//! What a case requires of the machine before it runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::Suite;

#[test]
fn a_required_path_is_an_executable_file_relative_to_the_descriptor() {
    let case =
        |name: &str, program: &str| format!("  - {{name: {name}, requires: ['{program}'], run: 'true'}}\n");
    let cases = [
        ("beside", "./tool"),
        ("by folder", "{{ dir }}/tool"),
        ("by variable", "./{{ program }}"),
        ("absolute", "/bin/sh"),
        ("nothing", "./nope"),
        ("nothing by folder", "{{ dir }}/nope"),
        ("nothing anywhere", "/no/such/prog"),
        ("folder", "/etc"),
        ("plain", "./plain"),
        ("not from the root", "sub/tool"),
    ];
    let list: String = cases.iter().map(|(name, program)| case(name, program)).collect();
    let suite = Suite::of("sub/a.test.yaml", &format!("vars: {{program: tool}}\ncases:\n{list}"))
        .file("sub/tool", "#!/bin/sh\n")
        .file("sub/plain", "");
    fs::set_permissions(suite.path().join("sub/tool"), Permissions::from_mode(0o755)).expect("allowed");
    let run = suite.run(&[]).expect_code(0);
    for (name, program) in &cases[..4] {
        assert_eq!(run.verdict(name).0, "passed", "{program}: {:?}", run.verdict(name));
    }
    for (name, program) in &cases[4..] {
        let (verdict, reason) = run.verdict(name);
        assert_eq!(verdict, "skipped", "{name}: {program}");
        assert!(reason.contains("no file that can be executed"), "{name}: {reason}");
    }
}

#[test]
fn what_is_required_is_looked_for_in_the_path_of_the_case() {
    let suite = Suite::of(
        "a.test.yaml",
        "cases:\n  - {name: own, env: {PATH: '{{ dir }}/bin:/bin:/usr/bin'}, requires: [own-tool], run: own-tool}\n  - {name: none, requires: [own-tool], run: own-tool}\n",
    )
    .file("bin/own-tool", "#!/bin/sh\n");
    fs::set_permissions(suite.path().join("bin/own-tool"), Permissions::from_mode(0o755)).expect("allowed");
    let run = suite.run(&[]).expect_code(0);
    assert_eq!(run.verdict("own").0, "passed");
    let skipped = ("skipped", "requires the program \"own-tool\", which was not found".to_owned());
    assert_eq!(run.verdict("none"), skipped);
}

#[test]
fn what_only_an_attempt_knows_is_no_program_to_require() {
    let suite = Suite::of("a.test.yaml", "requires: ['{{ work }}/tool']\nrun: 'true'\n");
    let run = suite.run(&["check"]).expect_code(2);
    assert!(run.stdout.contains("`work` is known only when the case runs"), "{}", run.stdout);
}
