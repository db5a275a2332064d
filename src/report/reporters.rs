//! All reporters of a run behind one, so that the fault of one is not the fault of the others.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::TestEvent;
use crate::report::Reporter;

/// The reporters of a run. One that fails is dropped with a complaint; the others go on.
#[derive(Default)]
pub struct Reporters {
    active: Vec<Active>,
    complaints: Vec<String>,
}

struct Active {
    name: String,
    reporter: Box<dyn Reporter>,
    /// What takes over when the reporter panics.
    substitute: Option<Box<dyn Reporter>>,
}

impl Reporters {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reporter; `name` says in a complaint what could not be written.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, reporter: Box<dyn Reporter>) -> Self {
        self.active.push(Active { name: name.into(), reporter, substitute: None });
        self
    }

    /// Adds a reporter, and another one that goes on with the event at which the first one panics.
    #[must_use]
    pub fn with_substitute(
        mut self,
        name: impl Into<String>,
        reporter: Box<dyn Reporter>,
        substitute: Box<dyn Reporter>,
    ) -> Self {
        self.active.push(Active { name: name.into(), reporter, substitute: Some(substitute) });
        self
    }

    /// Tells every reporter what happened.
    pub fn emit(&mut self, event: &TestEvent) {
        self.each(|reporter| reporter.handle(event));
    }

    /// Lets every reporter redraw what changes with time.
    pub fn tick(&mut self) {
        self.each(|reporter| reporter.tick());
    }

    /// What went wrong, a line each.
    #[must_use]
    pub fn into_complaints(self) -> Vec<String> {
        self.complaints
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn Reporter) -> io::Result<()>) {
        let complaints = &mut self.complaints;
        self.active.retain_mut(|Active { name, reporter, substitute }| {
            loop {
                match catch_unwind(AssertUnwindSafe(|| tell(reporter.as_mut()))) {
                    Ok(Ok(())) => return true,
                    // Whoever read it has gone: `partest | head` is no fault.
                    Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
                    Ok(Err(error)) => complaints.push(format!("cannot write {name}: {error}")),
                    Err(_) => {
                        complaints.push(format!("cannot write {name}: internal error"));
                        if let Some(next) = substitute.take() {
                            *reporter = next;
                            continue;
                        }
                    }
                }
                return false;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use crate::model::TestEvent;
    use crate::report::tests::{results, run};
    use crate::report::{BareReporter, Reporter, Reporters};

    /// Panics at the first result.
    struct Fragile;

    impl Reporter for Fragile {
        fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
            assert!(!matches!(event, TestEvent::CaseFinished(_)), "a bug");
            Ok(())
        }
    }

    /// Memory that can still be looked at.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reporter_that_panics_has_a_substitute_and_hurts_no_other() {
        let (substitute, other) = (Page::default(), Page::default());
        let mut reporters = Reporters::new()
            .with_substitute("it", Box::new(Fragile), Box::new(BareReporter::new(substitute.clone())))
            .with("nothing", Box::new(Fragile))
            .with("the other", Box::new(BareReporter::new(other.clone())));
        run(results(), None).iter().for_each(|event| reporters.emit(event));
        let text = |page: Page| String::from_utf8(page.0.lock().expect("no panic").clone()).expect("UTF-8");
        let (substitute, other) = (text(substitute), text(other));
        assert_eq!(substitute, other);
        for word in ["FAIL ", "TIMEOUT ", "ERROR ", "cases did not pass\n"] {
            assert!(other.contains(word), "{other}");
        }
        let complaints = reporters.into_complaints();
        assert_eq!(complaints, ["cannot write it: internal error", "cannot write nothing: internal error"]);
    }
}
