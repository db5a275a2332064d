use std::num::{NonZeroU32, NonZeroUsize};

use super::{Access, Builder, Capacities, Demand, Ending, JobIndex, Schedule, ScheduleError, Skipped, Slots};

mod fairness;
mod gates;
mod oracle;
mod properties;
mod simulation;

/// No job.
const NONE: [usize; 0] = [];

fn capacities(cpu: usize, io: usize) -> Capacities {
    let slots = |count| NonZeroUsize::new(count).expect("not zero");
    Capacities { cpu: slots(cpu), io: slots(io) }
}

fn weight(weight: u32) -> Demand {
    Demand { slots: Slots::Cpu(NonZeroU32::new(weight).expect("not zero")), ..Demand::default() }
}

fn waits() -> Demand {
    Demand { slots: Slots::Io, ..Demand::default() }
}

fn exclusive() -> Demand {
    Demand { machine: Access::Exclusive, ..Demand::default() }
}

/// A schedule of jobs that depend on none.
fn schedule(cpu: usize, io: usize, demands: impl IntoIterator<Item = Demand>) -> Schedule {
    let mut builder = Builder::new(capacities(cpu, io));
    demands.into_iter().for_each(|demand| builder.push(&demand, &[]));
    builder.build().expect("possible")
}

/// Every job that may start now.
fn start_all(schedule: &mut Schedule) -> Vec<usize> {
    std::iter::from_fn(|| schedule.start_next()).map(|job| job.0).collect()
}

fn pass(schedule: &mut Schedule, job: usize) -> Vec<usize> {
    assert_eq!(schedule.finish(JobIndex(job), Ending::Passed), []);
    start_all(schedule)
}

#[test]
fn as_many_start_as_there_are_slots() {
    let mut schedule = schedule(2, 1, [weight(1), weight(1), weight(1)]);
    assert_eq!(start_all(&mut schedule), [0, 1]);
    assert_eq!(pass(&mut schedule, 0), [2]);
    assert_eq!(schedule.running(), 2);
}

#[test]
fn an_exclusive_job_waits_for_the_running_ones_and_is_not_overtaken() {
    let mut schedule = schedule(4, 4, [weight(1), waits(), exclusive(), weight(1), waits()]);
    assert_eq!(start_all(&mut schedule), [0, 1]);
    assert_eq!(pass(&mut schedule, 0), NONE);
    assert_eq!(pass(&mut schedule, 1), [2]);
    assert_eq!(pass(&mut schedule, 2), [3, 4]);
}

#[test]
fn a_heavy_job_takes_its_weight_and_never_more_than_there_is() {
    let mut schedule = schedule(4, 1, [weight(3), weight(2), weight(1), weight(9)]);
    assert_eq!(start_all(&mut schedule), [0], "2 waits for two slots, and 1 does not overtake it");
    assert_eq!(pass(&mut schedule, 0), [1, 2]);
    assert_eq!(pass(&mut schedule, 1), NONE);
    assert_eq!(pass(&mut schedule, 2), [3], "9 of 4 slots are all of them");
}

#[test]
fn jobs_that_wait_take_no_cpu_slot() {
    let mut schedule = schedule(1, 2, [waits(), waits(), waits(), weight(1), weight(1)]);
    assert_eq!(start_all(&mut schedule), [0, 1, 3]);
    assert_eq!(pass(&mut schedule, 3), [4]);
    assert_eq!(pass(&mut schedule, 0), [2]);
}

#[test]
fn a_lock_is_held_by_one_or_shared_by_many() {
    let mut builder = Builder::new(capacities(9, 1));
    let lock = builder.lock("db");
    assert_eq!(builder.lock("db"), lock);
    let of = |access| Demand { locks: vec![(lock, access)], ..Demand::default() };
    for access in [Access::Shared, Access::Shared, Access::Exclusive, Access::Shared] {
        builder.push(&of(access), &[]);
    }
    builder.push(&weight(1), &[]);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [0, 1, 4], "the third may not overtake who wants it alone");
    assert_eq!(pass(&mut schedule, 0), NONE);
    assert_eq!(pass(&mut schedule, 1), [2]);
    assert_eq!(pass(&mut schedule, 2), [3]);
}

#[test]
fn a_pool_gives_as_much_as_it_holds() {
    let mut builder = Builder::new(capacities(9, 1));
    let pool = builder.pool(NonZeroU32::new(3).expect("not zero"));
    let of = |count| Demand {
        pools: vec![(pool, NonZeroU32::new(count).expect("not zero"))],
        ..Demand::default()
    };
    for count in [2, 1, 1] {
        builder.push(&of(count), &[]);
    }
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [0, 1]);
    assert_eq!(pass(&mut schedule, 1), [2]);

    let mut builder = Builder::new(capacities(9, 1));
    builder.pool(NonZeroU32::MIN);
    let pool = builder.pool(NonZeroU32::MIN);
    let demand = Demand { pools: vec![(pool, NonZeroU32::MIN), (pool, NonZeroU32::MIN)], ..weight(1) };
    builder.push(&demand, &[]);
    let refused = ScheduleError::TooMuch { job: JobIndex(0), amount: 2, capacity: 1 };
    assert_eq!(builder.build().err(), Some(refused));
}

#[test]
fn a_job_starts_after_those_it_depends_on_or_never() {
    let mut builder = Builder::new(capacities(4, 1));
    for after in [&[2][..], &[0], &[], &[1, 2], &[]] {
        let after: Vec<_> = after.iter().copied().map(JobIndex).collect();
        builder.push(&weight(1), &after);
    }
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [2, 4]);
    assert_eq!(pass(&mut schedule, 2), [0]);
    let skipped = schedule.finish(JobIndex(0), Ending::NotPassed);
    let because = |job, after| Skipped { job: JobIndex(job), after: JobIndex(after) };
    assert_eq!(skipped, [because(1, 0), because(3, 1)]);
    assert_eq!(pass(&mut schedule, 4), NONE);
    assert_eq!(schedule.running(), 0);
    assert_eq!(schedule.cancel_waiting(), []);
}

#[test]
fn jobs_that_could_never_start_are_told_at_once() {
    let build = |after: &[&[usize]]| {
        let mut builder = Builder::new(capacities(1, 1));
        for after in after {
            let after: Vec<_> = after.iter().copied().map(JobIndex).collect();
            builder.push(&weight(1), &after);
        }
        builder.build().err()
    };
    let endless = [1, 2, 3].map(JobIndex).to_vec();
    assert_eq!(build(&[&[], &[2], &[1], &[0, 2]]), Some(ScheduleError::Endless(endless)));
    assert_eq!(build(&[&[0]]), Some(ScheduleError::Endless(vec![JobIndex(0)])));
    let missing = ScheduleError::NoSuchJob { job: JobIndex(0), after: JobIndex(7) };
    assert_eq!(build(&[&[7]]), Some(missing));
}

#[test]
fn cancelling_gives_back_what_had_not_started() {
    let mut builder = Builder::new(capacities(1, 1));
    builder.push(&weight(1), &[]);
    builder.push(&weight(1), &[]);
    builder.push(&exclusive(), &[JobIndex(1)]);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [0]);
    assert_eq!(schedule.cancel_waiting(), [JobIndex(1), JobIndex(2)]);
    assert_eq!(schedule.running(), 1);
    assert_eq!(pass(&mut schedule, 0), NONE);
}
