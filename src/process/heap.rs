//! How the system's allocator gets its memory from the kernel.
#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "mallopt: no safe wrapper"))]

/// How much address space a heap takes at once, in bytes, while descriptors are read. What is not touched takes no memory.
const WIDE: i32 = 32 << 20;

/// What glibc takes at once, keeps, and takes apart from the heap (`DEFAULT_TOP_PAD` and its like).
const USUAL: i32 = 128 << 10;

/// Lets heaps grow in large steps, and keep what is given back: glibc gives every thread but the first a heap of its own
/// and asks the kernel for each of its pages alone, which takes a tenth of the time in which ten thousand descriptors are
/// read. For the command line, before its threads start.
pub fn widen_heaps() {
    set_amounts(WIDE);
}

/// Lets heaps grow as usual again: from here on they give back what thousands of threads have freed.
pub fn narrow_heaps() {
    set_amounts(USUAL);
}

#[cfg(target_env = "gnu")]
fn set_amounts(bytes: std::ffi::c_int) {
    // SAFETY: mallopt only stores the numbers, under the allocator's lock.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, bytes);
        // What is given back is used again, and not asked for anew; large blocks, too.
        libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
        libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
    };
}

/// Only glibc's allocator is known to need it.
#[cfg(not(target_env = "gnu"))]
fn set_amounts(_: i32) {}
