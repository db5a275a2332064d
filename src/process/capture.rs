//! Keeping the head and the tail of a stream within a limit.

use crate::model::Captured;
use crate::process::spill::{Spill, StreamSpill};

/// What is kept of a stream: its first bytes, and a ring of its last.
///
/// Memory grows with what is written, up to the limit, and each byte is copied once.
#[derive(Debug)]
pub struct Capture {
    head: Vec<u8>,
    head_limit: usize,
    /// Once full, the oldest byte stands at `oldest`.
    ring: Vec<u8>,
    ring_limit: usize,
    oldest: usize,
    dropped: u64,
    spill: Option<StreamSpill>,
}

impl Capture {
    /// A capture of an output that keeps up to `limit` bytes; if there are more, all go to the first file of `spill`.
    #[must_use]
    pub fn of_output(limit: usize, spill: Option<&Spill>) -> Self {
        Self::new(limit, spill.map(|spill| spill.stream(0)))
    }

    /// A capture that keeps up to `limit` bytes; if there are more, all go to `spill`.
    pub(in crate::process) fn new(limit: usize, spill: Option<StreamSpill>) -> Self {
        let ring_limit = limit / 2;
        Self {
            head: Vec::new(),
            head_limit: limit - ring_limit,
            ring: Vec::new(),
            ring_limit,
            oldest: 0,
            dropped: 0,
            spill,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.spill_over(bytes);
        let (first, rest) = bytes.split_at(bytes.len().min(self.head_limit - self.head.len()));
        append(&mut self.head, first, self.head_limit);
        let surplus = rest.len().saturating_sub(self.ring_limit);
        // What would be overwritten by the same piece is not worth copying.
        let (skipped, mut rest) = rest.split_at(surplus);
        self.dropped += skipped.len() as u64;
        let free = rest.len().min(self.ring_limit - self.ring.len());
        append(&mut self.ring, &rest[..free], self.ring_limit);
        rest = &rest[free..];
        self.dropped += rest.len() as u64;
        while !rest.is_empty() {
            let length = rest.len().min(self.ring.len() - self.oldest);
            self.ring[self.oldest..][..length].copy_from_slice(&rest[..length]);
            self.oldest = (self.oldest + length) % self.ring.len();
            rest = &rest[length..];
        }
    }

    /// Passes on everything from the beginning, once it is more than what is kept.
    fn spill_over(&mut self, bytes: &[u8]) {
        let Some(spill) = &mut self.spill else { return };
        if !spill.has_begun() {
            if self.head.len() + self.ring.len() + bytes.len() <= self.head_limit + self.ring_limit {
                return;
            }
            // Nothing has been overwritten yet, so both are in order.
            spill.push(&self.head);
            spill.push(&self.ring);
        }
        spill.push(bytes);
    }

    /// What was kept. The tail is empty when nothing was dropped.
    #[must_use]
    pub fn finish(mut self) -> Captured {
        if let Some(spill) = self.spill.take() {
            spill.finish();
        }
        self.ring.rotate_left(self.oldest);
        if self.dropped == 0 {
            self.head.append(&mut self.ring);
        }
        Captured { head: self.head, tail: self.ring, dropped: self.dropped }
    }
}

/// Appends, doubling the capacity but never beyond `limit`.
fn append(buffer: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let capacity = needed.max(buffer.capacity() * 2).min(limit);
        buffer.reserve_exact(capacity - buffer.len());
    }
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Capture;

    proptest! {
        #[test]
        fn any_chunking_keeps_head_and_tail(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            limit in 0usize..100,
        ) {
            let mut capture = Capture::new(limit, None);
            for chunk in &chunks {
                capture.push(chunk);
                assert!(capture.head.capacity() + capture.ring.capacity() <= limit + 16);
            }
            let captured = capture.finish();
            let whole = chunks.concat();
            assert_eq!(captured.written(), whole.len() as u64);
            if whole.len() <= limit {
                assert_eq!(captured.whole().as_deref(), Some(&whole[..]));
                assert!(captured.tail.is_empty());
            } else {
                assert_eq!(captured.head.len() + captured.tail.len(), limit);
                assert!(whole.starts_with(&captured.head));
                assert!(whole.ends_with(&captured.tail));
            }
        }
    }
}
