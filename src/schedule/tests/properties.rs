//! Random graphs of jobs, driven against the oracle.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU32;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::Index;

use super::capacities;
use super::oracle::{Job, Oracle, State, World, demand};
use crate::schedule::{Access, Builder, Ending, JobIndex, Schedule};

const LOCKS: usize = 3;

/// A job before the others are known: its dependencies are chosen among those with a lower rank.
type Draft = (Job, Vec<Index>);

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::Shared), Just(Access::Exclusive)]
}

fn draft() -> impl Strategy<Value = Draft> {
    let weight = prop_oneof![4 => Just(1_u32), 2 => Just(0), 2 => 2_u32..6];
    let exclusive = prop_oneof![12 => Just(false), 1 => Just(true)];
    let lock = (0..LOCKS, access());
    let pool = (0_usize..2, 1_u32..4);
    let named = (prop::collection::vec(lock, 0..3), prop::collection::vec(pool, 0..2));
    let after = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(any::<Index>(), 1..3),
    ];
    let passes = prop_oneof![5 => Just(true), 1 => Just(false)];
    let job = (exclusive, weight, named, passes, 0_u32..3, any::<(bool, bool)>());
    (job, after).prop_map(|((exclusive, weight, (mut locks, pools), passes, retries, extras), after)| {
        locks.sort_unstable();
        locks.dedup_by_key(|(lock, _)| *lock);
        let (pauses, repeats) = extras;
        (Job { exclusive, weight, locks, pools, after: Vec::new(), passes, retries, pauses, repeats }, after)
    })
}

fn world() -> impl Strategy<Value = World> {
    let jobs = prop::collection::vec(draft(), 0..40).prop_flat_map(|drafts| {
        let ranks: Vec<usize> = (0..drafts.len()).collect();
        (Just(drafts), Just(ranks).prop_shuffle())
    });
    let world = (1_u32..5, 1_u32..4, prop::collection::vec(1_u32..4, 2), jobs, any::<bool>());
    world.prop_map(|(cpu, io, pools, (drafts, ranks), is_independent)| {
        let job = |(at, (mut job, after)): (usize, Draft)| {
            let lower: Vec<_> = (0..ranks.len()).filter(|other| ranks[*other] < ranks[at]).collect();
            if !lower.is_empty() && !is_independent {
                job.after = after.iter().map(|index| *index.get(&lower)).collect();
            }
            job.pools.iter_mut().for_each(|(pool, count)| *count = (*count).min(pools[*pool]));
            job
        };
        let jobs = drafts.into_iter().enumerate().map(job).collect();
        World { cpu, io, pools, jobs }
    })
}

/// When a run is cancelled: after so many ends, but for every so many jobs.
type Cancel = Option<(usize, usize)>;

/// The schedule of these jobs.
fn schedule(world: &World) -> Schedule {
    let mut builder = Builder::new(capacities(world.cpu as usize, world.io as usize));
    let locks: Vec<_> = (0..LOCKS).map(|lock| builder.lock(&lock.to_string())).collect();
    let pools = world.pools.iter().filter_map(|count| NonZeroU32::new(*count));
    let pools: Vec<_> = pools.map(|count| builder.pool(count)).collect();
    for job in &world.jobs {
        let after: Vec<_> = job.after.iter().copied().map(JobIndex).collect();
        builder.push(&demand(job, &locks, &pools), &after);
    }
    builder.build().expect("no cycles")
}

/// Drives the schedule of these jobs to its end, and then once more with those that repeat: `ends` chooses which of the
/// running and the paused ones is the next to whom something happens.
fn drive(world: &World, ends: &[Index], cancel: Cancel) {
    let mut schedule = schedule(world);
    let mut oracle = Oracle::new(world);
    drive_once(&mut schedule, &mut oracle, ends, cancel);
    let again: Vec<_> = oracle.again().into_iter().map(JobIndex).collect();
    schedule.again(&again);
    drive_once(&mut schedule, &mut oracle, ends, None);
}

fn drive_once(schedule: &mut Schedule, oracle: &mut Oracle<'_>, ends: &[Index], cancel: Cancel) {
    let world = oracle.world;
    let mut retries: Vec<_> = world.jobs.iter().map(|job| job.retries).collect();
    let mut ended = 0;
    let mut reserve = VecDeque::new();
    // Who has taken over from whom, while the schedule does not know it yet.
    let mut untold: Vec<(JobIndex, JobIndex)> = Vec::new();
    for end in ends.iter().cycle() {
        while let Some(JobIndex(job)) = schedule.start_next() {
            oracle.start(job);
        }
        reserve.extend(std::iter::from_fn(|| schedule.stand_by()).take(end.index(4)));
        oracle.stands();
        let mut begun: Vec<_> = oracle.all(State::Running).collect();
        assert_eq!(begun.len(), schedule.running());
        check_slots(schedule, world, &begun, &untold);
        begun.extend(oracle.all(State::Paused));
        if begun.is_empty() {
            break;
        }
        let job = *end.get(&begun);
        if end.index(2) == 0 || untold.iter().any(|(_, by)| by.0 == job) {
            untold.drain(..).for_each(|(done, by)| schedule.relieve(done, by));
        }
        let is_over = oracle.states[job] == State::Running && retries[job] == 0;
        if is_over && world.jobs[job].passes && cancel.is_none_or(|(at, _)| at != ended) {
            let by = reserve.front().copied();
            if let Some(by) = by.filter(|by| schedule.likeness(*by) == schedule.likeness(JobIndex(job))) {
                reserve.pop_front();
                untold.push((JobIndex(job), by));
                assert!(oracle.finish(job).is_empty(), "nothing depends on it");
                oracle.start(by.0);
                ended += 1;
                continue;
            }
        }
        reserve.drain(..).for_each(|job| schedule.stand_down(job));
        if let Some((_, spared)) = cancel.filter(|(at, _)| *at == ended) {
            cancel_all_but(schedule, oracle, spared);
        }
        if oracle.states[job] == State::Paused {
            schedule.resume(JobIndex(job));
            oracle.resume(job);
            continue;
        }
        if retries[job] > 0 {
            retries[job] -= 1;
            // Another attempt keeps what the job has taken, unless it waits before that.
            if world.jobs[job].pauses {
                schedule.pause(JobIndex(job));
                oracle.pause(job);
            }
            continue;
        }
        let passes = world.jobs[job].passes;
        let ending = if passes { Ending::Passed } else { Ending::NotPassed };
        let skipped = schedule.finish(JobIndex(job), ending);
        for skipped in &skipped {
            assert!(world.jobs[skipped.job.0].after.contains(&skipped.after.0), "the reason is its own");
        }
        assert_eq!(skipped.iter().map(|skipped| skipped.job.0).collect::<Vec<_>>(), oracle.finish(job));
        ended += 1;
    }
    assert_eq!(oracle.all(State::Waiting).next(), None, "a job is left behind");
    assert_eq!(schedule.cancel_waiting(), []);
}

/// Every running job has a slot of its own, among those of its kind.
fn check_slots(schedule: &Schedule, world: &World, running: &[usize], untold: &[(JobIndex, JobIndex)]) {
    let (cpu, all) = (world.cpu as usize, (world.cpu + world.io) as usize);
    let mut seen = BTreeSet::new();
    for job in running {
        let before = untold.iter().find(|(_, by)| by.0 == *job).map(|(done, _)| *done);
        let slot = schedule.slot(before.unwrap_or(JobIndex(*job)));
        let kind = if world.jobs[*job].weight > 0 { 0..cpu } else { cpu..all };
        assert!(kind.contains(&slot) && seen.insert(slot), "{slot} of {kind:?}, beside {seen:?}");
    }
}

/// Cancels what waits, but for every so many jobs.
fn cancel_all_but(schedule: &mut Schedule, oracle: &mut Oracle<'_>, spared: usize) {
    let is_spared = |job: usize| spared > 0 && job.is_multiple_of(spared);
    let depends = |job: usize| {
        let after = &oracle.world.jobs[job].after;
        after.iter().any(|after| oracle.states[*after] != State::Passed)
    };
    // What is spared must not wait for what is not.
    let cancelled: Vec<_> =
        oracle.all(State::Waiting).filter(|job| !is_spared(*job) || depends(*job)).collect();
    assert_eq!(
        schedule.cancel_where(|job| cancelled.contains(&job.0)),
        cancelled.iter().copied().map(JobIndex).collect::<Vec<_>>()
    );
    cancelled.iter().for_each(|job| oracle.states[*job] = State::Cancelled);
}

fn ends() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 20..80)
}

fn cancel() -> impl Strategy<Value = Option<(usize, usize)>> {
    prop_oneof![3 => Just(None), 1 => (0_usize..20, 0_usize..4).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_jobs_the_rules_hold(world in world(), ends in ends(), cancel in cancel()) {
        drive(&world, &ends, cancel);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    #[ignore = "long: ./tests/run"]
    fn ten_thousand_graphs_of_jobs_keep_the_rules(world in world(), ends in ends(), cancel in cancel()) {
        drive(&world, &ends, cancel);
    }
}
