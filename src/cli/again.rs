//! The command by which a failure says how its case is run again.

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::Arc;

use crate::model::{Environment, Service, TestCase};
use crate::plan::TestPlan;
use crate::runner;
use crate::text::redact::Redactor;
use crate::text::{Variables, shell};

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
    /// The same without the secrets of a plan.
    pub(super) fn masked(mut self, plan: &TestPlan) -> Self {
        if self.flags.is_empty() {
            return self;
        }
        let redactors = redactors(plan);
        for (_, value) in &mut self.flags {
            match &redactors {
                Ok(redactors) => redactors.iter().for_each(|redactor| redactor.text(value)),
                // What cannot be masked is left out.
                Err(_) => {
                    if let Some((name, _)) = value.split_once('=') {
                        *value = format!("{name}=***");
                    }
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

/// What masks the secrets of all cases, of what is done before and after them, and of what runs beside them.
fn redactors(plan: &TestPlan) -> Result<Vec<Redactor>, String> {
    let hooks = plan.cases.iter().flat_map(|case| case.hooks.iter());
    let hooks = hooks.flat_map(|hooks| [&hooks.setup, &hooks.teardown]).flatten();
    let mut redactors: Vec<Redactor> = Vec::new();
    // Cases share what is equal between them.
    let (mut seen, mut seen_services) = (HashSet::new(), HashSet::new());
    for case in plan.cases.iter().chain(hooks) {
        let TestCase { precautions, environment, services, variables, .. } = &**case;
        if seen.insert((Arc::as_ptr(precautions), Arc::as_ptr(environment))) {
            redactors.extend(redactor(&precautions.secrets, environment, variables)?);
        }
        for service in Service::with_needs(services) {
            if seen_services.insert(Arc::as_ptr(&service)) {
                redactors.extend(redactor(&service.secrets, &service.environment, &service.variables)?);
            }
        }
    }
    Ok(redactors)
}

fn redactor(
    secrets: &[String],
    environment: &Environment,
    variables: &Variables,
) -> Result<Option<Redactor>, String> {
    if secrets.is_empty() {
        return Ok(None);
    }
    // What only an attempt knows stays as it stands.
    let set = environment.set.iter().map(|(name, value)| {
        let value = value.render(variables).unwrap_or_else(|_| value.source().into());
        (OsString::from(name), OsString::from(value.into_owned()))
    });
    runner::redactor(secrets, &set.collect::<Vec<_>>())
}
