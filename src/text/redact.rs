//! Masks secrets, whole or in a stream of pieces.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use crate::text::Variables;

/// What stands in place of a secret.
const MASK: &[u8] = b"***";

/// What stands where something was cut out of a text for people.
const CUT: &str = "…";

/// The fewest bytes of a secret: less would mask what stands everywhere.
pub const SHORTEST: usize = 4;

/// What is encoded in the query of an address, in its path, in a user and a password, and in a part of these or a form, after
/// the URL standard of WHATWG.
const QUERY: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
const PATH: AsciiSet = QUERY.add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');
const USER: AsciiSet =
    PATH.add(b'/').add(b':').add(b';').add(b'=').add(b'@').add(b'[').add(b'\\').add(b']').add(b'|');
const PART: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most memory for an expression that finds secrets, in bytes.
const LARGEST: usize = 256 << 20;

/// Finds secrets and masks them.
///
/// A secret of several lines is found line by line, too, since reports show lines; and every secret also as quoted
/// in JSON and in Rust, and as it stands in an address or a form.
#[derive(Clone)]
pub struct Redactor {
    /// Longest first.
    secrets: Vec<Vec<u8>>,
    expression: Regex,
}

/// The ways in which a text may stand in an address or a form.
fn encoded(text: &str) -> impl Iterator<Item = String> {
    let sets = [&QUERY, &PATH, &USER, &PART].map(|set| utf8_percent_encode(text, set).to_string());
    let form = sets[3].replace("%20", "+");
    sets.into_iter().chain([form])
}

impl Redactor {
    /// A redactor for these secrets; none when there is nothing to mask. What is shorter than [`SHORTEST`] is left
    /// alone.
    ///
    /// # Errors
    /// When they are too long to be searched for, together some megabytes.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, regex::Error> {
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for value in values {
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= 2 * SHORTEST);
            for text in [value, value.trim_end()].into_iter().chain(lines) {
                let json = serde_json::to_string(text).unwrap_or_default();
                let debug = format!("{text:?}");
                let unquoted = |quoted: &str| quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
                secrets.extend([text.to_owned(), unquoted(&json), unquoted(&debug)].map(String::into_bytes));
                secrets.extend(encoded(text).map(String::into_bytes));
            }
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        if secrets.is_empty() {
            return Ok(None);
        }
        let escaped: Vec<String> = secrets.iter().map(|secret| escape(secret)).collect();
        let expression =
            RegexBuilder::new(&format!("(?-u){}", escaped.join("|"))).size_limit(LARGEST).build()?;
        Ok(Some(Self { secrets, expression }))
    }

    /// The bytes with every secret masked.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.expression.replace_all(bytes, regex::bytes::NoExpand(MASK))
    }

    /// Whether there is a secret.
    #[must_use]
    pub fn finds_in(&self, bytes: &[u8]) -> bool {
        self.expression.is_match(bytes)
    }

    /// Masks the secrets in a text where it stands.
    pub fn text(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.bytes(text.as_bytes()) {
            *text = String::from_utf8_lossy(&masked).into_owned();
        }
    }

    /// Masks the secrets in a text for people, also those that a `…` has cut: what stands beside it and is part of a
    /// secret, if it is not too short to tell anything.
    pub fn excerpts(&self, text: &mut String) {
        let is_in = |secret: &Vec<u8>| String::from_utf8_lossy(secret).contains(CUT);
        if !text.contains(CUT) || self.secrets.iter().any(is_in) {
            self.text(text);
        }
        let parts: Vec<&str> = text.split(CUT).collect();
        if parts.len() == 1 {
            return;
        }
        let last = parts.len() - 1;
        let masked = parts.iter().enumerate().map(|(index, part)| {
            let least = |is_cut: bool| is_cut.then_some(SHORTEST);
            let bytes = self.part(part.as_bytes(), least(index > 0), least(index < last));
            String::from_utf8_lossy(&bytes).into_owned()
        });
        *text = masked.collect::<Vec<_>>().join(CUT);
    }

    /// The variables with every secret masked.
    #[must_use]
    pub fn variables(&self, variables: &Variables) -> Variables {
        variables.iter().map(|(name, value)| (name.clone(), self.value(value))).collect()
    }

    /// The value with every secret in its texts masked.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let mut text = text.clone();
                self.text(&mut text);
                text.into()
            }
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(values) => {
                values.iter().map(|(name, value)| (name.clone(), self.value(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// Masks the secrets in a part of a stream after which bytes are missing: its end may be the beginning of one.
    #[must_use]
    pub fn before_gap(&self, bytes: &[u8]) -> Vec<u8> {
        self.part(bytes, None, Some(1))
    }

    /// Masks the secrets in a part of a stream before which bytes are missing: its beginning may be the end of one.
    #[must_use]
    pub fn after_gap(&self, bytes: &[u8]) -> Vec<u8> {
        self.part(bytes, Some(1), None)
    }

    /// Masks the secrets in bytes that begin with the end of one, of at least `end` bytes, or end with the beginning of one, of
    /// at least `begin` bytes. One secret may be a part of another, or begin within it.
    fn part(&self, bytes: &[u8], end: Option<usize>, begin: Option<usize>) -> Vec<u8> {
        let longest = |least: Option<usize>, is_there: &dyn Fn(&[u8], usize) -> bool| {
            let least = least?;
            let found =
                |secret: &Vec<u8>| (least..secret.len()).rev().find(|length| is_there(secret, *length));
            self.secrets.iter().filter_map(found).max()
        };
        let ended = longest(end, &|secret, length| bytes.starts_with(&secret[secret.len() - length..]));
        let begun = longest(begin, &|secret, length| bytes.ends_with(&secret[..length]));
        let mut whole = ended.unwrap_or(0)..bytes.len() - begun.unwrap_or(0);
        if whole.start >= whole.end && (ended, begun) != (None, None) {
            return MASK.to_vec();
        }
        let (first, last) = (whole.start, whole.end);
        for found in self.expression.find_iter(bytes) {
            if (found.start() + 1..found.end()).contains(&first) {
                whole.start = found.end();
            }
            if (found.start() + 1..found.end()).contains(&last) {
                whole.end = found.start();
            }
        }
        let mask = |is_there: bool| if is_there { MASK } else { &[] };
        let rest = if whole.start < whole.end { self.bytes(&bytes[whole.clone()]) } else { Cow::default() };
        [mask(whole.start > 0), &rest, mask(whole.end < bytes.len())].concat()
    }

    fn longest(&self) -> usize {
        self.secrets.first().map_or(0, Vec::len)
    }
}

/// The secrets as an expression, byte by byte.
fn escape(secret: &[u8]) -> String {
    secret.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// Two redactors are equal when they mask the same.
impl PartialEq for Redactor {
    fn eq(&self, other: &Self) -> bool {
        self.secrets == other.secrets
    }
}

impl Eq for Redactor {}

/// Shows no secret.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

/// Masks a stream that comes in pieces, however it is cut.
#[derive(Debug)]
pub struct Masking {
    redactor: Redactor,
    /// What may still be the beginning of a secret.
    held: Vec<u8>,
}

impl Masking {
    /// A stream from its beginning.
    #[must_use]
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, held: Vec::new() }
    }

    /// Takes the next piece, and gives what can be told of all so far.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        // Whatever begins before this place is there in full.
        let certain = self.held.len().saturating_sub(self.redactor.longest() - 1);
        let mut masked = Vec::with_capacity(certain);
        let mut place = 0;
        for found in self.redactor.expression.find_iter(&self.held) {
            if found.start() >= certain {
                break;
            }
            masked.extend_from_slice(&self.held[place..found.start()]);
            masked.extend_from_slice(MASK);
            place = found.end();
        }
        if place < certain {
            masked.extend_from_slice(&self.held[place..certain]);
            place = certain;
        }
        self.held.drain(..place);
        masked
    }

    /// The rest, when no piece follows.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.redactor.bytes(&self.held).into_owned()
    }

    /// The rest, when only `last` follows and bytes are missing before it: what stands before them, and what after them.
    #[must_use]
    pub fn finish_around_gap(self, last: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (self.redactor.before_gap(&self.held), self.redactor.after_gap(last))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, prop, prop_oneof, proptest};

    use super::{Masking, Redactor};

    #[test]
    fn secrets_are_masked_in_every_spelling() {
        let redactor =
            Redactor::new(["hunter22", "a\"b\nsecond line", "abc"]).expect("small").expect("secrets");
        let masked = |text: &str| {
            let mut text = text.to_owned();
            redactor.text(&mut text);
            text
        };
        assert_eq!(masked("is hunter22, hunter2 or hunter22?"), "is ***, hunter2 or ***?");
        assert_eq!(masked("{\"a\\\"b\\nsecond line\"}"), "{\"***\"}");
        assert_eq!(masked("-second line"), "-***");
        assert_eq!(masked("abc"), "abc", "too short to be masked");
        let redactor = Redactor::new(["s3cr t/k\u{e9}@?&"]).expect("small").expect("a secret");
        for spelling in [
            "s3cr%20t/k%C3%A9@?&",
            "s3cr%20t/k%C3%A9@%3F&",
            "s3cr%20t%2Fk%C3%A9%40%3F&",
            "s3cr%20t%2Fk%C3%A9%40%3F%26",
            "s3cr+t%2Fk%C3%A9%40%3F%26",
        ] {
            assert_eq!(redactor.bytes(spelling.as_bytes()), b"***".as_slice(), "{spelling}");
        }
        assert!(Redactor::new(["abc"]).expect("small").is_none());
        assert!(!format!("{redactor:?}").contains("hunter"));
    }

    #[test]
    fn nothing_is_left_beside_a_gap() {
        let redactor = Redactor::new(["hunter22"]).expect("small").expect("a secret");
        assert_eq!(redactor.before_gap(b"x hunter22 hunt"), b"x *** ***");
        assert_eq!(redactor.after_gap(b"er22 hunter22"), b"*** ***");
        assert_eq!(redactor.before_gap(b"nothing"), b"nothing");
        let mut masking = Masking::new(redactor.clone());
        assert_eq!(masking.push(b"a log of hunter22 and hunt"), b"a log of *** a");
        assert_eq!(masking.finish_around_gap(b"er22, too"), (b"nd ***".to_vec(), b"***, too".to_vec()));
        let mut text = "a hunter22 hunter…ter22 hun… hunter".to_owned();
        redactor.excerpts(&mut text);
        assert_eq!(text, "a *** ***…*** hun… hunter");
    }

    #[test]
    fn secrets_in_each_other_are_masked_beside_a_gap() {
        let redactor = Redactor::new(["user", "user:pass2secret", "22bhun", "hunter22"])
            .expect("small")
            .expect("secrets");
        let before = |text: &str| String::from_utf8_lossy(&redactor.before_gap(text.as_bytes())).into_owned();
        let after = |text: &str| String::from_utf8_lossy(&redactor.after_gap(text.as_bytes())).into_owned();
        assert_eq!(before("x user:pass2se"), "x ***");
        assert_eq!(before("x user"), "x ***");
        assert_eq!(before("hunter22"), "***");
        assert_eq!(before("x hunter22"), "x ***");
        assert_eq!(before(""), "");
        assert_eq!(after("ass2secret y"), "*** y");
        assert_eq!(after("er22bhun y"), "*** y");
        assert_eq!(after("t"), "***");
        assert_eq!(after("plain user"), "plain ***");
        let mut text = "x user:pass2…pass2secret y".to_owned();
        redactor.excerpts(&mut text);
        assert_eq!(text, "x ***…*** y");
    }

    proptest! {
        #[test]
        fn any_chunking_masks_the_same(
            pieces in prop::collection::vec(
                prop_oneof![Just("hunter22"), Just("hunter22b"), Just("ter22"), Just("hun"), Just("x"), Just("22b")],
                0..30,
            ),
            cuts in prop::collection::vec(1usize..9, 1..60),
        ) {
            let redactor = Redactor::new(["hunter22", "hunter22b", "22bhun"]).expect("small").expect("secrets");
            let whole = pieces.concat().into_bytes();
            let mut masking = Masking::new(redactor.clone());
            let (mut rest, mut masked) = (&whole[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (chunk, other) = rest.split_at(rest.len().min(*cut));
                masked.extend(masking.push(chunk));
                rest = other;
                if rest.is_empty() {
                    break;
                }
            }
            masked.extend(masking.finish());
            assert_eq!(String::from_utf8_lossy(&masked), String::from_utf8_lossy(&redactor.bytes(&whole)));
        }
    }
}
