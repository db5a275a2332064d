use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::{Strategy as _, any, proptest};

use crate::model::{FailureKind, Gauge, Outcome, TestEvent};
use crate::report::Reporter as _;
use crate::report::console::{ConsoleOptions, ConsoleReporter, Layout, LiveRegion, Progress, Verbosity};
use crate::report::tests::{attempt, captured, failure, info, result, results, run};
use crate::text::terminal::Colours;

fn options(layout: Layout, colours: Colours, verbosity: Verbosity) -> ConsoleOptions {
    ConsoleOptions { layout, colours, verbosity, program: "partest".to_owned(), paths: Vec::new() }
}

/// Everything that is printed of a run.
fn printed(events: &[TestEvent], options: ConsoleOptions) -> String {
    let mut out = Vec::new();
    let mut reporter = ConsoleReporter::new(&mut out, options);
    for event in events {
        reporter.handle(event).expect("handled");
        reporter.tick().expect("ticked");
    }
    String::from_utf8(out).expect("UTF-8")
}

fn plain(events: &[TestEvent], verbosity: Verbosity) -> String {
    printed(events, options(Layout::Plain, Colours::Remove, verbosity))
}

#[test]
fn the_plain_layout() {
    let text = plain(&run(results(), Some(2)), Verbosity::Normal);
    assert_eq!(text, include_str!("plain.txt"), "\n{text}");
}

#[test]
fn the_layout_for_terminals() {
    let text = printed(&run(results(), None), options(Layout::Terminal, Colours::Keep, Verbosity::Normal));
    let expected = include_str!("terminal.txt");
    assert_eq!(text.replace('\u{1b}', "␛"), expected, "\n{text}\n{}", text.replace('\u{1b}', "␛"));
}

#[test]
fn a_green_run_is_calm() {
    let green = || results().into_iter().take(2).collect::<Vec<_>>();
    let text = plain(&run(green(), None), Verbosity::Quiet);
    assert_eq!(text, "2 passed · 2 cases in 3.21s\n");
    let text = printed(&run(green(), None), options(Layout::Terminal, Colours::Remove, Verbosity::Normal));
    assert_eq!(text, "✓ basics/greet  2 passed  4ms\n\n2 passed · 2 cases in 3.21s\n");
    let text = printed(&run(green(), None), options(Layout::Terminal, Colours::Keep, Verbosity::Quiet));
    assert_eq!(text, "\u{1b}[1m\u{1b}[32m2 passed · 2 cases in 3.21s\u{1b}[0m\n");
    assert_eq!(plain(&run(Vec::new(), None), Verbosity::Normal), "no cases\n");
}

#[test]
fn a_prediction_is_compared_with_the_run() {
    let mut events = run(results().into_iter().take(2).collect(), None);
    let TestEvent::RunStarted(started) = &mut events[0] else { panic!("{:?}", events[0]) };
    started.predicted = Some(Duration::from_millis(2900));
    let text = plain(&events, Verbosity::Quiet);
    assert_eq!(text, "predicted 2.90s, took 3.21s\n2 passed · 2 cases in 3.21s\n");
    let TestEvent::RunStarted(started) = &mut events[0] else { panic!("{:?}", events[0]) };
    started.total = 3;
    assert_eq!(plain(&events, Verbosity::Quiet), "2 passed · 2 cases in 3.21s\n", "one is missing");
    let none = [events.swap_remove(0), run(Vec::new(), None).pop().expect("an end")];
    assert_eq!(plain(&none, Verbosity::Quiet), "none of 3 cases has a result\n");
}

#[test]
fn more_is_said_when_asked() {
    let events = run(results(), None);
    let quiet = plain(&events, Verbosity::Quiet);
    assert!(quiet.contains("FAIL ") && !quiet.contains("PASS ") && !quiet.contains("SKIP"), "{quiet}");
    let verbose = printed(&events, options(Layout::Terminal, Colours::Remove, Verbosity::Verbose));
    assert!(verbose.contains("PASS        4ms  basics/greet::greets\n"), "{verbose}");
    assert!(verbose.contains("known/bugs::never begun") && !verbose.contains("✓"), "{verbose}");
    assert!(!plain(&events, Verbosity::Normal).contains("known/bugs::never begun"));
    let all = plain(&events, Verbosity::Outputs);
    let start = "basics/greet::greets\n    command: ./greet --lang 'en us'  (exit code 0, 4ms)\n    stdout:\n    | hello\n";
    assert!(all.contains(start), "{all}");
}

#[test]
fn slow_cases_are_named_once_while_they_run() {
    let mut out = Vec::new();
    let mut reporter =
        ConsoleReporter::new(&mut out, options(Layout::Plain, Colours::Remove, Verbosity::Normal));
    for (name, slow_after) in [("slow", Duration::ZERO), ("quick", Duration::from_secs(600))] {
        let event = TestEvent::CaseStarted {
            info: info("a", name, 1),
            attempt: 1,
            slow_after,
            gauge: Gauge::default(),
        };
        reporter.handle(&event).expect("handled");
    }
    reporter.tick().expect("ticked");
    reporter.tick().expect("ticked");
    assert_eq!(String::from_utf8(out).expect("UTF-8"), "SLOW       >0ms  a::slow\n");
}

#[test]
fn a_live_region_is_out_of_the_way_of_lines() {
    /// Notes what is asked of it, between the bytes that are printed.
    struct Notes(Rc<RefCell<Vec<u8>>>);
    impl LiveRegion for Notes {
        fn update(&mut self, progress: &Progress) {
            assert!(progress.finished <= progress.total);
        }
        fn suspend(&mut self, print: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
            self.0.borrow_mut().extend(b"<");
            print()?;
            self.0.borrow_mut().extend(b">");
            Ok(())
        }
        fn clear(&mut self) {
            self.0.borrow_mut().extend(b"clear ");
        }
    }
    struct Shared(Rc<RefCell<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let shared = Rc::new(RefCell::new(Vec::new()));
    let options = options(Layout::Terminal, Colours::Remove, Verbosity::Normal);
    let mut reporter = ConsoleReporter::new(Shared(shared.clone()), options)
        .with_live_region(Box::new(Notes(shared.clone())));
    for event in run(results().into_iter().take(2).collect(), None) {
        reporter.handle(&event).expect("handled");
    }
    let text = String::from_utf8(shared.borrow().clone()).expect("UTF-8");
    assert_eq!(text, "<✓ basics/greet  2 passed  4ms\n>clear \n2 passed · 2 cases in 3.21s\n");
}

#[test]
fn a_broken_console_is_an_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut reporter = ConsoleReporter::new(Closed, options(Layout::Plain, Colours::Keep, Verbosity::Normal));
    let errors = run(results(), None).iter().filter_map(|event| reporter.handle(event).err()).count();
    assert!(errors > results().len() / 2);
}

/// Lines that a CI server or a terminal would obey.
const COMMANDS: [&str; 9] = [
    "::error file=a::b",
    "  ::set-env name=PATH::x",
    "##[error]x",
    "text ##[group]x",
    "##vso[task.complete result=Failed;]",
    "##teamcity[testFailed name='x']",
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[1;1H",
    "\r\u{1b}[31m::debug::x",
    "a\n::warning::b\r\n##[c]",
];

proptest! {
    #[test]
    fn nothing_foreign_is_obeyed(parts in proptest::collection::vec(proptest::prop_oneof![
        any::<String>(),
        proptest::sample::select(COMMANDS.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(vec!["\n", "\r", "\u{1b}", "\u{1b}[1m", "\u{9b}2J", "\u{7}", "\u{202e}"]).prop_map(str::to_owned),
    ], 1..6)) {
        let text = parts.concat();
        let case = info(&text, &text, 1);
        let mut last = attempt(1, Outcome::Failed, 2.0, vec![
            failure(&case, FailureKind::Expectation, &text, &text),
            failure(&case, FailureKind::Expectation, "x", &format!("-expected +actual\n{text}")),
            failure(&case, FailureKind::Descriptor, &text, &text),
        ]);
        last.leaked = vec![text.clone()];
        last.steps[0].command.clone_from(&text);
        last.steps[0].stdout = captured(&text);
        last.steps[0].stderr = captured(&text);
        let mut xfail = result(&case, Outcome::Passed, vec![last.clone()]);
        xfail.expected_failure = Some(text.clone());
        let events = run(vec![result(&case, Outcome::Failed, vec![last]), xfail], None);
        for layout in [Layout::Plain, Layout::Terminal] {
            let shown = printed(&events, options(layout, Colours::Remove, Verbosity::Outputs));
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
            assert!(!shown.contains('\u{202e}'));
            assert_unobeyed(&shown);
            let coloured = printed(&events, options(layout, Colours::Keep, Verbosity::Outputs));
            let stripped = anstream::adapter::strip_str(&coloured).to_string();
            assert!(!coloured.contains(['\u{7}', '\u{9b}']) && !coloured.contains("\u{1b}]"), "{coloured:?}");
            assert_unobeyed(&stripped);
        }
    }
}

fn assert_unobeyed(shown: &str) {
    for line in shown.lines() {
        assert!(!line.trim_start().starts_with("::"), "{line:?}");
        assert!(!["##[", "##vso[", "##teamcity["].iter().any(|command| line.contains(command)), "{line:?}");
    }
}
