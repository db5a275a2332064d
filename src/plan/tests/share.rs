//! Plans that are divided.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::{Just, any, prop, prop_oneof, proptest};

use crate::model::CaseId;
use crate::plan::tests::{case, plan_of};
use crate::plan::{PastResult, PastResults, Share, Split, TestPlan};

fn share(number: u64, of: u64, split: Split) -> Share {
    Share::new(number, of, split).expect("a part")
}

/// A plan of so many cases, whose durations are known as far as there are some.
fn plan(count: usize, milliseconds: &[u64]) -> TestPlan {
    let mut plan = plan_of((0..count).map(|n| case("s", &n.to_string())).collect());
    let known = |(n, time): (usize, &u64)| {
        let past = PastResult { duration: Some(Duration::from_millis(*time)), ..PastResult::default() };
        (CaseId::new("s", &n.to_string()), past)
    };
    plan.estimate(&milliseconds.iter().enumerate().map(known).collect::<PastResults>());
    plan
}

/// The ids of each part.
fn parts(count: usize, milliseconds: &[u64], of: u64, split: Split) -> Vec<Vec<String>> {
    let part = |number| {
        let mut plan = plan(count, milliseconds);
        plan.take_share(share(number, of, split));
        plan.cases.iter().map(|case| case.info.id.to_string()).collect()
    };
    (1..=of).map(part).collect()
}

#[test]
fn parts_of_a_skewed_suite_take_about_the_same_time() {
    // Few long cases, many short ones, and all in the order that is worst for slices.
    let mut times: Vec<u64> = (1..=200).map(|n| 20_000 / n).collect();
    times.rotate_left(3);
    for of in [2, 3, 4] {
        let seconds = |id: &String| times[id[3..].parse::<usize>().expect("a number")];
        let sums: Vec<u64> = parts(200, &times, of, Split::Balanced)
            .iter()
            .map(|part| part.iter().map(seconds).sum())
            .collect();
        let (least, most) = (sums.iter().min().expect("some"), sums.iter().max().expect("some"));
        assert!(most * 100 < least * 110, "{of}: {sums:?}");
    }
}

#[test]
fn a_case_stays_where_it_is_by_hash_when_others_come() {
    let place = |count| -> HashMap<String, usize> {
        let parts = parts(count, &[], 5, Split::Hash).into_iter().enumerate();
        parts.flat_map(|(part, ids)| ids.into_iter().map(move |id| (id, part))).collect()
    };
    let (few, many) = (place(50), place(500));
    assert!(few.iter().all(|(id, part)| many[id] == *part));
    let sizes: Vec<usize> =
        (0..5).map(|part| many.values().filter(|known| **known == part).count()).collect();
    assert!(sizes.iter().all(|size| (60..140).contains(size)), "{sizes:?}");
    assert_eq!(parts(50, &[], 5, Split::Balanced), parts(50, &[], 5, Split::Hash), "nothing is known");
}

#[test]
fn the_hashes_are_the_same_on_every_machine() {
    let mut plan = plan(9, &[]);
    plan.take_share(share(2, 3, Split::Slice));
    let shard = plan.shard.expect("a part");
    assert_eq!((shard.number, shard.of, shard.cases), (2, 3, 9));
    assert_eq!((shard.list.as_str(), shard.split.as_str()), ("409dcd22a9bfc34d", "a7e99960d5ac044e"));
}

proptest! {
    /// However cases are divided, every one is in exactly one part, and all parts know so.
    #[test]
    fn all_parts_are_the_whole(
        count in 0_usize..80,
        times in prop::collection::vec(any::<u16>(), 0..80),
        of in 1_u64..9,
        split in prop_oneof![Just(Split::Balanced), Just(Split::Hash), Just(Split::Slice)],
    ) {
        let times: Vec<u64> = times.into_iter().map(u64::from).collect();
        let mut all = parts(count, &times, of, split).concat();
        all.sort();
        let mut whole: Vec<_> = (0..count).map(|n| format!("s::{n}")).collect();
        whole.sort();
        assert_eq!(all, whole);
        let shard = |number| {
            let mut plan = plan(count, &times);
            plan.take_share(share(number, of, split));
            plan.shard.map(|shard| (shard.list, shard.split))
        };
        assert_eq!(shard(1), shard(of));
    }
}
