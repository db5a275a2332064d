//! What cases take of what they share, and where pools are declared.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Defaults, load_below, suite};
use crate::model::{LockAccess, Resources, SlotDemand};

fn resources(text: &str, inherited: &Defaults) -> Arc<Resources> {
    let loaded = load_below("sub/a.test.yaml", text, inherited);
    assert!(loaded.broken.is_empty(), "{text}: {:?}", loaded.broken);
    Arc::clone(&loaded.cases.first().expect("a case").resources)
}

fn mistake(text: &str, inherited: &Defaults) -> (u32, u32, String) {
    let loaded = load_below("sub/a.test.yaml", text, inherited);
    let first = loaded.broken.first().and_then(|broken| broken.diagnostics.first());
    let first = first.unwrap_or_else(|| panic!("{text} is no mistake"));
    let help = first.suggestion.clone().unwrap_or_default();
    (first.position.line, first.position.column, format!("{}; {help}", first.message))
}

fn pools() -> Defaults {
    suite("suite.yaml", "pools: {gpu: 2, port: 1}", &Defaults::default()).expect("right")
}

#[test]
fn a_case_says_what_it_takes() {
    let none = Defaults::default();
    let cpu = |weight| SlotDemand::Cpu(NonZeroU32::new(weight).expect("not zero"));
    assert_eq!(*resources("run: a", &none), Resources::default());
    assert_eq!(resources("run: a\nweight: 3", &none).slots, cpu(3));
    assert_eq!(resources("run: a\nwaits: true", &none).slots, SlotDemand::Io);
    assert_eq!(resources("run: a\nwaits: false", &none).slots, cpu(1));
    assert!(resources("run: a\nexclusive: true", &none).exclusive);
    let held = resources("run: a\nlocks: [a, b]", &none);
    assert_eq!(
        held.locks.iter().map(|(name, access)| (name.as_str(), *access)).collect::<Vec<_>>(),
        [("a", LockAccess::Exclusive), ("b", LockAccess::Exclusive)]
    );
    let held = resources("run: a\nlocks: {a: shared, b: exclusive, c: null}", &none);
    assert_eq!(held.locks.values().copied().collect::<Vec<_>>(), [LockAccess::Shared, LockAccess::Exclusive]);
    let held = resources("run: a\nlocks: {x-db: exclusive}", &none);
    assert_eq!(
        held.locks.keys().collect::<Vec<_>>(),
        ["x-db"],
        "the keys are names, and not of the language"
    );
    let after = &resources("run: a\nafter: [x, 'b::*']", &none).after;
    assert_eq!(after.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["x", "b::*"]);
    assert_eq!(after[1].position.to_string(), "sub/a.test.yaml:2:12");
}

#[test]
fn what_is_taken_is_inherited_and_may_hold_variables() {
    let defaults = "defaults: {weight: 2, locks: {db: shared}, after: [x]}\nvars: {n: 4}";
    let inherited = suite("suite.yaml", defaults, &Defaults::default()).expect("right");
    let own =
        resources("run: a\nlocks: {'log-{{ n }}': exclusive}\nweight: '{{ n }}'\nafter: []", &inherited);
    assert_eq!(own.to_string(), "4 CPU slots, lock db shared, lock log-4 (`weight`)");
    assert!(own.after.is_empty());
    let waits = resources("run: a\nwaits: true\nweight: null\nlocks: {db: null}", &inherited);
    assert_eq!(waits.to_string(), "1 I/O slot (`waits`)");
}

#[test]
fn the_nearest_declaration_of_a_pool_counts() {
    let taken = resources("run: a\npools: {gpu: 2, port: 0}", &pools());
    assert_eq!(taken.to_string(), "1 CPU slot, 2 of pool gpu (a step of it may compute)");
    assert_eq!(taken.pools[0].0.declared.to_string(), "suite.yaml:1:9");
    let nearer = suite("sub/suite.yaml", "pools: {gpu: 5, port: null}", &pools()).expect("right");
    let taken = resources("run: a\npools: {gpu: 5}", &nearer);
    assert_eq!(taken.pools[0].0.declared.to_string(), "sub/suite.yaml:1:9");
    assert!(mistake("run: a\npools: {port: 1}", &nearer).2.contains("there is no pool `port`"));
}

#[test]
fn what_cannot_be_taken_is_told_with_its_place() {
    for (text, line, column, words) in [
        ("run: a\nweight: 0", 2, 9, "0 is no number of CPU slots; write 1 to 4294967295"),
        ("run: a\nweight: -1", 2, 9, "-1 is no number of CPU slots"),
        ("run: a\nweight: big", 2, 9, "found the string"),
        (
            "run: a\nweight: 2\nwaits: true",
            2,
            9,
            "takes no CPU slot, so it has no weight; remove `weight` or `waits`",
        ),
        ("run: a\nwaits: 3", 2, 8, "found the number 3"),
        (
            "run: a\nlocks: db",
            2,
            8,
            "expected a list of locks, found a string; write a list of one: [\"db\"]",
        ),
        ("run: a\nlocks: ['']", 2, 9, "is not a name for a lock"),
        ("run: a\nlocks: {db: read}", 2, 13, "a lock is not held `read`; write \"shared\" or \"exclusive\""),
        ("run: a\nlocks: ['{{ attempt }}']", 2, 10, "known only when the case runs"),
        (
            "run: a\npools: {gpu: 3}",
            2,
            14,
            "3 of the pool `gpu`, which holds 2; take less, or declare more at suite.yaml:1:9",
        ),
        ("run: a\npools: {gpus: 1}", 2, 9, "there is no pool `gpus`; did you mean `gpu`?"),
        ("run: a\npools: {gpu: -1}", 2, 14, "-1 is no number of things in a pool"),
        ("run: a\npools: [gpu]", 2, 8, "expected an object"),
        ("run: a\nafter: [' ']", 2, 9, "the name of the case is empty"),
        ("run: a\nafter: x", 2, 8, "expected a list"),
        ("cases: [{name: x, run: a}]\npools: {gpu: 1}", 2, 1, "`pools` belongs to a case"),
    ] {
        let (found_line, found_column, found) = mistake(text, &pools());
        assert_eq!((found_line, found_column), (line, column), "{text}: {found}");
        assert!(found.contains(words), "{text}: {found}");
    }
    let unknown = mistake("run: a\npools: {gpu: 1}", &Defaults::default());
    assert!(unknown.2.contains("declare what it holds in a suite file"), "{unknown:?}");
    for (text, column, words) in [
        ("pools: {gpu: 0}", 14, "a pool cannot hold 0; write how many there are, 1 to 4294967295"),
        ("pools: {gpu: many}", 14, "found the string"),
        ("pools: [gpu]", 8, "expected an object"),
        ("pools: {' x': 1}", 9, "is not a name for a pool"),
    ] {
        let wrong = suite("suite.yaml", text, &Defaults::default()).expect_err("a mistake");
        assert_eq!((wrong[0].position.line, wrong[0].position.column), (1, column), "{text}: {wrong:?}");
        let told = format!("{}; {}", wrong[0].message, wrong[0].suggestion.clone().unwrap_or_default());
        assert!(told.contains(words), "{text}: {told}");
    }
}
