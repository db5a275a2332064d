//! The events of a run as JSON lines: what every report can be made of again, here or elsewhere.
//!
//! Entry points: [`Writer`] and [`Reader`]. A journal only ever grows, a whole line at a time, so that it can be
//! read to the last finished case whatever became of the run. It must never lose or change what an event says.
//!
//! The first line is `{"partest":1,"event":"run-started",…}`; the number is the version of the format. Readers
//! pass over events and keys they do not know; a change they could not bear raises the version. Times are
//! nanoseconds (since 1970 UTC for those of the wall clock). A stream that is UTF-8 stands in `head` and `tail`
//! as it is; one that is not, in `head_bytes` and `tail_bytes` with one character for each byte.

mod decode;
mod encode;
mod line;
mod reader;
mod writer;

pub use reader::{JournalError, Reader};
pub use writer::Writer;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests;
