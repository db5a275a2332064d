//! Memory for a moment, shared by all threads: of thousands that wait for their processes few start or read at the same
//! time.

use std::sync::{Mutex, PoisonError};

/// How much is read at once, in bytes.
pub(in crate::process) const CHUNK: usize = 64 << 10;

/// What nobody uses at the moment.
static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// Gives `work` memory of the size of a chunk, in which anything may stand.
pub(in crate::process) fn with_chunk<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut chunk = spare.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice());
    let came = work(&mut chunk);
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
    came
}
