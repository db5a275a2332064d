//! This program started once more, as a helper of the run that started it.

use std::env;
use std::ffi::OsStr;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process::{shim, watchdog};

/// Whether `main` begins as it must.
static INITIALISED: AtomicBool = AtomicBool::new(false);

/// See [`partest::init`](crate::init).
pub fn init() {
    if let Some(code) = help() {
        process::exit(code.into());
    }
    INITIALISED.store(true, Ordering::Relaxed);
}

/// Whether this program has called [`init`], so that it can be its own helper and belongs to its runs.
#[must_use]
pub fn is_initialised() -> bool {
    INITIALISED.load(Ordering::Relaxed)
}

/// Does the work of a helper if this process was started as one, and says how it ended.
fn help() -> Option<u8> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    if first == OsStr::new(watchdog::ARGUMENT) && arguments.next().is_none() {
        return Some(if matches!(watchdog::guard(), Ok(true)) { 0 } else { 2 });
    }
    (first == OsStr::new(shim::ARGUMENT)).then(|| shim::become_program(arguments))
}
