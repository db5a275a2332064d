//! What a service has written lately, while it goes on.

use crate::model::Captured;

/// How many bytes are kept at least, of all that was written.
const KEPT: usize = 64 << 10;

/// The last bytes of both streams in the order in which they came.
#[derive(Debug, Default)]
pub(in crate::service) struct Log {
    tail: Vec<u8>,
    written: u64,
}

impl Log {
    /// Takes the next bytes.
    pub(in crate::service) fn push(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        let left_out = bytes.len().saturating_sub(KEPT);
        let bytes = &bytes[left_out..];
        if left_out > 0 {
            self.tail.clear();
        } else if self.tail.len() + bytes.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
        self.tail.extend_from_slice(bytes);
    }

    /// How many bytes were written so far: a place in the log.
    pub(in crate::service) fn written(&self) -> u64 {
        self.written
    }

    /// The last of what was written since a place, at most `most` bytes.
    pub(in crate::service) fn since(&self, place: u64, most: usize) -> Captured {
        let new = self.written.saturating_sub(place);
        let kept = usize::try_from(new).unwrap_or(usize::MAX).min(most).min(self.tail.len());
        let tail = self.tail[self.tail.len() - kept..].to_vec();
        match new - kept as u64 {
            0 => Captured { head: tail, tail: Vec::new(), dropped: 0 },
            dropped => Captured { head: Vec::new(), tail, dropped },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{KEPT, Log};

    proptest! {
        #[test]
        fn the_last_bytes_since_a_place_are_told(
            chunks in prop::collection::vec((any::<u8>(), 0..KEPT * 3), 1..6),
            place in 0..KEPT as u64 * 8,
            most in 0..KEPT * 2,
        ) {
            let (mut log, mut whole) = (Log::default(), Vec::new());
            for (byte, length) in chunks {
                log.push(&vec![byte; length]);
                whole.resize(whole.len() + length, byte);
                assert!(log.tail.len() <= 2 * KEPT);
            }
            assert_eq!(log.written(), whole.len() as u64);
            let since = &whole[whole.len().min(usize::try_from(place).expect("small"))..];
            let told = log.since(place, most);
            assert_eq!(told.written(), since.len() as u64);
            let kept = [told.head.as_slice(), &told.tail].concat();
            assert!(since.ends_with(&kept));
            assert!(kept.len() >= since.len().min(most).min(KEPT));
        }
    }
}
