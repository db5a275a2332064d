//! What `{{ names }}` mean in a case, and the templates that use them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, nearest, quote, suggest};
use crate::descriptor::node::Span;
use crate::descriptor::raw::{RawCase, Text};
use crate::descriptor::variables::check_name_of_variable;
use crate::text::{
    FILTERS, Layers, TESTS, Template, TemplateError, Variables, is_template, place_of_mistake, place_of_name,
};

/// Names that partest gives a value for each attempt.
pub const BUILT_IN: [&str; 7] = ["dir", "tmp", "work", "run_dir", "case", "attempt", "slot"];
/// Names that have, or are to have, a meaning of their own.
pub(crate) const RESERVED: [&str; 7] = ["env", "services", "port", "true", "false", "none", "loop"];
/// Variables that the environment of every case has, whether it names them or not.
const OF_ALL_CASES: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LANG", "TZ"];
/// What a service gives to the templates of cases, as `services.NAME.…`.
const OF_A_SERVICE: [&str; 2] = ["port", "url"];
/// Built-in names that mean nothing to a service.
const OF_ATTEMPTS: [&str; 3] = ["case", "attempt", "slot"];

/// What a case's templates may name.
pub(crate) struct Scope<'a> {
    /// `None` where the case is not known yet, and any name may turn out to have a value.
    variables: Option<&'a Layers>,
    environment: Vec<&'a str>,
    /// The services that are there.
    services: Vec<&'a str>,
    owner: Owner,
    /// Whether the path of the descriptor's folder is a text.
    has_dir: bool,
    /// Names that the setups of the folders above capture.
    given: &'a [String],
    /// The names of ports that were used.
    ports: RefCell<BTreeSet<String>>,
    /// Names that steps capture.
    captured: BTreeMap<String, Captured>,
    /// The captured names that were used.
    used: RefCell<BTreeSet<String>>,
    /// The variables that templates named which are left to the run.
    left: RefCell<BTreeSet<String>>,
}

/// Whose templates are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Case,
    /// Its own port and address are `port` and `url`.
    Service,
}

/// Whether a captured name can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Captured {
    /// A step before has captured it.
    Before,
    /// Only this step or a later one does.
    Later,
}

impl<'a> Scope<'a> {
    /// The names of a case.
    pub(crate) fn new(case: &'a RawCase, variables: &'a Layers) -> Self {
        let inherited = case.inherit_env.0.iter().map(|name| name.as_str());
        let set = case.env.iter().flat_map(|table| &table.0).filter(|(_, value)| value.is_some());
        Self {
            variables: Some(variables),
            environment: inherited.chain(set.map(|(name, _)| name.as_str())).collect(),
            services: case.services.0.iter().map(|name| name.as_str()).collect(),
            owner: Owner::Case,
            has_dir: true,
            given: &[],
            ports: RefCell::default(),
            captured: BTreeMap::new(),
            used: RefCell::default(),
            left: RefCell::default(),
        }
    }

    /// The names of defaults, which only the cases that inherit them can tell.
    pub(crate) fn undecided() -> Self {
        Self {
            variables: None,
            environment: Vec::new(),
            services: Vec::new(),
            owner: Owner::Case,
            has_dir: true,
            given: &[],
            ports: RefCell::default(),
            captured: BTreeMap::new(),
            used: RefCell::default(),
            left: RefCell::default(),
        }
    }

    /// The same for a service, which has an address of its own and makes no attempts.
    pub(crate) fn of_service(self) -> Self {
        Self { owner: Owner::Service, ..self }
    }

    /// The same beside a descriptor in this folder.
    pub(crate) fn beside(self, folder: &Path) -> Self {
        Self { has_dir: folder.to_str().is_some(), ..self }
    }

    /// The same with names that setups have captured.
    pub(crate) fn given(self, given: &'a [String]) -> Self {
        Self { given, ..self }
    }

    /// The names of the free ports that templates ask for; for a service, whether it uses its own.
    pub(crate) fn ports(&self) -> Vec<String> {
        self.ports.borrow().iter().cloned().collect()
    }

    /// Says which names the steps of the case capture; until a step has, they cannot be used.
    pub(crate) fn will_capture<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.captured = names.map(|name| (name.to_owned(), Captured::Later)).collect();
    }

    /// Says that a step has captured a name.
    pub(crate) fn has_captured(&mut self, name: &str) {
        self.captured.insert(name.to_owned(), Captured::Before);
    }

    /// Says that what follows is no step, and cannot use what steps capture.
    pub(crate) fn leave_steps(&mut self) {
        self.captured.values_mut().for_each(|captured| *captured = Captured::Later);
    }

    /// The captured names that were used since this was asked last.
    pub(crate) fn take_used(&mut self) -> Vec<String> {
        self.used.take().into_iter().collect()
    }

    /// Refuses names that no captured value can have.
    pub(crate) fn check_capture(&self, name: &Text) -> Result<(), Problem> {
        check_name_of_variable(name, name.span)?;
        if self.variables.is_some_and(|variables| variables.get(name).is_some()) {
            let message = format!("{} is a variable already", quote(name));
            return Err(Problem::new(name.span, message).help("choose another name"));
        }
        Ok(())
    }

    /// Whether the case is not known yet.
    pub(crate) fn is_undecided(&self) -> bool {
        self.variables.is_none()
    }

    /// The variables that the run needs, since a template names them beside what only the run knows.
    pub(crate) fn left_to_the_run(&self) -> Variables {
        let value = |name: &String| Some((name.clone(), self.variables?.get(name)?.clone()));
        self.left.borrow().iter().filter_map(value).collect()
    }

    /// Reads a template and checks every name in it.
    pub(crate) fn template(&self, text: &str, span: Span) -> Result<Template, Problem> {
        let template = Template::parse(text).map_err(|error| broken(&error, text, span))?;
        if let (Template::Expression(_), Some(variables)) = (&template, self.variables) {
            let check = |name: &String| {
                self.check(name, variables, span).map_err(|problem| about_name(problem, text, name))
            };
            template.names().iter().try_for_each(check)?;
        }
        Ok(template)
    }

    /// Refuses a template where the text is needed before the case runs.
    pub(crate) fn fixed(&self, text: &str, span: Span) -> Result<(), Problem> {
        if !is_template(text) || self.variables.is_none() {
            return Ok(());
        }
        let names = self.template(text, span)?.names();
        let is_late = |name: &&String| {
            let head = split(name).0;
            is_of_the_run(name) || self.captured.contains_key(head) || self.is_given(head)
        };
        Err(match names.iter().find(is_late) {
            Some(name) => about_name(too_late(name, span), text, name),
            None => Problem::new(span, "the text holds `{{`, which cannot stand here"),
        })
    }

    fn check(&self, name: &str, variables: &Layers, span: Span) -> Result<(), Problem> {
        let (head, rest) = split(name);
        if head == "env" {
            return self.check_environment(rest, span);
        }
        match (head, self.owner) {
            ("services", _) => return self.check_service(name, rest, span),
            ("port", Owner::Case) => return self.check_port(name, rest, span),
            ("port" | "url", Owner::Service) => drop(self.ports.borrow_mut().insert(head.to_owned())),
            _ => {}
        }
        let is_known = match self.owner {
            Owner::Case => BUILT_IN.contains(&head),
            Owner::Service => {
                OF_A_SERVICE.contains(&head) || BUILT_IN.contains(&head) && !OF_ATTEMPTS.contains(&head)
            }
        };
        if is_known {
            return match rest {
                None if head == "dir" && !self.has_dir => {
                    let message = "the path of this folder is not UTF-8, so no text can hold it";
                    Err(Problem::new(span, message)
                        .help("`cwd: \"{{ dir }}\"` works, with paths that are relative to it, and so does `inputs`"))
                }
                None => Ok(()),
                Some(_) => {
                    Err(Problem::new(span, format!("`{head}` has no parts, so {} is unknown", quote(name))))
                }
            };
        }
        if OF_ATTEMPTS.contains(&head) {
            let message = format!("{} belongs to a case, and a service runs beside several", quote(head));
            let help = format!("take it out, or let the cases use `{{{{ {head} }}}}`");
            return Err(Problem::new(span, message).help(help));
        }
        match self.captured.get(head) {
            Some(Captured::Before) => {
                self.used.borrow_mut().insert(head.to_owned());
                return Ok(());
            }
            Some(Captured::Later) => {
                let message = format!("{} is used before a step has captured it", quote(head));
                return Err(Problem::new(span, message)
                    .help("only the steps after the one that captures it can use it"));
            }
            None => {}
        }
        if variables.get(head).is_none() && self.is_given(head) {
            self.used.borrow_mut().insert(head.to_owned());
            return Ok(());
        }
        if variables.get(head).is_some() {
            self.left.borrow_mut().insert(head.to_owned());
        }
        let before = self.captured.iter().filter(|(_, when)| **when == Captured::Before);
        let given = self.given.iter().map(String::as_str);
        let captured: Vec<_> = before.map(|(name, _)| name.as_str()).chain(given).collect();
        check_among(name, variables, &captured, span)
    }

    fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|given| given == name)
    }

    fn check_service(&self, name: &str, rest: Option<&str>, span: Span) -> Result<(), Problem> {
        let (service, part) = rest.map_or((None, None), |rest| {
            let (service, part) = split(rest);
            (Some(service), part)
        });
        let Some(service) = service else {
            return Err(Problem::new(span, "`services` alone is no value")
                .help("write `services.NAME.url` or `services.NAME.port`"));
        };
        if !self.services.contains(&service) {
            let message =
                format!("the service {} is not among those that are asked for here", quote(service));
            let help = match nearest(service, self.services.iter().copied()) {
                Some(candidate) => format!("did you mean `services.{candidate}`?"),
                None => format!("add {} to `services`", quote(service)),
            };
            return Err(Problem::new(span, message).help(help));
        }
        match part {
            Some(part) if OF_A_SERVICE.contains(&part) => Ok(()),
            _ => Err(Problem::new(span, format!("unknown variable {}", quote(name)))
                .help(format!("write `services.{service}.url` or `services.{service}.port`"))),
        }
    }

    fn check_port(&self, name: &str, rest: Option<&str>, span: Span) -> Result<(), Problem> {
        match rest {
            Some(port) if !port.contains('.') => {
                self.ports.borrow_mut().insert(port.to_owned());
                Ok(())
            }
            Some(_) => Err(Problem::new(span, format!("unknown variable {}", quote(name)))),
            None => Err(Problem::new(span, "`port` alone is no value")
                .help("write `port.NAME`: a free port, the same for each use of the name in an attempt")),
        }
    }

    fn check_environment(&self, name: Option<&str>, span: Span) -> Result<(), Problem> {
        let Some(name) = name else {
            return Err(Problem::new(span, "`env` alone is no value").help("write `env.NAME`"));
        };
        if self.environment.contains(&name) {
            return Ok(());
        }
        let message = format!("the case does not name the variable {} of its environment", quote(name));
        let is_given = OF_ALL_CASES.contains(&name) || name.starts_with("PARTEST_");
        let help = match nearest(name, self.environment.iter().copied()) {
            // What is inherited would take the place of the private one.
            _ if is_given => format!("the processes of the case have it: a shell reads it as `${name}`"),
            Some(candidate) => format!("did you mean `env.{candidate}`?"),
            None => format!("list {} under `inherit_env`, or set it under `env`", quote(name)),
        };
        Err(Problem::new(span, message).help(help))
    }
}

/// A template that cannot be read.
pub(crate) fn broken(error: &TemplateError, text: &str, span: Span) -> Problem {
    let place = place_of_mistake(text);
    // Of several mistakes the one that is shown.
    let shown = place.clone().and_then(|place| Template::parse(&text[place]).err());
    let message = shown.as_ref().unwrap_or(error).to_string();
    let is_closed = place.clone().is_some_and(|place| text[place].ends_with("}}"));
    let unknown = |what: &str| message.strip_prefix(what)?.strip_suffix(" is unknown");
    let help = if let Some(filter) = unknown("filter ") {
        suggest(filter, "filters", &FILTERS).unwrap_or_default()
    } else if let Some(test) = unknown("test ") {
        suggest(test, "tests", &TESTS).unwrap_or_default()
    } else if message.contains("unexpected end") && is_closed {
        "something is missing before the `}}`".to_owned()
    } else if message.contains("unexpected end") {
        "close it with `}}`, or write `{{ '{{' }}` where two braces are meant as they stand".to_owned()
    } else if message.contains("larger than") || message.contains("longer than") {
        "give a long text to the case as a file, or let the program make it".to_owned()
    } else {
        "write `{{ '{{' }}` where two braces are meant as they stand".to_owned()
    };
    let problem = Problem::new(span, format!("the template is broken: {message}")).help(help);
    match place {
        Some(range) => problem.about(text, range),
        None => problem,
    }
}

/// Puts a problem of a name at the expression that names it.
pub(crate) fn about_name(problem: Problem, text: &str, name: &str) -> Problem {
    match place_of_name(text, name) {
        Some(range) => problem.about(text, range),
        None => problem,
    }
}

/// A name that has no value before the case runs, where one is needed.
pub(crate) fn too_late(name: &str, span: Span) -> Problem {
    let message = format!("{} is known only when the case runs, too late for this value", quote(name));
    Problem::new(span, message).help("use a variable from `vars`, `matrix`, `rows` or `foreach`")
}

/// Whether a name has its value from the run.
pub(crate) fn is_of_the_run(name: &str) -> bool {
    let (head, _) = split(name);
    ["env", "services", "port"].contains(&head) || BUILT_IN.contains(&head)
}

/// The first part of a dotted name, and the rest.
pub(crate) fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('.').map_or((name, None), |(head, rest)| (head, Some(rest)))
}

/// Checks that a variable, or a part of one, has a value.
pub(crate) fn check_variable_of(name: &str, variables: &Layers, span: Span) -> Result<(), Problem> {
    check_among(name, variables, &[], span)
}

/// The same, where the names in `captured` could have been meant, too.
fn check_among(name: &str, variables: &Layers, captured: &[&str], span: Span) -> Result<(), Problem> {
    let (head, rest) = split(name);
    let known = || captured.iter().copied().chain(BUILT_IN).chain(variables.names());
    let Some(mut value) = variables.get(head) else {
        let problem = Problem::new(span, format!("unknown variable {}", quote(head)));
        return Err(match nearest(head, known()) {
            Some(candidate) => problem.help(format!("did you mean `{candidate}`?")),
            None => {
                let mut shown = Vec::new();
                for name in known().take(40).map(quote) {
                    if !shown.contains(&name) {
                        shown.push(name);
                    }
                }
                let shown = shown.join(", ");
                problem.help(format!(
                    "known variables: {shown}, env.NAME, port.NAME; define others under `vars`"
                ))
            }
        });
    };
    for part in rest.into_iter().flat_map(|rest| rest.split('.')) {
        value = match value {
            Value::Object(members) if members.contains_key(part) => &members[part],
            Value::Object(members) => {
                let keys: Vec<_> = members.keys().map(String::as_str).collect();
                let problem = Problem::new(span, format!("unknown variable {}", quote(name)));
                return Err(match suggest(part, "known parts", &keys) {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            }
            Value::Array(_) => return Ok(()),
            _ => {
                let message = format!("`{head}` has no part {}", quote(part));
                return Err(Problem::new(span, message));
            }
        };
    }
    Ok(())
}
