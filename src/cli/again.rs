//! The command by which a failure says how its case is run again.

use crate::text::shell;

/// What the command must say besides the id of the case, and besides its file where that alone leads to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Again {
    /// The flags that decide what a case is, and their values.
    pub(super) flags: Vec<(&'static str, String)>,
    /// The paths by which a case is found again, where its file alone would not do: from a folder below the
    /// project's root, or for what lies outside of it.
    pub(super) paths: Vec<String>,
}

impl Again {
    /// The same without the values of variables.
    pub(super) fn masked(mut self) -> Self {
        for (_, value) in &mut self.flags {
            if let Some((name, _)) = value.split_once('=') {
                *value = format!("{name}=***");
            }
        }
        self
    }

    /// The program with its flags, as a shell reads them.
    pub(super) fn program(&self) -> String {
        let mut program = "partest".to_owned();
        for (flag, value) in &self.flags {
            program.push_str(&format!(" {flag} {}", shell::quote_visibly(value)));
        }
        program
    }
}
