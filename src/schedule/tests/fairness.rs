//! Who waits for whom, and how long, where it matters; and what a decision costs.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::{NONE, capacities, exclusive, pass, schedule, start_all, waits, weight};
use crate::schedule::{Access, Builder, Demand, Ending, JobIndex, LockId, Schedule, Slots};

fn locking(locks: &[LockId]) -> Demand {
    Demand { locks: locks.iter().map(|lock| (*lock, Access::Exclusive)).collect(), ..Demand::default() }
}

#[test]
fn a_job_that_waits_for_a_lock_leaves_slots_to_others() {
    let mut builder = Builder::new(capacities(2, 1));
    let lock = builder.lock("a");
    builder.push(&locking(&[lock]), &[]);
    for demand in [locking(&[lock]), Demand { machine: Access::Exclusive, ..locking(&[lock]) }] {
        builder.push(&demand, &[]);
    }
    for _ in 0..3 {
        builder.push(&weight(1), &[]);
    }
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [0, 3]);
    assert_eq!(pass(&mut schedule, 3), [4]);
    assert_eq!(pass(&mut schedule, 0), [1]);
    assert_eq!(pass(&mut schedule, 4), [5], "the exclusive one waits for the lock, not yet for the machine");
    assert_eq!(pass(&mut schedule, 1), NONE);
    assert_eq!(pass(&mut schedule, 5), [2]);
}

/// Two locks are held in turn by later jobs, so that there is never a moment at which both are free, unless what a
/// job waited for is kept for it.
#[test]
fn a_job_with_two_locks_does_not_wait_forever() {
    let mut builder = Builder::new(capacities(8, 1));
    let [a, b] = ["a", "b"].map(|name| builder.lock(name));
    builder.push(&locking(&[b]), &[]);
    builder.push(&locking(&[a, b]), &[]);
    for _ in 0..100 {
        builder.push(&locking(&[a]), &[]);
        builder.push(&locking(&[b]), &[]);
    }
    let mut schedule = builder.build().expect("possible");
    let mut running: VecDeque<_> = start_all(&mut schedule).into();
    assert_eq!(running, [0, 2], "what is free is used");
    let mut order = Vec::new();
    while let Some(job) = running.pop_front() {
        order.push(job);
        running.extend(pass(&mut schedule, job));
    }
    assert_eq!(order[..3], [0, 2, 1]);
    assert_eq!(order.len(), 202);
}

#[test]
fn a_heavy_job_with_a_lock_is_not_overtaken_by_jobs_that_wait() {
    let mut builder = Builder::new(capacities(2, 2));
    let lock = builder.lock("a");
    builder.push(&weight(1), &[]);
    builder.push(&Demand { locks: vec![(lock, Access::Exclusive)], ..weight(2) }, &[]);
    builder.push(&Demand { locks: vec![(lock, Access::Exclusive)], ..waits() }, &[]);
    builder.push(&waits(), &[]);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [0, 3]);
    assert_eq!(pass(&mut schedule, 0), [1]);
    assert_eq!(pass(&mut schedule, 1), [2]);
}

/// A job that becomes ready late goes before later ones of its class, and what these had a claim to is its own.
#[test]
fn an_earlier_job_that_becomes_ready_goes_first() {
    let mut builder = Builder::new(capacities(3, 1));
    let lock = builder.lock("a");
    builder.push(&locking(&[lock]), &[JobIndex(2)]);
    builder.push(&locking(&[lock]), &[]);
    builder.push(&weight(1), &[]);
    builder.push(&locking(&[lock]), &[]);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [1, 2]);
    assert_eq!(pass(&mut schedule, 2), NONE);
    assert_eq!(pass(&mut schedule, 1), [0]);
    assert_eq!(pass(&mut schedule, 0), [3]);
}

/// Runs jobs to their end, the one that runs longest first.
fn run_out(schedule: &mut Schedule) -> usize {
    let mut running = VecDeque::new();
    let mut ended = 0;
    loop {
        running.extend(std::iter::from_fn(|| schedule.start_next()));
        let Some(job) = running.pop_front() else { return ended };
        schedule.finish(job, Ending::Passed);
        ended += 1;
    }
}

/// A cost that grows with the number of waiting jobs would take hours.
#[test]
fn a_decision_costs_the_same_however_many_jobs_wait() {
    let count = 100_000;
    let begin = Instant::now();
    let mut plain = schedule(8, 64, (0..count).map(|job| if job % 5 == 0 { waits() } else { weight(1) }));
    assert_eq!(run_out(&mut plain), count);

    let mut builder = Builder::new(capacities(8, 64));
    let shared = builder.lock("db");
    let pool = builder.pool(NonZeroU32::new(3).expect("not zero"));
    for job in 0..count {
        let own = builder.lock(&format!("lock {job}"));
        let demand = Demand {
            slots: if job % 3 == 0 { Slots::Io } else { Slots::Cpu(NonZeroU32::MIN) },
            machine: if job % 10_000 == 9_999 { Access::Exclusive } else { Access::Shared },
            locks: vec![
                (own, Access::Exclusive),
                (shared, if job % 1000 == 0 { Access::Exclusive } else { Access::Shared }),
            ],
            pools: if job % 7 == 0 { vec![(pool, NonZeroU32::MIN)] } else { Vec::new() },
        };
        let after = if job % 4 == 1 { vec![JobIndex(job - 1)] } else { Vec::new() };
        builder.push(&demand, &after);
    }
    assert_eq!(run_out(&mut builder.build().expect("possible")), count);

    let mut alone = schedule(8, 64, (0..count).map(|_| exclusive()));
    assert_eq!(run_out(&mut alone), count);
    assert!(begin.elapsed() < Duration::from_secs(120), "it took {:?}", begin.elapsed());
}

#[test]
#[ignore = "long: ./tests/run"]
fn a_million_jobs_are_decided_in_seconds() {
    let count = 1_000_000;
    let begin = Instant::now();
    let mut plain = schedule(8, 64, (0..count).map(|_| weight(1)));
    assert_eq!(run_out(&mut plain), count);
    let plain = begin.elapsed();
    let begin = Instant::now();
    let mut builder = Builder::new(capacities(8, 64));
    for job in 0..count {
        let lock = builder.lock(&format!("lock {}", job / 2));
        builder.push(&locking(&[lock]), &[]);
    }
    assert_eq!(run_out(&mut builder.build().expect("possible")), count);
    let locks = begin.elapsed();
    let took = format!("a million plain jobs {plain:?}, with 500,000 locks {locks:?}");
    assert!(plain + locks < Duration::from_secs(60), "{took}");
}

fn stand_by(schedule: &mut Schedule) -> Vec<usize> {
    std::iter::from_fn(|| schedule.stand_by()).map(|job| job.0).collect()
}

#[test]
fn no_job_stands_by_before_an_earlier_one_that_needs_something_else() {
    let demands = || [weight(1), weight(1), weight(1), weight(2), weight(1)];
    let mut heavy = schedule(2, 1, demands());
    assert_eq!(start_all(&mut heavy), [0, 1]);
    assert_eq!(stand_by(&mut heavy), [2]);
    heavy.relieve(JobIndex(0), JobIndex(2));
    assert_eq!(pass(&mut heavy, 1), NONE, "the heavy one waits for both slots");
    assert_eq!(pass(&mut heavy, 2), [3]);

    let mut builder = Builder::new(capacities(1, 1));
    let lock = builder.lock("a");
    for demand in [weight(1), weight(1), locking(&[lock]), weight(1)] {
        builder.push(&demand, &[]);
    }
    let mut locked = builder.build().expect("possible");
    assert_eq!(start_all(&mut locked), [0]);
    assert_eq!(stand_by(&mut locked), [1]);
    locked.relieve(JobIndex(0), JobIndex(1));
    assert_eq!(pass(&mut locked, 1), [2]);
    assert_eq!(pass(&mut locked, 2), [3]);
}

#[test]
fn those_that_stood_by_come_back_to_their_places() {
    let mut schedule = schedule(1, 1, [weight(1), weight(1), weight(1), weight(1)]);
    assert_eq!(start_all(&mut schedule), [0]);
    assert_eq!(stand_by(&mut schedule), [1, 2, 3]);
    schedule.relieve(JobIndex(0), JobIndex(1));
    for job in [2, 3] {
        schedule.stand_down(JobIndex(job));
    }
    assert_eq!(pass(&mut schedule, 1), [2]);
    assert_eq!(pass(&mut schedule, 2), [3]);
}
