//! A service while it runs: the thread of its process, the thread that waits until it is ready, and what others
//! may know of it.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::model::{Captured, End, ExitStatus, Pattern};
use crate::process::{self, Cancellation, Finished, Limits, Listener, Output, Spill};
use crate::service::log::Log;
use crate::service::{Event, Launch, Readiness, probe};
use crate::time::{Deadline, format_duration};

/// The pause between two looks at whether it is ready.
const PAUSE: Duration = Duration::from_millis(25);

/// How long processes may outlive a service that has exited by itself.
const LEAK_TIMEOUT: Duration = Duration::from_millis(200);

/// How much of each stream is in memory; what is longer is in its file from the beginning.
const CAPTURE: usize = 64 << 10;

/// The longest line in which a pattern is looked for.
const LINE: usize = 8 << 10;

/// A running service, for the one who has started it. When it is dropped the service is killed.
#[derive(Debug)]
pub struct Service {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<Option<Finished>>>,
}

/// What others may know of a service.
pub struct Watched {
    name: String,
    cancellation: Cancellation,
    /// Ends a probe that is running.
    probing: Cancellation,
    spill: Option<Spill>,
    inner: Mutex<Inner>,
    changed: Condvar,
    notify: Box<dyn Fn(Event) + Send + Sync>,
}

#[derive(Debug, Default)]
struct Inner {
    log: Log,
    /// Whether anything came: standard output, standard error.
    has_written: [bool; 2],
    /// What is looked for in the output until it is found.
    wanted: Option<Lines>,
    is_started: bool,
    is_ready: bool,
    failure: Option<String>,
    is_over: bool,
    /// Whether its output is to be kept in files.
    is_kept: bool,
}

/// The lines of the two streams as they come.
#[derive(Debug)]
struct Lines {
    pattern: Pattern,
    begun: [Vec<u8>; 2],
}

impl Service {
    /// Starts it. `notify` hears from threads of the service how it goes.
    ///
    /// # Errors
    /// When there is no descriptor or no thread left for it; whatever else happens is an [`Event`].
    pub fn start(launch: Launch, notify: Box<dyn Fn(Event) + Send + Sync>) -> io::Result<Self> {
        let wanted = match &launch.ready {
            Readiness::Log(pattern) => Some(Lines { pattern: pattern.clone(), begun: Default::default() }),
            _ => None,
        };
        let watched = Arc::new(Watched {
            name: launch.name.clone(),
            cancellation: Cancellation::new()?,
            probing: Cancellation::new()?,
            spill: launch.command.spill.clone(),
            inner: Mutex::new(Inner { wanted, ..Inner::default() }),
            changed: Condvar::new(),
            notify,
        });
        let shared = Arc::clone(&watched);
        let thread = thread::Builder::new()
            .name(format!("service-{}", launch.name))
            .spawn(move || shared.run(&launch))?;
        Ok(Self { watched, thread: Some(thread) })
    }

    /// What others may know of it.
    #[must_use]
    pub fn watched(&self) -> &Arc<Watched> {
        &self.watched
    }

    /// Asks it to end: TERM, and KILL after its grace period. Does not wait.
    pub fn stop(&self) {
        self.watched.cancellation.stop();
    }

    /// Ends it at once. Does not wait.
    pub fn kill(&self) {
        self.watched.cancellation.kill();
    }

    /// Waits until nothing of it is left, and writes or removes the files of its output.
    pub fn finish(mut self) {
        self.stop();
        self.join();
    }

    fn join(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let finished = thread.join().ok().flatten();
        let Some(spill) = &self.watched.spill else { return };
        if !self.watched.lock().is_kept {
            // Mostly there are none.
            spill.remove();
        } else if let Some(finished) = finished {
            spill.save([&finished.stdout, &finished.stderr], 0);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.kill();
            self.join();
        }
    }
}

impl Watched {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it cannot be used, or not any more.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// A place in its output: what it has written so far lies before it.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.lock().log.written()
    }

    /// The last of what it has written since a place, at most `most` bytes, both streams in one.
    #[must_use]
    pub fn output_since(&self, place: u64, most: usize) -> Captured {
        self.lock().log.since(place, most)
    }

    /// Whether it has written anything there.
    #[must_use]
    pub fn has_written(&self, output: Output) -> bool {
        self.lock().has_written[usize::from(output == Output::Stderr)]
    }

    /// Asks for its whole output to be kept in files.
    pub fn keep_output(&self) {
        self.lock().is_kept = true;
    }

    /// Waits until it can be used; gives the reason when it cannot, and none when `cancellation` was used first.
    ///
    /// # Errors
    /// The reason; none when the wait was cut short.
    pub fn wait_ready(&self, cancellation: &Cancellation) -> Result<(), Option<String>> {
        let mut inner = self.lock();
        loop {
            if let Some(failure) = &inner.failure {
                return Err(Some(failure.clone()));
            }
            if inner.is_ready {
                return Ok(());
            }
            if inner.is_over || cancellation.is_requested() {
                return Err(None);
            }
            inner = self.sleep(inner, PAUSE);
        }
    }

    /// Waits a little for the end of one that may be about to go: what it had open is closed before it is gone.
    pub fn wait_for_end(&self, patience: Duration) {
        let deadline = Deadline::after(Some(patience));
        let mut inner = self.lock();
        while inner.failure.is_none() && !inner.is_over {
            match deadline.remaining() {
                Some(left) if !left.is_zero() => inner = self.sleep(inner, left),
                _ => return,
            }
        }
    }

    /// The whole life of its process.
    fn run(&self, launch: &Launch) -> Option<Finished> {
        let _end = Ending(self);
        let limits = Limits {
            deadline: Deadline::NEVER,
            grace: launch.grace,
            leak_timeout: LEAK_TIMEOUT,
            capture: CAPTURE,
        };
        let begin = Instant::now();
        let token = process::next_token();
        thread::scope(|scope| {
            let prober = thread::Builder::new().name(format!("ready-{}", self.name));
            if let Err(error) = prober.spawn_scoped(scope, || self.await_ready(launch)) {
                self.fail(format!("cannot start: {error}"));
                return None;
            }
            let ran = process::run_heard(&launch.command, &limits, &token, &self.cancellation, Some(self));
            match &ran {
                Err(_) if self.cancellation.is_requested() => {}
                Err(error) => self.fail(format!("cannot start: {error}")),
                // Also when it is to be stopped by now: it had not been told yet.
                Ok(finished) if finished.end == End::Own => {
                    self.fail(self.farewell(finished, begin.elapsed()));
                }
                Ok(_) => {}
            }
            self.end();
            ran.ok()
        })
    }

    /// How a process ended that should not have.
    fn farewell(&self, finished: &Finished, after: Duration) -> String {
        let how = match finished.status {
            ExitStatus::Exited(code) => format!("exited with code {code}"),
            ExitStatus::Signaled(_) => format!("was ended by {}", finished.status),
        };
        let when = if self.lock().is_ready { "" } else { " before it was ready" };
        let mut text = format!("{how}{when}, {} after its start", format_duration(after));
        if !finished.leaked.is_empty() {
            let left = finished.leaked.join(", ");
            text.push_str(&format!(
                "; it left processes behind, which were ended ({left}): a service must stay in the foreground"
            ));
        }
        text
    }

    /// Looks again and again until it is ready, or too late.
    fn await_ready(&self, launch: &Launch) {
        let deadline = Deadline::after(Some(launch.patience));
        // What the last look that had its time came to.
        let mut last = match &launch.ready {
            Readiness::Log(pattern) => Some(format!("no line of its output matches \"{}\"", pattern.regex())),
            _ => None,
        };
        let mut inner = self.lock();
        while !inner.is_over && inner.failure.is_none() && !self.cancellation.is_requested() {
            let left = deadline.remaining().unwrap_or_default();
            if left.is_zero() {
                drop(inner);
                let last = last.as_deref().unwrap_or("it has not started");
                self.fail(format!("was not ready within {}: {last}", format_duration(launch.patience)));
                return self.cancellation.stop();
            }
            if inner.is_started {
                drop(inner);
                match self.look(launch, left) {
                    Some(Ok(())) => return self.be_ready(),
                    // One that the end of the time has cut short soon tells less than one before it.
                    Some(Err(_)) if deadline.has_passed() && last.is_some() && left < launch.patience / 4 => {
                    }
                    Some(Err(reason)) => last = Some(reason),
                    None => {}
                }
                inner = self.lock();
                if inner.is_over {
                    return;
                }
            }
            inner = self.sleep(inner, PAUSE.min(left));
        }
    }

    /// One look; none where only time can tell.
    fn look(&self, launch: &Launch, left: Duration) -> Option<Result<(), String>> {
        match &launch.ready {
            Readiness::Started => Some(Ok(())),
            Readiness::Port(number) => Some(probe::port(*number, left)),
            Readiness::Asked(ask) => Some((ask.0)(probe::within(left), &self.probing)),
            Readiness::Run(command) => Some(probe::run(command, left, &self.probing)),
            Readiness::Log(_) => self.lock().wanted.is_none().then_some(Ok(())),
        }
    }

    fn be_ready(&self) {
        let mut inner = self.lock();
        if inner.is_over || inner.failure.is_some() {
            return;
        }
        inner.is_ready = true;
        drop(inner);
        self.changed.notify_all();
        (self.notify)(Event::Ready);
    }

    /// Notes the first thing that goes wrong, and tells it.
    fn fail(&self, reason: String) {
        let reason = format!("service \"{}\" {reason}", self.name);
        let mut inner = self.lock();
        if inner.failure.is_none() {
            inner.failure = Some(reason.clone());
            drop(inner);
            self.changed.notify_all();
            (self.notify)(Event::Failed(reason));
        }
    }

    /// The process is over: nobody needs to look any more.
    fn end(&self) {
        self.lock().is_over = true;
        self.probing.kill();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep<'a>(&self, inner: MutexGuard<'a, Inner>, most: Duration) -> MutexGuard<'a, Inner> {
        self.changed.wait_timeout(inner, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says that nothing is left, whatever happened on the thread.
struct Ending<'a>(&'a Watched);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("failed: internal error".to_owned());
        }
        self.0.end();
        (self.0.notify)(Event::Gone);
    }
}

impl Listener for Watched {
    fn started(&self) {
        self.lock().is_started = true;
        self.changed.notify_all();
    }

    fn hear(&self, output: Output, bytes: &[u8]) {
        let mut inner = self.lock();
        inner.log.push(bytes);
        inner.has_written[usize::from(output == Output::Stderr)] |= !bytes.is_empty();
        if inner.wanted.as_mut().is_some_and(|lines| lines.take(output, bytes)) {
            inner.wanted = None;
            drop(inner);
            self.changed.notify_all();
        }
    }
}

impl Lines {
    /// Takes the next bytes of a stream; says whether one of its lines matches, the last even before it has ended.
    fn take(&mut self, output: Output, bytes: &[u8]) -> bool {
        let begun = &mut self.begun[usize::from(output == Output::Stderr)];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(&piece[..piece.len().min(LINE.saturating_sub(begun.len()))]);
            let line = begun.strip_suffix(b"\n").unwrap_or(begun);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if self.pattern.regex().is_match(&String::from_utf8_lossy(line)) {
                return true;
            }
            if piece.ends_with(b"\n") {
                begun.clear();
            }
        }
        false
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).finish_non_exhaustive()
    }
}
