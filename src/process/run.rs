//! Running a process from its start until nothing of it is left.

use std::time::{Duration, Instant};

use crate::model::ExitStatus;
use crate::process::cancellation::Cancellation;
use crate::process::error::StartError;
use crate::process::linux::{Reaped, reap};
use crate::process::start::{Started, start};
use crate::process::suspend::await_starts;
use crate::process::sweep::{Orphans, Presence};
use crate::process::watch::{Exit, Watch};
use crate::process::{Command, Finished, Limits, Listener};
use crate::time::clock;

/// What stands for a process that is known only by the pipe it holds.
const HOLDER: &str = "(a background process held the output open)";

/// What stands for processes that were gone when they were looked at, each leaving another.
const RUNAWAYS: &str = "(background processes that kept starting others)";

/// Runs `command` and waits until it and all it started are gone.
///
/// It gets a session of its own, an empty signal mask, default signal dispositions, and no descriptor but 0, 1
/// and 2. `token` must be unique among the processes that run; it is put into the environment as
/// [`TOKEN_VARIABLE`](crate::process::TOKEN_VARIABLE). At the deadline, or when `cancellation` asks for it, its
/// process group gets TERM and, after the grace period, KILL.
///
/// When it has ended, what it left behind has `leak_timeout` to go away and is then killed: its process group
/// always, and daemons that have left the group if [`adopt_orphans`](crate::process::adopt_orphans) is on.
///
/// # Errors
/// [`StartError`] when the process cannot be started. Whatever happens afterwards is in [`Finished`].
pub fn run(
    command: &Command,
    limits: &Limits,
    token: &str,
    cancellation: &Cancellation,
) -> Result<Finished, StartError> {
    run_heard(command, limits, token, cancellation, None)
}

/// The same, with somebody who hears of the start and of all output while it comes: for what runs until it is
/// stopped.
///
/// # Errors
/// As [`run`].
pub fn run_heard(
    command: &Command,
    limits: &Limits,
    token: &str,
    cancellation: &Cancellation,
    listener: Option<&dyn Listener>,
) -> Result<Finished, StartError> {
    let begin = clock::now();
    let started = start(command, token, cancellation)?;
    Ok(see_out(started, (command, limits), token, cancellation, listener, begin))
}

/// Watches over a process that was started at `begin`, until nothing of it is left.
pub(in crate::process) fn see_out(
    started: Started<'_>,
    (command, limits): (&Command, &Limits),
    token: &str,
    cancellation: &Cancellation,
    listener: Option<&dyn Listener>,
    begin: Instant,
) -> Finished {
    let mut orphans = Orphans::of(&started.leader, token);
    listener.inspect(|listener| listener.started());
    let mut watch = Watch::new(started, command, limits, cancellation, listener);
    let exit = watch.until_exit();
    let duration = clock::now().duration_since(begin);
    let (leaked, mut unkillable) = match exit {
        Exit::Own => settle(&mut watch, &mut orphans, limits),
        Exit::Ended => {
            watch.kill_group();
            let unkillable = orphans.sweep().unkillable;
            watch.drain();
            (false, unkillable)
        }
        Exit::Unkillable => (false, None),
    };
    let silent = watch.is_silent();
    let (leader, end, stdout, stderr) = watch.finish();
    let mut reaped = Reaped { status: ExitStatus::Signaled(9), cpu: Duration::ZERO, max_rss: 0 };
    if exit == Exit::Unkillable {
        unkillable = u32::try_from(leader.pid().as_raw_nonzero().get()).ok();
        leader.abandon();
    } else {
        // Nobody else reaps it, so this fails only where the host ignores SIGCHLD and the kernel reaps.
        reaped = reap(leader.pid()).unwrap_or(reaped);
        drop(leader);
    }
    let mut leaked_lines = if leaked { orphans.into_lines() } else { Vec::new() };
    if leaked && leaked_lines.is_empty() {
        leaked_lines.push(if silent { RUNAWAYS } else { HOLDER }.to_owned());
    }
    Finished {
        status: reaped.status,
        end,
        stdout,
        stderr,
        leaked: leaked_lines,
        duration,
        cpu: reaped.cpu,
        max_rss: reaped.max_rss,
        unkillable,
    }
}

/// Whether somebody holds the output open who is not only about to become another case's program.
fn is_held(watch: &mut Watch<'_>) -> bool {
    if !watch.is_silent() {
        await_starts();
        watch.drain();
    }
    !watch.is_silent()
}

/// Gives what outlives a process that has ended by itself a short while, and then ends it. Says whether
/// anything had to be ended.
fn settle(watch: &mut Watch<'_>, orphans: &mut Orphans<'_>, limits: &Limits) -> (bool, Option<u32>) {
    watch.drain();
    let end = clock::now() + limits.leak_timeout;
    loop {
        let presence = orphans.presence();
        if watch.is_silent() && matches!(presence, Presence::None) {
            // Without adoption the group may still have members that hold nothing open.
            watch.kill_group();
            return (false, None);
        }
        if !watch.until_quieter(end, &presence) {
            break;
        }
    }
    // What is there now has been left behind, even if the sweep finds it dead already.
    let found = orphans.collect() || is_held(watch);
    watch.kill_group();
    let sweep = orphans.sweep();
    (found || sweep.killed, sweep.unkillable)
}
