//! The command by which a failure says how its case is run again.

use crate::model::Service;
use crate::plan::TestPlan;
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
    /// The same without the values of variables if anything in a plan is secret, which may be made of them in any way.
    pub(super) fn masked(mut self, plan: &TestPlan) -> Self {
        if !self.flags.is_empty() && has_secrets(plan) {
            for (_, value) in &mut self.flags {
                if let Some((name, _)) = value.split_once('=') {
                    *value = format!("{name}=***");
                }
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

/// Whether cases have secrets, or what is done before and after them, or what runs beside them.
fn has_secrets(plan: &TestPlan) -> bool {
    let hooks = plan.cases.iter().flat_map(|case| case.hooks.iter());
    let mut all = plan.cases.iter().chain(hooks.flat_map(|hooks| [&hooks.setup, &hooks.teardown]).flatten());
    all.any(|case| {
        !case.precautions.secrets.is_empty()
            || Service::with_needs(&case.services).iter().any(|service| !service.secrets.is_empty())
    })
}
