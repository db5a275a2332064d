//! Commands that can be pasted into a POSIX shell.

use std::borrow::Cow;

use crate::text::terminal::is_unprintable;

/// The argument as `sh` reads it: as it stands when it holds nothing special, else in single quotes.
#[must_use]
pub fn quote(argument: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%_-+=:,./".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(plain) {
        return Cow::Borrowed(argument);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
}

/// The same for an argument that is shown on a console: what may not stand there is written in escape sequences that
/// `printf` turns into what they mean.
#[must_use]
pub fn quote_visibly(argument: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| c == '\n' || c == '\t' || is_unprintable(c);
    if !argument.contains(is_hidden) {
        return quote(argument);
    }
    let mut escaped = String::new();
    for c in argument.chars() {
        match c {
            '\\' => escaped.push_str(r"\\"),
            c if is_hidden(c) => {
                let bytes = c.encode_utf8(&mut [0; 4]).as_bytes().to_vec();
                escaped.extend(bytes.iter().map(|byte| format!("\\0{byte:03o}")));
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(format!("\"$(printf %b {})\"", quote(&escaped)))
}

/// The program and its arguments as one command.
#[must_use]
pub fn join<S: AsRef<str>>(arguments: &[S]) -> String {
    let mut command = String::new();
    for (at, argument) in arguments.iter().map(AsRef::as_ref).enumerate() {
        if at > 0 {
            command.push(' ');
        }
        if at == 0 && argument.contains('=') {
            // Unquoted it would be an assignment.
            command.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        } else {
            command.push_str(&quote(argument));
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::{join, quote, quote_visibly};
    use crate::text::terminal::is_unprintable;

    #[test]
    fn only_what_needs_it_is_quoted() {
        assert_eq!(quote("a/b-c.txt"), "a/b-c.txt");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quote("~"), "'~'");
        assert_eq!(join(&["A=b", "x=y", "a b"]), "'A=b' x=y 'a b'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_back_what_was_quoted(argument in "[^\0]{0,24}") {
            let script = format!("printf %s {}", join(&["x", &argument]).strip_prefix("x ").expect("first word"));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
            // `printf %s` of an argument that begins with a dash is still its operand.
            assert_eq!(String::from_utf8_lossy(&output.stdout), argument);
        }

        #[test]
        fn what_is_hidden_is_read_back_as_well(argument in "[a\\\\0'\"$\\t\u{7}\u{202e}é]{0,12}z") {
            let quoted = quote_visibly(&argument);
            assert!(!quoted.contains(is_unprintable));
            let script = format!("printf %s {quoted}");
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), argument);
        }
    }
}
