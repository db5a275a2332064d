//! Output whose reader may take its time.
//!
//! Who reads standard output may stop for a while, as a pager does, and cases must not wait for it. So what is
//! written goes to a thread of its own: through memory, and through a temporary file without a name once it is
//! much.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many bytes wait in memory.
const IN_MEMORY: usize = 4 << 20;

/// How many bytes are read from the file at once.
const CHUNK: usize = 1 << 20;

/// How often is asked whether waiting still makes sense.
const PAUSE: Duration = Duration::from_millis(50);

/// A writer that never waits for its reader. All its clones write to the same.
#[derive(Clone, Debug)]
pub struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be written first.
    waiting: Vec<u8>,
    /// What is to be written then, and where all new bytes go while it is there.
    overflow: Option<Overflow>,
    /// Nothing more comes.
    is_closed: bool,
    /// How the thread has ended.
    end: Option<io::Result<()>>,
}

#[derive(Debug)]
struct Overflow {
    file: File,
    read: u64,
    written: u64,
}

impl Outlet {
    /// Writes to `out` from now on.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let outlet = Self(Arc::default());
        let shared = Arc::clone(&outlet.0);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            let result = shared.pump(&mut out);
            let mut state = shared.lock();
            state.end = Some(result);
            (state.waiting, state.overflow) = (Vec::new(), None);
            shared.changed.notify_all();
        })?;
        Ok(outlet)
    }

    /// Waits until everything is written, for as long as `goes_on` says yes.
    ///
    /// # Errors
    /// The first error of the output, unless a write has returned it already, and
    /// [`TimedOut`](io::ErrorKind::TimedOut) when something was not written.
    pub fn finish(&self, goes_on: impl Fn() -> bool) -> io::Result<()> {
        let mut state = self.0.lock();
        state.is_closed = true;
        self.0.changed.notify_all();
        loop {
            if let Some(end) = state.end.take() {
                return end;
            }
            if !goes_on() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody has read it to its end"));
            }
            let waited = self.0.changed.wait_timeout(state, PAUSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        match &mut state.end {
            None => state.add(bytes)?,
            Some(end) => {
                mem::replace(end, Ok(()))?;
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        self.0.changed.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until nothing more does.
    fn pump(&self, out: &mut impl Write) -> io::Result<()> {
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() && state.overflow.is_none() {
                if state.is_closed {
                    return Ok(());
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let bytes = state.next()?;
            drop(state);
            out.write_all(&bytes)?;
            out.flush()?;
        }
    }
}

impl State {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.overflow.is_none() && self.waiting.len() + bytes.len() > IN_MEMORY {
            // Without a file it has to be memory.
            self.overflow = tempfile::tempfile().ok().map(|file| Overflow { file, read: 0, written: 0 });
        }
        match &mut self.overflow {
            None => self.waiting.extend_from_slice(bytes),
            Some(overflow) => {
                overflow.file.write_all_at(bytes, overflow.written)?;
                overflow.written += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// What is to be written next.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        let Some(overflow) = self.overflow.as_mut().filter(|_| self.waiting.is_empty()) else {
            return Ok(mem::take(&mut self.waiting));
        };
        let left = usize::try_from(overflow.written - overflow.read).unwrap_or(CHUNK);
        let mut bytes = vec![0; left.min(CHUNK)];
        overflow.file.read_exact_at(&mut bytes, overflow.read)?;
        overflow.read += bytes.len() as u64;
        if overflow.read == overflow.written {
            self.overflow = None;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::{IN_MEMORY, Outlet};

    /// Takes what is written only when it is allowed to.
    struct Slow {
        turns: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Nobody holds it up any more once the other end is gone.
            let _ = self.turns.recv();
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_arrives_in_order_however_slow_the_reader() {
        let ((go, turns), (written, read)) = (channel(), channel());
        let mut outlet = Outlet::start(Slow { turns, written }).expect("a thread");
        let mut whole = Vec::new();
        while whole.len() < 3 * IN_MEMORY {
            let line = format!("line {} {}\n", whole.len(), "x".repeat(whole.len() % 5000));
            // This would wait for ever if it waited for the reader.
            outlet.write_all(line.as_bytes()).expect("taken");
            whole.extend_from_slice(line.as_bytes());
        }
        drop(go);
        outlet.finish(|| true).expect("written");
        assert!(read.try_iter().collect::<Vec<_>>().concat() == whole);
    }

    #[test]
    fn nobody_waits_for_a_reader_that_has_stopped() {
        let ((go, turns), (written, _read)) = (channel(), channel());
        let mut outlet = Outlet::start(Slow { turns, written }).expect("a thread");
        outlet.write_all(b"never read").expect("taken");
        let error = outlet.finish(|| false).expect_err("not written");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(go);
    }

    #[test]
    fn an_error_is_told_once() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut outlet = Outlet::start(Full).expect("a thread");
        let first = loop {
            if let Err(error) = outlet.write_all(b"x") {
                break error;
            }
        };
        assert_eq!(first.kind(), io::ErrorKind::StorageFull);
        assert_eq!(outlet.write_all(b"x").expect_err("over").kind(), io::ErrorKind::BrokenPipe);
        outlet.finish(|| true).expect("told already");
        let mut outlet = Outlet::start(Full).expect("a thread");
        outlet.write_all(b"x").expect("taken");
        assert_eq!(outlet.finish(|| true).expect_err("full").kind(), io::ErrorKind::StorageFull);
    }
}
