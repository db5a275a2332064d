//! The smallest set of suspects with which a case fails: delta debugging.

use std::ops::Range;

/// What came of trying a set of suspects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The case has failed beside them.
    Failed,
    /// It has not, however often it was tried.
    Passed,
    /// There is no time to try it.
    Stopped,
}

/// What is left of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimal<T> {
    /// Suspects with which the case was seen to fail.
    pub set: Vec<T>,
    /// Whether it did not fail without any single one of them. Otherwise there was no time to find out.
    pub is_minimal: bool,
}

/// The smallest part of `suspects` with which `trial` fails, where it was seen to fail with all of them. Those first in the
/// list are tried first.
///
/// A set is taken for guilty only when it was seen to fail, so that a trial that passes by chance makes the result larger than it
/// need be, but not wrong.
pub fn minimise<T: Clone>(suspects: Vec<T>, mut trial: impl FnMut(&[T]) -> Trial) -> Minimal<T> {
    let mut set = suspects;
    let mut parts = 2;
    while set.len() > 1 {
        let ranges = split(set.len(), parts);
        // With two parts, what is left without one of them is the other.
        let without = |range: &Range<usize>| [&set[..range.start], &set[range.end..]].concat();
        let only = ranges.iter().map(|range| (set[range.clone()].to_vec(), 2));
        let rest = ranges.iter().filter(|_| ranges.len() > 2).map(|range| (without(range), ranges.len() - 1));
        let mut smaller = None;
        for (part, parts) in only.chain(rest) {
            match trial(&part) {
                Trial::Failed => {
                    smaller = Some((part, parts));
                    break;
                }
                Trial::Passed => {}
                Trial::Stopped => return Minimal { set, is_minimal: false },
            }
        }
        match smaller {
            Some((part, fewer)) => (set, parts) = (part, fewer),
            None if ranges.len() == set.len() => break,
            None => parts = (2 * ranges.len()).min(set.len()),
        }
    }
    Minimal { set, is_minimal: true }
}

/// So many parts of about the same length.
fn split(length: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, length.max(1));
    (0..parts).map(|part| part * length / parts..(part + 1) * length / parts).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{Minimal, Trial, minimise, split};

    /// A case fails beside a set when one of these is part of it.
    fn fails(guilty: &[BTreeSet<u8>], set: &[u8]) -> bool {
        guilty.iter().any(|guilty| guilty.iter().all(|one| set.contains(one)))
    }

    fn trial(has_failed: bool) -> Trial {
        if has_failed { Trial::Failed } else { Trial::Passed }
    }

    /// Every smallest set with which it fails, found by trying all.
    fn smallest(guilty: &[BTreeSet<u8>], suspects: &[u8]) -> Vec<Vec<u8>> {
        let all = (0_u32..1 << suspects.len()).map(|bits| -> Vec<u8> {
            let chosen = suspects.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            chosen.map(|(_, one)| *one).collect()
        });
        let failing: Vec<Vec<u8>> = all.filter(|set| fails(guilty, set)).collect();
        let is_part = |small: &Vec<u8>, large: &Vec<u8>| {
            small.len() < large.len() && small.iter().all(|one| large.contains(one))
        };
        failing.iter().filter(|set| !failing.iter().any(|small| is_part(small, set))).cloned().collect()
    }

    fn guilty() -> impl Strategy<Value = Vec<BTreeSet<u8>>> {
        prop::collection::vec(prop::collection::btree_set(0_u8..8, 1..4), 1..4)
    }

    proptest! {
        #[test]
        fn the_result_is_one_of_the_smallest_sets(guilty in guilty()) {
            let suspects: Vec<u8> = (0..8).collect();
            let mut trials = 0;
            let found = minimise(suspects.clone(), |set| {
                trials += 1;
                trial(fails(&guilty, set))
            });
            prop_assert!(found.is_minimal);
            prop_assert!(smallest(&guilty, &suspects).contains(&found.set), "{found:?}");
            prop_assert!(trials <= 8 * 8 + 3 * 8, "{trials} trials");
        }

        #[test]
        fn one_of_many_is_found_by_halving(count in 1_usize..2000, place in any::<prop::sample::Index>()) {
            let one = place.index(count);
            let mut trials = 0_u32;
            let found = minimise((0..count).collect(), |set| {
                trials += 1;
                trial(set.contains(&one))
            });
            prop_assert_eq!(found, Minimal { set: vec![one], is_minimal: true });
            prop_assert!(trials <= 2 * (count.ilog2() + 1), "{} trials", trials);
        }

        /// What passes by chance, or is stopped, leaves more suspects, and never loses a guilty one.
        #[test]
        fn chance_makes_it_larger_and_never_wrong(
            guilty in guilty(), luck in prop::collection::vec(0_u8..3, 1..40), stop in 1_usize..40,
        ) {
            let mut seen = vec![(0..8).collect::<Vec<u8>>()];
            let mut tried = 0;
            let found = minimise((0..8).collect(), |set| {
                tried += 1;
                if tried > stop {
                    return Trial::Stopped;
                }
                let has_failed = fails(&guilty, set) && luck[tried % luck.len()] > 0;
                if has_failed {
                    seen.push(set.to_vec());
                }
                trial(has_failed)
            });
            prop_assert!(seen.contains(&found.set) && fails(&guilty, &found.set));
            prop_assert_eq!(found.is_minimal, tried <= stop);
        }
    }

    #[test]
    fn parts_are_the_whole() {
        assert_eq!(split(5, 2), [0..2, 2..5]);
        assert_eq!(split(3, 9), [0..1, 1..2, 2..3]);
        assert_eq!(minimise(Vec::<u8>::new(), |_| Trial::Failed).set, [0; 0]);
    }
}
