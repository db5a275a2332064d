//! From the mirror of steps to what they do, one function for each kind.

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::kinds::Kind;
use crate::descriptor::lower::{Lowering, check_argument};
use crate::descriptor::lower_matchers::check_written;
use crate::descriptor::mirror::Spanned;
use crate::descriptor::node::Span;
use crate::descriptor::paths;
use crate::descriptor::raw::{RawCase, RawDuration, RawRun, RawStdin, RawStep, Table};
use crate::descriptor::raw_capture::{RawCapture, RawUntil};
use crate::descriptor::raw_expect::RawExpect;
use crate::descriptor::raw_file::RawFile;
use crate::descriptor::raw_http::{RawDownload, RawHttp};
use crate::descriptor::raw_sql::RawSql;
use crate::descriptor::written::Verbatim;
use crate::descriptor::{lower_capture, lower_expect, lower_file, lower_sql};
use crate::model::{CallInput, CallStep, RunCommand, RunStep, Step, StepAction, StepInput};
use crate::text::{Template, Variables, is_template};

/// Names that mean something else in each case.
const OF_ONE_CASE: [&str; 5] = ["work", "tmp", "case", "attempt", "slot"];

/// What one step says: a case that is one, or one of several.
struct Said<'a> {
    run: Option<&'a Spanned<RawRun>>,
    stdin: Option<&'a Spanned<RawStdin>>,
    sleep: Option<&'a Spanned<RawDuration>>,
    file: Option<&'a Spanned<RawFile>>,
    http: Option<&'a Spanned<Box<RawHttp>>>,
    download: Option<&'a Spanned<Box<RawDownload>>>,
    call: Option<&'a Spanned<Verbatim>>,
    worker: Option<&'a Spanned<RawRun>>,
    expect: Option<&'a Spanned<Box<RawExpect>>>,
    sql: Option<&'a Spanned<Box<RawSql>>>,
    capture: Option<&'a Table<Spanned<RawCapture>>>,
    until: Option<&'a Spanned<RawUntil>>,
    timeout: Option<&'a Spanned<RawDuration>>,
    always: bool,
}

impl<'a> Said<'a> {
    fn of_case(case: &'a RawCase) -> Self {
        Self {
            run: case.run.as_ref(),
            stdin: case.stdin.as_ref(),
            sleep: case.sleep.as_ref(),
            file: case.file.as_ref(),
            http: case.http.as_ref(),
            download: case.download.as_ref(),
            sql: case.sql.as_ref(),
            call: case.call.as_ref(),
            worker: case.worker.as_ref(),
            expect: case.expect.as_ref(),
            capture: case.capture.as_ref(),
            until: case.until.as_ref(),
            timeout: None,
            always: false,
        }
    }

    fn of_step(step: &'a RawStep) -> Self {
        Self {
            run: step.run.as_ref(),
            stdin: step.stdin.as_ref(),
            sleep: step.sleep.as_ref(),
            file: step.file.as_ref(),
            http: step.http.as_ref(),
            download: step.download.as_ref(),
            sql: step.sql.as_ref(),
            call: step.call.as_ref(),
            worker: step.worker.as_ref(),
            expect: step.expect.as_ref(),
            capture: step.capture.as_ref(),
            until: step.until.as_ref(),
            timeout: step.timeout.as_ref(),
            always: step.always,
        }
    }

    /// The keys by which kinds of steps are told apart, each with its place where it is given.
    fn given(&self) -> [(&'static str, Option<Span>); 9] {
        [
            ("run", self.run.map(|run| run.span)),
            ("stdin", self.stdin.map(|stdin| stdin.span)),
            ("sleep", self.sleep.map(|sleep| sleep.span)),
            ("file", self.file.map(|file| file.span)),
            ("http", self.http.map(|http| http.span)),
            ("download", self.download.map(|download| download.span)),
            ("sql", self.sql.map(|sql| sql.span)),
            ("call", self.call.map(|call| call.span)),
            ("worker", self.worker.map(|worker| worker.span)),
        ]
    }
}

impl Lowering<'_> {
    /// The steps of a case that stands at `span`.
    pub(crate) fn steps(&mut self, case: &RawCase, span: Span) -> Vec<Step> {
        match &case.steps {
            Some(steps) if steps.0.is_empty() => {
                let problem = Problem::new(steps.span, "`steps` is empty");
                self.problems.push(problem.help("add a step, such as { \"run\": [\"./program\"] }"));
                Vec::new()
            }
            Some(steps) => {
                let captured = steps.0.iter().flat_map(|step| names(step.capture.as_ref()));
                self.scope.will_capture(captured);
                let lower =
                    |step: &Spanned<RawStep>| self.step(&Said::of_step(step), case, "the step", step.span);
                let lowered = steps.0.iter().filter_map(lower).collect();
                self.scope.leave_steps();
                lowered
            }
            None => {
                self.scope.will_capture(names(case.capture.as_ref()));
                let step = self.step(&Said::of_case(case), case, "the case", span);
                // A case of one step needs nothing of a step before it.
                step.map(|step| Step { needs: Vec::new(), ..step }).into_iter().collect()
            }
        }
    }

    /// A step that stands at `span`, which `what` names in messages.
    fn step(&mut self, said: &Said<'_>, case: &RawCase, what: &str, span: Span) -> Option<Step> {
        let kind = Kind::of(&said.given(), what, span);
        let kind = self.note(kind)?;
        let expected = said.expect.map(|expect| expect.given());
        self.problems.extend(kind.refuse_others(&said.given(), expected.as_ref().map_or(&[], |keys| keys)));
        let checks = lower_expect::checks(self, said.expect, kind, span);
        let captures = lower_capture::captures(self, said.capture, kind);
        let timeout = self.late_duration(said.timeout);
        let until = lower_capture::until(self, said.until, case.timeout.as_ref());
        let action = self.action(said);
        let needs = self.scope.take_used();
        names(said.capture).for_each(|name| self.scope.has_captured(name));
        let position = self.sources.position(span);
        Some(Step { position, action: action?, checks, captures, needs, timeout, until, always: said.always })
    }

    /// What the one key says that is given.
    fn action(&mut self, said: &Said<'_>) -> Option<StepAction> {
        if let Some(run) = said.run {
            return self.run(run, said.stdin);
        }
        if let Some(file) = said.file {
            return lower_file::file(self, file);
        }
        if let Some(http) = said.http {
            return self.http(http);
        }
        if let Some(download) = said.download {
            return self.download(download);
        }
        if let Some(sql) = said.sql {
            return lower_sql::sql(self, sql, sql.span);
        }
        if let Some(call) = said.call {
            return self.call(call, said.worker);
        }
        self.late_duration(said.sleep).map(StepAction::Sleep)
    }

    /// A process.
    pub(crate) fn run(
        &mut self,
        run: &Spanned<RawRun>,
        stdin: Option<&Spanned<RawStdin>>,
    ) -> Option<StepAction> {
        let stdin = self.stdin(stdin);
        let command = self.command("run", run);
        Some(StepAction::Run(RunStep { command: command?, stdin: stdin? }))
    }

    /// The program or script under a key.
    fn command(&mut self, key: &str, run: &Spanned<RawRun>) -> Option<RunCommand> {
        match &run.value {
            RawRun::Program(arguments) if arguments.is_empty() => {
                self.problems.push(nothing_to_run(key, run.span));
                None
            }
            RawRun::Program(arguments) => {
                if let Some(program) = arguments.first().filter(|program| program.trim().is_empty()) {
                    let problem = Problem::new(program.span, "the program's name is empty");
                    self.problems.push(problem.help("the first of the list is the program"));
                }
                let known =
                    arguments.iter().filter_map(|argument| self.argument(argument, argument.span)).collect();
                Some(RunCommand::Program(known))
            }
            RawRun::Shell(script) if script.trim().is_empty() => {
                self.problems.push(nothing_to_run(key, run.span));
                None
            }
            RawRun::Shell(script) => self.argument(script, run.span).map(RunCommand::Shell),
        }
    }

    /// A question to a worker.
    fn call(&mut self, call: &Spanned<Verbatim>, worker: Option<&Spanned<RawRun>>) -> Option<StepAction> {
        let checked = check_written(self, &call.0, call.span);
        self.note(checked)?;
        let Some(worker) = worker else {
            let problem = Problem::new(call.span, "nobody answers this `call`");
            self.problems.push(problem.help("name the program that does under `worker`"));
            return None;
        };
        let command = self.worker(worker)?;
        let is_fixed = !call.0.texts().iter().any(|text| is_template(text));
        let input = match call.0.render(&Variables::new()) {
            Ok(json) if is_fixed => CallInput::Fixed(json.into()),
            _ => CallInput::Template(call.0.clone()),
        };
        Some(StepAction::Call(CallStep { worker: command, input }))
    }

    /// A worker, which nothing of one case in particular can be told.
    pub(crate) fn worker(&mut self, worker: &Spanned<RawRun>) -> Option<RunCommand> {
        let command = self.command("worker", worker)?;
        let texts = match &command {
            RunCommand::Program(arguments) => arguments.iter().collect(),
            RunCommand::Shell(script) => vec![script],
        };
        let names = texts.into_iter().flat_map(Template::names);
        for name in names.filter(|name| OF_ONE_CASE.contains(&name.as_str())) {
            let message = format!("a worker serves many cases, and has no {} of its own", quote(&name));
            let help = "what differs from case to case belongs into `call`";
            self.problems.push(Problem::new(worker.span, message).help(help));
        }
        Some(command)
    }

    fn argument(&mut self, text: &str, span: Span) -> Option<Template> {
        let checked = check_argument(text, text.len(), span);
        self.note(checked)?;
        let template = self.scope.template(text, span);
        self.note(template)
    }

    fn stdin(&mut self, stdin: Option<&Spanned<RawStdin>>) -> Option<StepInput> {
        match stdin.map(|stdin| &stdin.value) {
            None => Some(StepInput::Null),
            Some(RawStdin::Text(text)) => self.template(text).map(StepInput::Text),
            Some(RawStdin::File(path)) => {
                let checked = match self.within {
                    Some(_) => paths::check(path, self.reach, path.span),
                    None => paths::check_anywhere(path, path.span),
                };
                self.note(checked)?;
                Some(StepInput::File { path: self.template(path)?, within: self.root() })
            }
        }
    }
}

/// The names that a step captures.
fn names(table: Option<&Table<Spanned<RawCapture>>>) -> impl Iterator<Item = &str> {
    table.into_iter().flat_map(|table| &table.0).map(|(name, _)| name.as_str())
}

fn nothing_to_run(key: &str, span: Span) -> Problem {
    Problem::new(span, format!("`{key}` is empty"))
        .help("write a list with the program and its arguments, or a script for the shell")
}
