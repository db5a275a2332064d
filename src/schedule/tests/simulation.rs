//! Simulated time.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::{prop, proptest};

use super::{Demand, NonZeroUsize, capacities, exclusive, schedule, weight};
use crate::schedule::{Access, Builder, JobIndex, Schedule, Simulation, simulate};

const MS: Duration = Duration::from_millis(1);

fn open(schedule: Schedule, durations: &[Duration]) -> Simulation {
    simulate(schedule, durations, &HashSet::new(), |_| None)
}

fn wall(slots: usize, demands: Vec<Demand>, milliseconds: &[u32]) -> u128 {
    let durations: Vec<_> = milliseconds.iter().map(|time| MS * *time).collect();
    open(schedule(slots, 1, demands), &durations).wall.as_millis()
}

fn plain(slots: usize, milliseconds: &[u32]) -> u128 {
    wall(slots, vec![Demand::default(); milliseconds.len()], milliseconds)
}

#[test]
fn time_passes_as_jobs_do() {
    assert_eq!(plain(1, &[3, 4, 5]), 12);
    assert_eq!(plain(2, &[3, 4, 5]), 8);
    assert_eq!(plain(3, &[3, 4, 5]), 5);
    assert_eq!(plain(3, &[]), 0);
    assert_eq!(wall(2, vec![weight(1), exclusive(), weight(1), weight(1)], &[5, 7, 2, 2]), 14);
    let simulation = open(schedule(1, 1, [weight(1), weight(1)]), &[MS * 2]);
    assert_eq!(simulation.spans, [Some((Duration::ZERO, MS * 2)), Some((MS * 2, MS * 2))]);
}

#[test]
fn locks_dependencies_and_gates_take_their_time() {
    let mut builder = Builder::new(capacities(4, 1));
    let lock = builder.lock("db");
    let held = Demand { locks: vec![(lock, Access::Exclusive)], ..Demand::default() };
    let gate = builder.gate();
    builder.push(&held, &[]);
    builder.push(&held, &[]);
    builder.push(&Demand::default(), &[JobIndex(1)]);
    builder.hold(JobIndex(0), gate);
    let simulation = open(builder.build().expect("possible"), &[MS * 10, MS * 20, MS * 5]);
    assert_eq!(simulation.wall, MS * 35);
}

#[test]
fn a_gate_that_a_job_opens_holds_others_until_that_has_ended() {
    let mut builder = Builder::new(capacities(4, 1));
    let gate = builder.gate();
    (0..3).for_each(|_| builder.push(&Demand::default(), &[]));
    builder.hold(JobIndex(2), gate);
    let times = [MS * 10, MS * 20, MS * 5];
    let closed = HashSet::from([gate]);
    let opened_by = |job| (job == JobIndex(1)).then_some(gate);
    let simulation = simulate(builder.build().expect("possible"), &times, &closed, opened_by);
    assert_eq!(simulation.wall, MS * 25);
}

/// One case of 8 s that is the last by name, beside 80 of 0.1 s, at two slots: 8.0 s is the best there is.
#[test]
fn the_longest_first_is_near_the_optimum() {
    let mut by_name = vec![100; 80];
    by_name.push(8000);
    assert_eq!(plain(2, &by_name), 12_000);
    by_name.reverse();
    assert_eq!(plain(2, &by_name), 8000);
}

proptest! {
    /// No slot stands idle while a job waits, so the time lies between what no schedule can beat and twice of that.
    #[test]
    fn no_slot_stands_idle(times in prop::collection::vec(0_u32..1000, 0..60), slots in 1_usize..6) {
        let slots_of = NonZeroUsize::new(slots).expect("not zero");
        let wall = plain(slots_of.get(), &times);
        let (sum, most) = (times.iter().sum::<u32>() as u128, times.iter().max().copied().unwrap_or(0) as u128);
        assert!(wall >= most && wall * slots as u128 >= sum);
        assert!(wall * slots as u128 <= sum + most * (slots as u128 - 1));
    }
}
