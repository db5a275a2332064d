//! How a run is told to stop.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::model::Safeguards;
use crate::process::{self, Cancellation, Urgency};

/// The way into a running run: a signal handler's thread, or whoever embeds partest, stops it from outside.
#[derive(Debug)]
pub struct Control {
    cancellation: Cancellation,
    /// What teardowns watch, which outlast the first signal.
    last: Cancellation,
    signal: AtomicI32,
    hears_signals: AtomicBool,
}

impl Control {
    /// A control for one run.
    ///
    /// # Errors
    /// When the system gives no file descriptors for it.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            last: Cancellation::new()?,
            cancellation: Cancellation::new()?,
            signal: AtomicI32::new(0),
            hears_signals: AtomicBool::new(false),
        })
    }

    /// Asks the run to stop, for the signal of this number. The first call passes the signal on to running cases, which
    /// have their grace period to end; a second one kills them at once.
    pub fn interrupt(&self, signal: i32) {
        match self.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => self.cancellation.stop_by(signal),
            Err(_) => {
                self.cancellation.kill();
                self.last.kill();
            }
        }
    }

    /// The signal that asked the run to stop.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Whether running cases are killed, as a second call of [`Control::interrupt`] asks for.
    #[must_use]
    pub fn is_killing(&self) -> bool {
        self.cancellation.urgency() == Urgency::Kill
    }

    /// Ends running cases within their grace period, as no signal asked for.
    pub(super) fn expire(&self) {
        self.cancellation.stop();
    }

    /// Says that signals to this process come here.
    #[cfg(any(feature = "cli", feature = "harness"))]
    pub(crate) fn note_signals(&self) {
        self.hears_signals.store(true, Ordering::Relaxed);
    }

    /// What keeps processes from escaping in a run with this control.
    pub(super) fn safeguards(&self) -> Safeguards {
        Safeguards {
            orphans: process::adopts_orphans(),
            watchdog: process::is_watched(),
            signals: self.hears_signals.load(Ordering::Relaxed),
        }
    }

    /// What teardowns watch.
    pub(super) fn last(&self) -> &Cancellation {
        &self.last
    }

    /// Ends the teardowns of a run that is to stop.
    pub(super) fn stop_last(&self) {
        self.last.stop();
    }

    /// What running cases watch.
    pub(super) fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }
}
