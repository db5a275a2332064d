use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Color, FILE, Origin, Settings, SettingsError, Verbosity};

/// The settings in a folder below one with this file.
fn load(
    text: Option<&str>,
    profile: Option<&str>,
    variables: &[(&str, &str)],
) -> (TempDir, Result<Settings, SettingsError>) {
    let root = tempfile::tempdir().expect("a folder");
    if let Some(text) = text {
        fs::write(root.path().join(FILE), text).expect("written");
    }
    let folder = root.path().join("a/b");
    fs::create_dir_all(&folder).expect("a folder");
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    let settings = Settings::load(&folder, profile, &variable);
    (root, settings)
}

fn settings(text: &str, profile: Option<&str>, variables: &[(&str, &str)]) -> Settings {
    load(Some(text), profile, variables).1.unwrap_or_else(|error| panic!("{error}"))
}

fn shown(settings: &Settings) -> String {
    let mut out = Vec::new();
    settings.write(&mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// The line of a key, without what pads it.
fn line(settings: &Settings, key: &str) -> String {
    let shown = shown(settings);
    let line = shown.lines().find(|line| line.split(' ').next() == Some(key)).expect("the key");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_said_means_what_is_built_in() {
    let (root, settings) = load(None, None, &[]);
    let settings = settings.expect("valid");
    assert_eq!(settings.root, root.path().join("a/b"));
    assert!(!settings.has_file);
    assert_eq!((settings.color.value, settings.verbosity.value), (Color::Auto, Verbosity::Normal));
    assert_eq!(line(&settings, "timeout"), "timeout = \"1m\" # built in");
    assert_eq!(line(&settings, "paths"), "paths = [\".\"] # built in");
    let values: toml::Table = shown(&settings).parse().expect("TOML");
    assert_eq!(values.len(), 19);
}

#[test]
fn the_file_is_found_upwards_and_its_folder_is_the_root() {
    let (root, settings) =
        load(Some("[profile.default]\njunit = 'out/report.xml'\npaths = ['s', 't']\n"), None, &[]);
    let settings = settings.expect("valid");
    assert_eq!(settings.root, root.path());
    assert_eq!(settings.junit.value, Some(root.path().join("out/report.xml")));
    assert_eq!(settings.paths.value, [root.path().join("s"), root.path().join("t")]);
    for empty in ["", "\n", "# nothing yet\n", "[profile.default]\n"] {
        assert!(load(Some(empty), None, &[]).1.expect("valid").has_file, "{empty:?}");
    }
}

const PROFILES: &str = "[profile.default]\njobs = 2\ntimeout = '5s'\ncolor = 'never'\n\n[profile.ci]\njobs = 4\nretries = { count = 1, delay = '1s' }\n\n[profile.nightly]\ninherits = 'ci'\ntimeout = '1m'\n";

#[test]
fn profiles_inherit_and_later_ones_go_before() {
    let default = settings(PROFILES, None, &[]);
    assert_eq!(line(&default, "jobs"), "jobs = 2 # partest.toml:2:8, profile default");
    assert_eq!(line(&default, "retries"), "retries = 0 # built in");
    let nightly = settings(PROFILES, Some("nightly"), &[]);
    assert_eq!(line(&nightly, "profile"), "profile = \"nightly\" # the flag --profile");
    assert_eq!(line(&nightly, "jobs"), "jobs = 4 # partest.toml:7:8, profile ci");
    assert_eq!(line(&nightly, "timeout"), "timeout = \"1m\" # partest.toml:12:11, profile nightly");
    assert_eq!(line(&nightly, "color"), "color = \"never\" # partest.toml:4:9, profile default");
    assert_eq!(
        line(&nightly, "retries"),
        "retries = { count = 1, delay = \"1s\" } # partest.toml:8:11, profile ci"
    );
}

#[test]
fn variables_go_before_the_file_and_flags_before_both() {
    let variables = [
        ("PARTEST_PROFILE", "ci"),
        ("PARTEST_JOBS", "7"),
        ("PARTEST_JUNIT", "x.xml"),
        ("PARTEST_TIMEOUT", "9s"),
        ("PARTEST_COLOR", ""),
    ];
    let mut settings = settings(PROFILES, None, &variables);
    assert_eq!(line(&settings, "profile"), "profile = \"ci\" # the variable PARTEST_PROFILE");
    assert_eq!(line(&settings, "jobs"), "jobs = 7 # the variable PARTEST_JOBS");
    assert_eq!(line(&settings, "timeout"), "timeout = \"9s\" # the variable PARTEST_TIMEOUT");
    assert_eq!(line(&settings, "color"), "color = \"never\" # partest.toml:4:9, profile default");
    assert_eq!(settings.junit.value, Some(PathBuf::from("x.xml")), "relative to the working directory");
    settings.jobs.override_by("--jobs", None);
    assert_eq!(settings.jobs.origin, Origin::Variable("PARTEST_JOBS"));
    settings.jobs.override_by("--jobs", std::num::NonZeroUsize::new(1));
    assert_eq!(line(&settings, "jobs"), "jobs = 1 # the flag --jobs");
}

/// The place and message of each mistake.
fn mistakes(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match load(Some(text), None, variables).1 {
        Err(SettingsError::Wrong(diagnostics)) => {
            let text = |diagnostic: &crate::descriptor::Diagnostic| {
                let help = diagnostic.suggestion.as_deref().unwrap_or_default();
                format!("{} {} {help}", diagnostic.position, diagnostic.message)
            };
            diagnostics.iter().map(text).collect()
        }
        other => panic!("{text:?} gives {other:?}"),
    }
}

#[test]
fn mistakes_have_a_place_and_a_way_out_in_every_profile() {
    for (text, place, message, help) in [
        ("[profile.ci]\njbos = 2", "2:1", "unknown key `jbos`", "did you mean `jobs`?"),
        ("[profiles.ci]\njobs = 2", "1:2", "unknown key `profiles`", "did you mean `profile`?"),
        ("jobs = 2", "1:1", "`jobs` belongs to a profile", "[profile.default]"),
        ("profile = 2", "1:11", "expected a profile, found a whole number", "[profile.NAME]"),
        ("profile.ci = 2", "1:14", "expected a profile", ""),
        ("[profile.ci]\njobs = 0", "2:8", "at least one case", ""),
        ("[profile.ci]\njobs = 'all'", "2:8", "expected how many cases", ""),
        (
            "[profile.ci]\ncolor = 'alwais'",
            "2:9",
            "`alwais` is none of the choices",
            "did you mean `always`?",
        ),
        ("[profile.ci]\nverbosity = 2", "2:13", "expected a string", ""),
        (
            "[profile.ci]\nhistory = 'no'",
            "2:11",
            "expected true or false, found a string",
            "write true or false",
        ),
        (
            "[profile.ci]\norder = 'longst'",
            "2:9",
            "`longst` is none of the choices",
            "did you mean `longest`?",
        ),
        ("[profile.ci]\ntimeout = 5", "2:11", "a duration needs a unit", "\"5s\""),
        ("[profile.ci]\ngrace = '5 sec'", "2:9", "`5 sec` is no duration", ""),
        ("[profile.ci]\nretries = -1", "2:11", "no count of retries", ""),
        ("[profile.ci]\npaths = []", "2:9", "the list is empty", ""),
        ("[profile.ci]\njunit = ''", "2:9", "the text is empty", ""),
        ("[profile.ci]\ninherits = 'cii'", "2:12", "there is no profile `cii`", "did you mean `ci`?"),
        ("[profile.ci]\ninherits = 'ci'", "2:12", "inherits from itself", ""),
        ("[profile.ci]\njobs = 1\njobs = 2", "3:1", "duplicate key", ""),
    ] {
        let found = mistakes(text, &[]);
        let [mistake] = found.as_slice() else { panic!("{text:?}: {found:?}") };
        assert!(mistake.starts_with(&format!("{FILE}:{place} ")), "{text:?}: {mistake}");
        assert!(mistake.contains(message) && mistake.contains(help), "{text:?}: {mistake}");
    }
    let found = mistakes("[profile.a]\njobs = 0\ncolour = 1\n[profile.b]\ntimeout = 1", &[]);
    assert_eq!(found.len(), 3, "{found:?}");
    let round = "[profile.a]\ninherits = 'b'\n[profile.b]\ninherits = 'c'\n[profile.c]\ninherits = 'b'\n";
    assert_eq!(mistakes(round, &[]).len(), 2);
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    for (name, value, message) in [
        ("PARTEST_JOBS", "many", "expected how many cases"),
        ("PARTEST_JOBS", "0", "at least one"),
        ("PARTEST_HISTORY", "maybe", "expected true or false"),
        ("PARTEST_ORDER", "shuffled", "none of the choices"),
        ("PARTEST_COLOR", "blue", "none of the choices"),
        ("PARTEST_TIMEOUT", "soon", "no duration"),
        ("PARTEST_RETRIES", "-2", "no count of retries"),
    ] {
        let found = mistakes("", &[(name, value)]);
        assert!(found[0].starts_with(&format!("{name}:1:1 ")) && found[0].contains(message), "{found:?}");
    }
}

#[test]
fn a_profile_that_is_not_there_is_refused() {
    let message = |text, name| load(text, Some(name), &[]).1.expect_err("refused").to_string();
    assert_eq!(
        message(Some("[profile.default]\n[profile.ci]"), "zzzzz"),
        "there is no profile `zzzzz`: known profiles: `default`, `ci`"
    );
    assert_eq!(message(Some(PROFILES), "nigthly"), "there is no profile `nigthly`: did you mean `nightly`?");
    assert!(message(None, "ci").contains("there is no partest.toml here"));
    assert!(load(Some("[profile.ci]\n"), Some("default"), &[]).1.is_ok());
    assert!(load(None, Some("default"), &[]).1.is_ok());
}

#[test]
fn what_is_no_file_is_told() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join(FILE)).expect("a folder");
    let error = Settings::load(root.path(), None, &|_| None).expect_err("refused");
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn the_schema_has_every_key() {
    let schema = super::schema();
    let keys: Vec<_> = schema["$defs"]["Profile"]["properties"].as_object().expect("keys").keys().collect();
    let mut known = super::profiles::KEYS;
    known.sort_unstable();
    assert_eq!(keys, known);
    for key in keys {
        assert!(schema["$defs"]["Profile"]["properties"][key]["description"].is_string(), "{key}");
    }
}
