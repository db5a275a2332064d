//! Signals that end a run early, or stop it for a while.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::process::{await_child, reap_orphans, suspend};
use crate::runner::Control;

/// How long the reaper rests at most when it was called for nothing: every case that ends calls it.
const REST: Duration = Duration::from_millis(5);

/// How long it rests the first time.
const SHORT_REST: Duration = Duration::from_micros(250);

/// How long it waits for a call: a thread of the host that this process began as may have taken it.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a third signal does that asks the run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Third {
    /// No more than the second one.
    Nothing,
    /// Ends this process at once, without reports, and leaves what runs to the watchdog.
    Exit,
}

/// From now on INT, TERM and HUP stop the run: the first one lets running cases end within their grace period,
/// the next one kills them. TSTP stops what runs and then this process, until it is continued. What was ignored
/// when the process began, as HUP is under `nohup`, stays ignored.
///
/// # Errors
/// When a handler cannot be installed.
pub(super) fn stop_on_signals(control: &Arc<Control>, third: Third) -> io::Result<()> {
    let ignored = ignored_signals();
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGTSTP];
    let mut signals = Signals::new(wanted.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0))?;
    control.note_signals();
    let control = Arc::clone(control);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = 0;
        for signal in signals.forever() {
            if signal == SIGTSTP {
                suspend();
                continue;
            }
            asked += 1;
            if asked >= 3 && third == Third::Exit {
                signal_hook::low_level::exit(128 + signal);
            }
            control.interrupt(signal);
        }
    })?;
    Ok(())
}

/// From now on orphans are reaped as soon as they exit, however many there are. After [`hear_signals`].
///
/// # Errors
/// When there is no thread for it.
///
/// [`hear_signals`]: crate::process::hear_signals
pub(super) fn reap_on_exit() -> io::Result<()> {
    let reap = || {
        let mut rest = REST;
        loop {
            await_child(PATIENCE);
            if reap_orphans() > 0 {
                rest = SHORT_REST;
            } else {
                thread::sleep(rest);
                rest = (rest * 2).min(REST);
            }
        }
    };
    thread::Builder::new().name("reaper".to_owned()).spawn(reap)?;
    Ok(())
}

/// The set of ignored signals, bit n − 1 for signal n, as `proc_pid_status(5)` tells it.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
