//! How the system's allocator gets its memory from the kernel.
#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "mallopt: no safe wrapper"))]

#[cfg(target_env = "gnu")]
use std::ffi::c_int;

/// How much address space a heap takes at once, in bytes. What is not touched takes no memory.
#[cfg(target_env = "gnu")]
const STEP: c_int = 32 << 20;

/// Lets heaps grow in large steps: glibc gives every thread but the first a heap of its own and asks the kernel for each
/// of its pages alone, which takes a tenth of the time in which ten thousand descriptors are read. For the command line,
/// before its threads start.
#[cfg(target_env = "gnu")]
pub fn widen_heaps() {
    // SAFETY: mallopt only stores the number, under the allocator's lock.
    unsafe { libc::mallopt(libc::M_TOP_PAD, STEP) };
}

/// Does nothing: only glibc's allocator is known to need it.
#[cfg(not(target_env = "gnu"))]
pub fn widen_heaps() {}
