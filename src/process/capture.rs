//! Keeping the head and the tail of a stream within a limit.

use crate::model::Captured;
use crate::process::spill::{Spill, StreamSpill};

/// How much a spill is given at once, in bytes. A ring that pieces are read into holds as much and one piece more.
const BATCH: usize = 256 << 10;

/// What is kept of a stream: its first bytes, and a ring of its last.
///
/// Memory grows with what is written, up to the limit. Each byte is copied once, and not at all where there is so much
/// that it is read into the ring.
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
    /// How many of the last bytes the spill has not been given: it takes many of them at once. The ring has them as long as
    /// the spill is not full.
    withheld: u64,
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
            withheld: 0,
        }
    }

    /// Where the next bytes of the stream may be read to, at most so many, once more has come than is kept: what stands
    /// there is the oldest. [`took`](Self::took) says how many have come.
    pub(in crate::process) fn place(&mut self, most: usize) -> Option<&mut [u8]> {
        if self.dropped == 0 || self.ring_limit < BATCH + most {
            return None;
        }
        let most = most.min(self.ring.len() - self.oldest);
        Some(&mut self.ring[self.oldest..][..most])
    }

    /// So many bytes were read to the place for the next ones.
    pub(in crate::process) fn took(&mut self, count: usize) {
        self.dropped += count as u64;
        self.oldest = (self.oldest + count) % self.ring.len();
        self.withheld += count as u64;
        if self.withheld >= BATCH as u64 {
            self.spill_withheld();
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

    /// Whether the spill has not been given everything yet that it takes before the end.
    pub(in crate::process) fn is_withholding(&self) -> bool {
        self.withheld > 0 && self.spill.as_ref().is_some_and(|spill| !spill.is_full())
    }

    /// Gives the spill what was withheld, as far as it takes it.
    pub(in crate::process) fn spill_withheld(&mut self) {
        if self.is_withholding()
            && let Some(mut spill) = self.spill.take()
        {
            let taken: usize = self.last().into_iter().map(|bytes| spill.push(bytes)).sum();
            self.withheld -= taken as u64;
            self.spill = Some(spill);
        }
    }

    /// What the ring has of what was withheld.
    fn last(&self) -> [&[u8]; 2] {
        let count = usize::try_from(self.withheld).unwrap_or(usize::MAX).min(self.ring.len());
        let (newest, before) = self.ring.split_at(self.oldest);
        let before = &before[before.len() - count.saturating_sub(newest.len())..];
        [before, &newest[newest.len().saturating_sub(count)..]]
    }

    /// Passes on everything from the beginning, once it is more than what is kept.
    fn spill_over(&mut self, bytes: &[u8]) {
        self.spill_withheld();
        let Some(spill) = &mut self.spill else { return };
        let mut pieces = [&[][..], &[], bytes];
        if !spill.has_begun() {
            if self.head.len() + self.ring.len() + bytes.len() <= self.head_limit + self.ring_limit {
                return;
            }
            // Nothing has been overwritten yet, so both are in order.
            pieces = [&self.head, &self.ring, bytes];
        }
        for piece in pieces {
            self.withheld += (piece.len() - spill.push(piece)) as u64;
        }
    }

    /// What was kept. The tail is empty when nothing was dropped.
    #[must_use]
    pub fn finish(mut self) -> Captured {
        self.spill_withheld();
        if let Some(spill) = self.spill.take() {
            let last = self.last();
            let missing = self.withheld - last.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
            spill.finish(missing, last);
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
    use std::fs;

    use proptest::prelude::{ProptestConfig, any, prop, proptest};

    use super::{BATCH, Capture};
    use crate::process::Spill;
    use crate::text::redact::Redactor;

    /// Gives it a piece, as far as it can be so by reading into its ring; says whether any was.
    fn give(capture: &mut Capture, mut piece: &[u8]) -> bool {
        let mut is_read = false;
        while let Some(place) = capture.place(BATCH / 4).filter(|_| !piece.is_empty()) {
            let length = piece.len().min(place.len());
            place[..length].copy_from_slice(&piece[..length]);
            capture.took(length);
            piece = &piece[length..];
            is_read = true;
        }
        if !piece.is_empty() {
            capture.push(piece);
        }
        is_read
    }

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_is_read_into_the_ring_is_kept_and_spilt_as_it_came(
            pieces in prop::collection::vec(1usize..3 * BATCH, 10..20),
            more in 0usize..1000,
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("out");
            let paths = [path.clone(), folder.path().join("err")];
            let limit = 3 * BATCH + more;
            let mut capture = Capture::of_output(limit, Some(&Spill::new(move || paths, u64::MAX, None)));
            let whole: Vec<u8> = (0u32..).flat_map(u32::to_le_bytes).take(pieces.iter().sum()).collect();
            let mut rest = &whole[..];
            let mut is_read = false;
            for length in pieces {
                let (piece, next) = rest.split_at(length);
                is_read |= give(&mut capture, piece);
                rest = next;
            }
            let captured = capture.finish();
            assert_eq!(captured.written(), whole.len() as u64);
            assert!(whole.starts_with(&captured.head) && whole.ends_with(&captured.tail));
            if whole.len() > limit {
                assert_eq!(captured.head.len() + captured.tail.len(), limit);
                assert!(fs::read(path).expect("the file") == whole);
            }
            assert!(is_read || whole.len() < limit + 3 * BATCH);
        }

        #[test]
        fn a_spill_has_the_first_and_the_last_bytes(
            pieces in prop::collection::vec(1usize..2 * BATCH, 1..16),
            most in 1usize..8 * BATCH,
            has_secret in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("out");
            let paths = [path.clone(), folder.path().join("err")];
            let redactor = Redactor::new(["\u{1}\u{2}\u{3}\u{4}"].into_iter().filter(|_| has_secret)).expect("small");
            let limit = 3 * BATCH;
            let mut capture = Capture::of_output(limit, Some(&Spill::new(move || paths, most as u64, redactor)));
            // Nothing of which is a part of the secret, however it is spelt.
            let whole: Vec<u8> = (128u8..251).cycle().take(pieces.iter().sum()).collect();
            let mut rest = &whole[..];
            for length in pieces {
                let (piece, next) = rest.split_at(length);
                give(&mut capture, piece);
                rest = next;
            }
            let captured = capture.finish();
            assert_eq!(captured.written(), whole.len() as u64);
            let kept = limit / 2;
            let expected = match whole.len() {
                length if length <= limit => {
                    assert!(!path.exists());
                    return Ok(());
                }
                length if length <= most + kept => whole,
                length => {
                    let gap = format!("\n[... {} bytes are left out here ...]\n", length - most - kept);
                    [&whole[..most], gap.as_bytes(), &whole[length - kept..]].concat()
                }
            };
            assert!(fs::read(path).expect("the file") == expected);
        }
    }
}
