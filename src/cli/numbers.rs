//! Numbers on the command line, refused in the words of a user.

use std::str::FromStr;

/// A whole number from 1, such as a `NonZeroUsize`.
pub(super) fn positive<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "write a whole number, 1 or more".to_owned())
}

/// A whole number from 0.
pub(super) fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u32::MAX))
}
