//! The clock of a run: monotonic time without the time in which the program was stopped.
//!
//! A shell stops a program with SIGTSTP and continues it later. Whoever stops calls [`pause`] before and [`resume`]
//! after; in between, and for those who look at the clock just before or after, it stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Odd while paused. It changes whenever the fields below do, so that a reader knows whether they and the
/// monotonic clock belong together.
static VERSION: AtomicU64 = AtomicU64::new(0);

/// How long all pauses took that are over, in nanoseconds.
static PAUSED: AtomicU64 = AtomicU64::new(0);

/// When the present pause began.
static SINCE: Mutex<Option<Instant>> = Mutex::new(None);

/// Now, on the clock that stands still during pauses. Differs from `Instant::now()` by a constant between two pauses.
#[must_use]
pub fn now() -> Instant {
    loop {
        let version = VERSION.load(Ordering::SeqCst);
        // Read first: while there is a beginning of a pause, that pause is not in the sum yet.
        let paused = Duration::from_nanos(PAUSED.load(Ordering::SeqCst));
        let now = if version.is_multiple_of(2) { Some(Instant::now()) } else { since() };
        if let Some(now) = now.filter(|_| VERSION.load(Ordering::SeqCst) == version) {
            return now.checked_sub(paused).unwrap_or(now);
        }
    }
}

/// Stops the clock, unless it stands already.
pub fn pause() {
    let mut since = SINCE.lock().unwrap_or_else(PoisonError::into_inner);
    if since.is_none() {
        // First, so that nobody reads a later time from the running clock; those that come now wait for the lock.
        VERSION.fetch_add(1, Ordering::SeqCst);
        *since = Some(Instant::now());
    }
}

/// Lets the clock go on from where it stands.
pub fn resume() {
    let mut since = SINCE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(begin) = since.take() {
        let nanoseconds = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        PAUSED.fetch_add(nanoseconds, Ordering::SeqCst);
        VERSION.fetch_add(1, Ordering::SeqCst);
    }
}

fn since() -> Option<Instant> {
    *SINCE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{now, pause, resume};

    /// The clock is the process's own, so this one test does it all.
    #[test]
    fn it_stands_still_while_paused_and_never_goes_back() {
        let reader = std::thread::spawn(|| {
            let (mut last, end) = (now(), Instant::now() + Duration::from_millis(120));
            while Instant::now() < end {
                let next = now();
                assert!(next >= last);
                last = next;
            }
        });
        for _ in 0..20 {
            let (before, real) = (now(), Instant::now());
            pause();
            let stands = now();
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(now(), stands);
            resume();
            assert!(now() - before <= real.elapsed() - Duration::from_millis(5));
        }
        reader.join().expect("never goes back");
    }
}
