//! Jobs behind gates.

use super::{NONE, capacities, exclusive, pass, start_all, weight};
use crate::schedule::{Builder, Ending, JobIndex, ScheduleError, Skipped};

#[test]
fn a_job_starts_once_all_its_gates_are_open_and_others_do_not_wait_for_it() {
    let mut builder = Builder::new(capacities(1, 1));
    let gates = [(); 2].map(|()| builder.gate());
    (0..3).for_each(|_| builder.push(&weight(1), &[]));
    gates.iter().for_each(|gate| builder.hold(JobIndex(0), *gate));
    builder.hold(JobIndex(1), gates[1]);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [2]);
    schedule.open(gates[1]);
    assert_eq!(start_all(&mut schedule), NONE, "there is one slot");
    assert_eq!(pass(&mut schedule, 2), [1]);
    schedule.open(gates[0]);
    assert_eq!(pass(&mut schedule, 1), [0]);
}

#[test]
fn an_exclusive_job_behind_a_gate_holds_nobody_up() {
    let mut builder = Builder::new(capacities(2, 1));
    let gate = builder.gate();
    builder.push(&exclusive(), &[]);
    builder.push(&weight(1), &[]);
    builder.hold(JobIndex(0), gate);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), [1]);
    schedule.open(gate);
    assert_eq!(start_all(&mut schedule), NONE);
    assert_eq!(pass(&mut schedule, 1), [0]);
}

#[test]
fn what_is_behind_a_gate_that_stays_shut_never_starts() {
    let mut builder = Builder::new(capacities(4, 1));
    let [shut, open] = [(); 2].map(|()| builder.gate());
    builder.push(&weight(1), &[]);
    builder.push(&weight(1), &[JobIndex(0)]);
    builder.push(&weight(1), &[]);
    builder.push(&weight(1), &[]);
    builder.hold(JobIndex(0), shut);
    builder.hold(JobIndex(2), shut);
    builder.hold(JobIndex(2), open);
    builder.hold(JobIndex(3), open);
    let mut schedule = builder.build().expect("possible");
    assert_eq!(start_all(&mut schedule), NONE);
    let (behind, others) = schedule.close(shut);
    assert_eq!(behind, [JobIndex(0), JobIndex(2)]);
    assert_eq!(others, [Skipped { job: JobIndex(1), after: JobIndex(0) }]);
    schedule.open(open);
    assert_eq!(start_all(&mut schedule), [3]);
    assert_eq!(schedule.finish(JobIndex(3), Ending::NotPassed), []);
    assert_eq!(schedule.cancel_waiting(), []);
}

#[test]
fn jobs_that_wait_for_each_other_are_told_beside_gates() {
    let mut builder = Builder::new(capacities(1, 1));
    let gate = builder.gate();
    builder.push(&weight(1), &[JobIndex(1)]);
    builder.push(&weight(1), &[JobIndex(0)]);
    builder.hold(JobIndex(0), gate);
    let error = builder.build().expect_err("endless");
    assert_eq!(error, ScheduleError::Endless(vec![JobIndex(0), JobIndex(1)]));
}
