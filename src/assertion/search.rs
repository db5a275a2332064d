//! Looks for something in bytes that come piece by piece.

use std::io::{self, ErrorKind, Read};

use memchr::{memchr_iter, memmem, memrchr};
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::start;
use regex_automata::util::syntax;

use crate::model::Pattern;

/// What stands for bytes that are no UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Where two contents begin to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// How many bytes are the same before it.
    pub(crate) byte: u64,
    /// The number of its line, from 1.
    pub(crate) line: u64,
    /// The byte at which that line begins.
    pub(crate) line_start: u64,
}

/// Reads until the buffer is full or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether the text stands somewhere in what comes, of which `piece` bytes are read at once.
pub(crate) fn contains(mut from: impl Read, piece: usize, text: &[u8]) -> io::Result<bool> {
    let finder = memmem::Finder::new(text);
    // What may be the beginning of the text is looked at once more, with what follows.
    let overlap = text.len().saturating_sub(1);
    let mut window = vec![0; overlap + piece.max(text.len())];
    let mut kept = 0;
    loop {
        let count = fill(&mut from, &mut window[kept..])?;
        let end = kept + count;
        if finder.find(&window[..end]).is_some() {
            return Ok(true);
        }
        if count == 0 {
            return Ok(false);
        }
        kept = overlap.min(end);
        window.copy_within(end - kept..end, 0);
    }
}

/// Where the contents differ, if they do.
pub(crate) fn first_difference(
    mut a: impl Read,
    mut b: impl Read,
    piece: usize,
) -> io::Result<Option<Place>> {
    let mut buffers = (vec![0; piece], vec![0; piece]);
    let mut place = Place { byte: 0, line: 1, line_start: 0 };
    loop {
        let counts = (fill(&mut a, &mut buffers.0)?, fill(&mut b, &mut buffers.1)?);
        let (a, b) = (&buffers.0[..counts.0], &buffers.1[..counts.1]);
        let same = match a == b {
            true => a.len(),
            false => a.iter().zip(b).take_while(|(a, b)| a == b).count(),
        };
        place.line += memchr_iter(b'\n', &a[..same]).count() as u64;
        if let Some(last) = memrchr(b'\n', &a[..same]) {
            place.line_start = place.byte + last as u64 + 1;
        }
        place.byte += same as u64;
        if a != b {
            return Ok(Some(place));
        }
        if a.is_empty() {
            return Ok(None);
        }
    }
}

/// Whether the text that comes has a place that matches, with U+FFFD for what is not UTF-8.
///
/// The crate `regex` wants all of a text at once. Whether there is a match at all can be told byte by byte, by the automaton
/// that it uses itself where it can.
pub(crate) fn matches(mut from: impl Read, piece: usize, pattern: &Pattern) -> io::Result<bool> {
    let dfa = automaton(pattern).map_err(io::Error::other)?;
    let mut cache = dfa.create_cache();
    let state = dfa.start_state(&mut cache, &start::Config::new()).map_err(io::Error::other)?;
    let mut search = Search { dfa: &dfa, cache, state };
    let mut window = vec![0; piece];
    let mut kept = 0;
    loop {
        let count = fill(&mut from, &mut window[kept..])?;
        let end = kept + count;
        kept = 0;
        for chunk in window[..end].utf8_chunks() {
            kept = chunk.invalid().len();
            if let Some(found) = search.feed(chunk.valid().as_bytes())? {
                return Ok(found);
            }
            // A character that is cut in two here comes once more, as a whole.
            let ends_here = chunk.invalid().as_ptr_range().end == window[..end].as_ptr_range().end;
            if kept > 0 && !(ends_here && count > 0) {
                kept = 0;
                if let Some(found) = search.feed(REPLACEMENT)? {
                    return Ok(found);
                }
            }
        }
        if count == 0 {
            return search.end();
        }
        window.copy_within(end - kept..end, 0);
    }
}

fn automaton(pattern: &Pattern) -> Result<DFA, String> {
    DFA::builder()
        .syntax(syntax::Config::new().multi_line(true))
        // For texts in ASCII; others make the automaton quit.
        .configure(DFA::config().unicode_word_boundary(true).skip_cache_capacity_check(true))
        .build(pattern.regex().as_str())
        .map_err(|error| error.to_string())
}

struct Search<'a> {
    dfa: &'a DFA,
    cache: Cache,
    state: LazyStateID,
}

impl Search<'_> {
    /// Whether there is a match, once that is known.
    fn feed(&mut self, text: &[u8]) -> io::Result<Option<bool>> {
        for byte in text {
            self.state = self.dfa.next_state(&mut self.cache, self.state, *byte).map_err(io::Error::other)?;
            if !self.state.is_tagged() {
                continue;
            }
            // It ends before this byte; an empty one within a character is none.
            if self.state.is_match() && byte & 0xc0 != 0x80 {
                return Ok(Some(true));
            }
            if self.state.is_dead() {
                return Ok(Some(false));
            }
            if self.state.is_quit() {
                return Err(io::Error::other(
                    "in so large a file `\\b`, `\\B` and the like are only told of ASCII: write `(?-u:\\b)`",
                ));
            }
        }
        Ok(None)
    }

    fn end(mut self) -> io::Result<bool> {
        self.state = self.dfa.next_eoi_state(&mut self.cache, self.state).map_err(io::Error::other)?;
        Ok(self.state.is_match())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::{Place, contains, first_difference, matches};
    use crate::model::Pattern;

    const PATTERNS: [&str; 14] = [
        "ab",
        "^a$",
        r"\Aa",
        r"b\z",
        "a.*b",
        "(?s)a.*b",
        "é+",
        r"\w\d",
        "[^a]\n",
        "",
        "^$",
        "\u{fffd}",
        r"(?-u:\b)a",
        "(?i)É",
    ];

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            bytes in prop::collection::vec(select(&b"ab1\n\xc3\xa9\xff\xe2\x82"[..]), 0..24),
            piece in 1_usize..8,
            from in 0_usize..24,
            length in 0_usize..6,
        ) {
            let from = from.min(bytes.len());
            let part = &bytes[from..(from + length).min(bytes.len())];
            assert!(contains(&*bytes, piece, part).expect("read"));
            let holds = bytes.windows(2).any(|pair| pair == b"ab");
            prop_assert_eq!(contains(&*bytes, piece, b"ab").expect("read"), holds);
            let text = String::from_utf8_lossy(&bytes);
            for source in PATTERNS {
                let pattern = Pattern::new(source).expect("a pattern");
                let found = matches(&*bytes, piece + 3, &pattern).expect("ASCII where that matters");
                prop_assert_eq!(found, pattern.regex().is_match(&text), "{} in {:?}", source, text);
            }
        }

        #[test]
        fn the_first_difference_is_found(
            a in prop::collection::vec(select(&b"a\n"[..]), 0..12),
            b in prop::collection::vec(select(&b"a\n"[..]), 0..12),
            piece in 1_usize..5,
        ) {
            let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            let before = &a[..same];
            let expected = (a != b).then(|| Place {
                byte: same as u64,
                line: 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64,
                line_start: before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1),
            });
            prop_assert_eq!(first_difference(&*a, &*b, piece).expect("read"), expected);
        }
    }

    #[test]
    fn words_are_told_apart_where_the_automaton_can() {
        let pattern = Pattern::new(r"\bab\b").expect("a pattern");
        assert!(matches(&b"x ab."[..], 4, &pattern).expect("ASCII"));
        assert!(!matches(&b"xab"[..], 4, &pattern).expect("ASCII"));
        let error = matches("é ab".as_bytes(), 4, &pattern).expect_err("no ASCII");
        assert!(error.to_string().contains("(?-u:"), "{error}");
    }
}
