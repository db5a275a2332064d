//! Which part of a file an answer holds, and whether it is still the same file.

use ureq::http::HeaderMap;

/// What `Content-Range` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    /// How long the whole is, where that is known.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// What a partial answer says of itself.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let range = headers.get("content-range")?.to_str().ok()?.trim();
        let (ends, total) = range.strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (first, last) = ends.split_once('-')?;
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then(|| Self { first, last, total: total.trim().parse().ok() })
    }
}

/// How a server tells one state of a file from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    etag: Option<String>,
    modified: Option<String>,
    /// Whether the file could not have changed in the second in which it was sent.
    is_old: bool,
}

impl Version {
    /// What an answer says of it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        let modified = text("last-modified");
        Self { etag: text("etag"), is_old: modified != text("date"), modified }
    }

    /// What can be relied upon to change with every byte of the file: it goes into `If-Range`.
    pub(super) fn strong(&self) -> Option<&str> {
        match &self.etag {
            Some(etag) => Some(etag.as_str()).filter(|etag| !etag.starts_with("W/")),
            None => self.modified.as_deref().filter(|_| self.is_old),
        }
    }

    /// What differs in another answer, so that it is not of the same file.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let words = |name: &str, before: &str, now: Option<&str>| {
            format!(
                "`{name}: {before}` became {}",
                now.map_or("nothing".to_owned(), |now| format!("`{now}`"))
            )
        };
        match (&self.etag, &self.modified, &other.modified) {
            // A partial answer must repeat it.
            (Some(etag), ..) if Some(etag) != other.etag.as_ref() => {
                Some(words("etag", etag, other.etag.as_deref()))
            }
            (_, Some(before), Some(now)) if before != now => Some(words("last-modified", before, Some(now))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{ContentRange, Version};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn ranges_are_read() {
        let range = |text| {
            ContentRange::of(&headers(&[("content-range", text)]))
                .map(|range| (range.first, range.last, range.total))
        };
        assert_eq!(range("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(range("bytes 0-0/*"), Some((0, 0, None)));
        for none in ["bytes */10", "bytes 9-5/10", "lines 0-1/2", "bytes 1-2", ""] {
            assert_eq!(range(none), None, "{none}");
        }
    }

    #[test]
    fn only_what_changes_with_every_byte_is_relied_upon() {
        let strong = |pairs: &[_]| Version::of(&headers(pairs)).strong().map(str::to_owned);
        let (early, late) = ("Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:01 GMT");
        assert_eq!(strong(&[("etag", "\"a\""), ("last-modified", early)]).as_deref(), Some("\"a\""));
        assert_eq!(strong(&[("etag", "W/\"a\""), ("last-modified", early)]), None);
        assert_eq!(strong(&[("last-modified", early), ("date", late)]).as_deref(), Some(early));
        assert_eq!(strong(&[("last-modified", early), ("date", early)]), None);
        assert_eq!(strong(&[]), None);
    }

    #[test]
    fn another_file_is_known_by_what_differs() {
        let version = |pairs: &[_]| Version::of(&headers(pairs));
        let first = version(&[("etag", "\"a\""), ("last-modified", "x")]);
        assert_eq!(first.difference(&version(&[("etag", "\"a\"")])), None);
        let differs = |pairs: &[_]| first.difference(&version(pairs)).expect("a difference");
        assert_eq!(differs(&[("etag", "\"b\"")]), "`etag: \"a\"` became `\"b\"`");
        assert_eq!(differs(&[]), "`etag: \"a\"` became nothing");
        assert_eq!(differs(&[("etag", "\"a\""), ("last-modified", "y")]), "`last-modified: x` became `y`");
    }
}
