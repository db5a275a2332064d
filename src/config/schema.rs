//! The JSON Schema of `partest.toml`, for editors.

use serde_json::{Map, Value, json};

use crate::config::profiles::{CASE_KEYS, PROFILE};
use crate::config::values::{COLORS, FLAKY, ORDERS, VERBOSITIES};
use crate::descriptor::{POOLS, suite_schema};

/// The schema of `partest.toml`, as of draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    // What cases inherit is the same here as in a suite file.
    let mut suite = suite_schema();
    let mut profile = own_keys();
    for key in CASE_KEYS {
        profile.insert(key.to_owned(), suite["$defs"]["Defaults"]["properties"][key].take());
    }
    profile.insert(POOLS.to_owned(), suite["properties"][POOLS].take());
    json!({
        "$schema": suite["$schema"].take(),
        "title": "partest.toml",
        "description": "How a project runs its suites.",
        "type": "object",
        "properties": {
            PROFILE: {
                "description": "The profiles by name; `default` is used when none is named.",
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/Profile" },
            },
        },
        "additionalProperties": false,
        "patternProperties": { "^x-": true },
        "$defs": {
            "Profile": {
                "type": "object",
                "properties": profile,
                "additionalProperties": false,
                "patternProperties": { "^x-": true },
            },
            "Expression": suite["$defs"]["Expression"].take(),
            "Pools": suite["$defs"]["Pools"].take(),
            "Duration": suite["$defs"]["Duration"].take(),
            "Retries": suite["$defs"]["Retries"].take(),
        },
    })
}

/// The keys of a profile that cases do not inherit.
fn own_keys() -> Map<String, Value> {
    let words = |words: &[&'static str]| json!(words);
    let path = json!({ "type": "string", "pattern": r"\S" });
    let keys = json!({
        "inherits": { "description": "The profile that gives what this one does not say; `default` unless said.", "type": "string" },
        "paths": {
            "description": "What is run when nothing is named: folders and descriptors, relative to this file.",
            "anyOf": [path, { "type": "array", "items": path, "minItems": 1 }],
        },
        "jobs": { "description": "How many cases run at the same time. Default: the number of cores.", "type": "integer", "minimum": 1 },
        "io_jobs": { "description": "How many cases that mostly wait run beside them. Default: 64.", "type": "integer", "minimum": 1 },
        "junit": {
            "description": "Where a JUnit report goes, besides .partest/junit.xml; relative to this file.",
            "type": "string", "pattern": r"\S",
        },
        "order": {
            "description": "In which order cases start: as the files stand, those first that took longest in earlier runs, or another one each time. Default: longest.",
            "enum": words(&ORDERS.map(|(word, _)| word)),
        },
        "history": { "description": "Whether runs are remembered in .partest/history.db. Default: true.", "type": "boolean" },
        "max_fail": { "description": "After how many failed cases no more are started. Default: never.", "type": "integer", "minimum": 1 },
        "run_timeout": {
            "description": "How long a run may take, as in \"30m\": then its cases are ended. Default: as long as it takes.",
            "type": "string", "pattern": r"\S",
        },
        "retry_budget": { "description": "How many retries a run makes, of all cases together. Default: as many as they ask for.", "type": "integer", "minimum": 0 },
        "flaky": {
            "description": "What a case comes to that passes only when it is tried again. Default: pass.",
            "enum": words(&FLAKY.map(|(word, _)| word)),
        },
        "color": { "description": "When colours are used.", "enum": words(&COLORS.map(|(word, _)| word)) },
        "verbosity": {
            "description": "How much the console shows: failures, what fits the place, every case, or also the output of those that pass.",
            "enum": words(&VERBOSITIES.map(|(word, _)| word)),
        },
    });
    match keys {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}
