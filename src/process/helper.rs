//! This program started once more, as the watchdog of the run that started it.

use std::env;
use std::ffi::OsStr;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process::watchdog;

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

/// Does the work of the watchdog if this process was started as one, and says how it ended.
fn help() -> Option<u8> {
    let mut arguments = env::args_os().skip(1);
    let is_watchdog = arguments.next()? == OsStr::new(watchdog::ARGUMENT) && arguments.next().is_none();
    is_watchdog.then(|| if matches!(watchdog::guard(), Ok(true)) { 0 } else { 2 })
}
