//! See `tests/it/properties`.
#![no_main]

#[allow(dead_code, reason = "each target checks one of the properties")]
#[path = "../../tests/it/properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::redaction(input));
