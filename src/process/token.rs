//! Tokens: what marks the processes of one command, and by their common beginning those of this process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::rand::{GetRandomFlags, getrandom};

/// How many bytes all tokens of a process have in common.
pub(in crate::process) const PREFIX_LENGTH: usize = 32;

/// A token that no other command has had, here or elsewhere on this machine: 128 random bits in hexadecimal,
/// the same for the whole process, and a number.
#[must_use]
pub fn next_token() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", token_prefix(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What all tokens of this process begin with.
pub(in crate::process) fn token_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let mut bytes = [0; PREFIX_LENGTH / 2];
        if getrandom(&mut bytes, GetRandomFlags::empty()) != Ok(bytes.len()) {
            // Only before the system has gathered any entropy, or where the call is forbidden.
            let state = std::hash::RandomState::new();
            let half = |n: u64| std::hash::BuildHasher::hash_one(&state, n).to_ne_bytes();
            bytes[..8].copy_from_slice(&half(0));
            bytes[8..].copy_from_slice(&half(1));
        }
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}
