//! Taking charge of this process while cases run.

use std::io;
use std::sync::Arc;

use crate::process::{self, Watchdog};
use crate::runner::{Control, remember_panics};
use crate::session::signals::{Third, reap_on_exit, stop_on_signals};

/// A process that belongs to the run: it adopts what cases leave behind, its watchdog ends them should it be killed,
/// and signals stop the run.
#[derive(Debug)]
pub struct Charge {
    control: Arc<Control>,
    /// What is not in force, in a line.
    complaint: Option<String>,
    _watchdog: Option<Watchdog>,
}

impl Charge {
    /// Takes charge, for a program that begins with [`init`](crate::init) and then hears
    /// [signals](process::hear_signals). It changes the process for good: its place
    /// as a parent, its signal handlers, the panic hook, and which descriptors other programs inherit.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn take() -> io::Result<Self> {
        remember_panics();
        process::seal_descriptors()?;
        process::adopt_orphans()?;
        reap_on_exit()?;
        let watchdog = Watchdog::start();
        let complaint =
            watchdog.as_ref().err().map(|error| format!("if partest is killed, its cases go on: {error}"));
        let control = Arc::new(Control::new()?);
        stop_on_signals(&control, if watchdog.is_ok() { Third::Exit } else { Third::Nothing })?;
        process::settle_signals();
        Ok(Self { control, complaint, _watchdog: watchdog.ok() })
    }

    /// What is not as it should be.
    #[must_use]
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// What signals stop.
    #[must_use]
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }
}
