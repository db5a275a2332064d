//! `partest completions`.

use std::process::Command;

use crate::support::Suite;

/// What bash would offer for the words of a command line.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words[words.len() - 1], words.len().checked_sub(2).map_or("", |at| words[at]));
    let program = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; COMP_LINE='{}'; COMP_POINT=${{#COMP_LINE}}\n_partest partest '{last}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words.join(" "),
    );
    let output = Command::new("bash").args(["--norc", "-c", &program]).output().expect("bash");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags() {
    let script = Suite::new().run(&["completions", "bash"]).expect_code(0).stdout;
    assert_eq!(offered(&script, &["partest", "ch"]), ["check"]);
    assert_eq!(offered(&script, &["partest", "--expr"]), ["--expression"]);
    assert_eq!(offered(&script, &["partest", "--color", "a"]), ["auto", "always"]);
    assert_eq!(offered(&script, &["partest", "record", "--pri"]), ["--private"]);
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Suite::new().run(&["completions", shell]).expect_code(0).stdout;
        assert!(script.contains("record") && script.contains("junit"), "{shell}: {script}");
    }
    Suite::new().run(&["completions", "csh"]).expect_code(2);
}
