//! The properties with input made at random, and with everything in the sample suites cut and bent.

use std::fs;

use proptest::prelude::*;

use crate::properties;
use crate::source::package;

/// Texts of the sample suites by their format, as the property of descriptors takes them.
fn samples() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![package().join("sample-suites")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let choice = match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => {
                    folders.push(path);
                    continue;
                }
                Some("json") => 0,
                Some("toml") => 1,
                Some("yaml") => 2,
                _ => continue,
            };
            let text = fs::read(path).expect("readable");
            found.push([vec![choice], text].concat());
        }
    }
    found.retain(|text| text.len() < 4 << 10);
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bent_samples_are_read_or_refused(
        sample in prop::sample::select(samples()),
        cut in any::<prop::sample::Index>(),
        bent in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        doubled in any::<prop::sample::Index>(),
    ) {
        let mut text = sample;
        let at = bent.index(text.len() - 1) + 1;
        text[at] = byte;
        properties::descriptor(&text);
        let half = text[cut.index(text.len())..].to_vec();
        text.splice(doubled.index(text.len()) + 1.., half);
        properties::descriptor(&text);
    }
}

proptest! {
    #[test]
    fn any_input_keeps_the_properties(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        properties::descriptor(&bytes);
        properties::template(&text);
        properties::template(&format!("{{{{ {text} }}}}"));
        properties::expression(&text);
        properties::journal(&bytes);
        properties::foreign_text(&bytes);
        properties::foreign_text(text.as_bytes());
    }

    #[test]
    fn expressions_of_any_depth_are_read_or_refused(deep in 90..110_usize, word in prop::sample::select(vec!["(", "!", "not ", "!("])) {
        properties::expression(&word.repeat(deep));
        properties::expression(&format!("{}tag(a)", word.repeat(deep)));
    }

    #[test]
    fn secrets_are_masked_however_the_stream_is_cut(
        secrets in prop::collection::vec("[ab\n]{4,7}", 1..4),
        stream in "[abc]{0,60}",
    ) {
        let secrets: Vec<String> = secrets.into_iter().map(|secret| secret.replace('\n', "c")).collect();
        properties::redaction(format!("{}\n{stream}", secrets.join("\0")).as_bytes());
    }
}
