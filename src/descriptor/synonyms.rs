//! What other tools call the keys of the language.

/// Words, and the keys that one of them may mean, the likeliest first.
const SYNONYMS: [(&[&str], &[&str]); 22] = [
    (
        &["cmd", "command", "commands", "exec", "execute", "program", "script", "shell", "sh", "bash"],
        &["run"],
    ),
    (&["case", "scenario", "scenarios", "test", "test_cases", "testcases", "tests"], &["cases"]),
    (&["parameters", "params", "var", "variable", "variables"], &["vars", "params"]),
    (
        &["assert", "assertions", "asserts", "check", "checks", "expectations", "expected", "verify"],
        &["expect"],
    ),
    (
        &["code", "exit_code", "exit_status", "exitcode", "rc", "return_code", "returncode"],
        &["exit", "status"],
    ),
    (&["status", "status_code"], &["status", "exit"]),
    (&["err", "error", "errors"], &["stderr", "error"]),
    (&["out", "output"], &["stdout", "output", "body", "content"]),
    (&["body", "response"], &["body", "stdout", "output", "content"]),
    (&["contain", "has", "include", "includes"], &["contains"]),
    (&["match", "pattern", "regex", "regexp"], &["matches", "regex"]),
    (&["eq", "equal", "exactly", "is"], &["equals"]),
    (&["environ", "environment", "envs"], &["env"]),
    (&["attempts", "retry", "tries"], &["retries"]),
    (&["depends", "depends_on", "dependencies", "needs"], &["after"]),
    (&["desc", "description", "label", "summary", "title"], &["name"]),
    (&["fixture", "fixtures", "service"], &["services"]),
    (&["chdir", "dir", "directory", "pwd", "workdir", "working_dir", "working_directory"], &["cwd"]),
    (&["group", "groups", "mark", "marks", "tag"], &["tags"]),
    (&["deadline", "max_time", "time_limit"], &["timeout"]),
    (&["disabled", "ignore", "ignored", "skipped"], &["skip"]),
    (&["input", "std_in"], &["stdin"]),
];

/// The key among those that are known which a word means elsewhere.
pub(crate) fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (_, keys) = SYNONYMS.iter().find(|(words, _)| words.contains(&word))?;
    keys.iter().find_map(|key| known.iter().find(|known| *known == key)).copied()
}

/// The key that a word means elsewhere, wherever that may be.
pub(crate) fn usual(word: &str) -> Option<&'static str> {
    let (_, keys) = SYNONYMS.iter().find(|(words, keys)| words.contains(&word) && !keys.contains(&word))?;
    keys.first().copied()
}
