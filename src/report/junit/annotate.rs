//! Copies what the crate `junit-report` has rendered and adds what it has no words for.

use std::io;
use std::time::SystemTime;

use quick_xml::Writer;
use quick_xml::events::{BytesCData, BytesEnd, BytesStart, Event};
use quick_xml::reader::Reader;

use crate::report::junit::case::{Record, Rerun};
use crate::report::junit::document::{seconds, since_epoch, timestamp};

/// The bytes of the attributes that are added to a case.
const ADDED: usize = 64;

/// What is said of a suite and of its cases, in the order in which the crate was given them.
pub(crate) struct Suite<'a> {
    pub(crate) id: usize,
    pub(crate) errors: usize,
    pub(crate) failures: usize,
    pub(crate) skipped: usize,
    pub(crate) time: String,
    pub(crate) timestamp: String,
    pub(crate) safeguards: &'a str,
    pub(crate) cases: &'a [Record],
}

/// One pass over one suite, of which it is given one part after the other.
pub(crate) struct Annotation<'a> {
    suite: Suite<'a>,
    has_begun: bool,
    next: usize,
    /// The case that is open, while its retries are still to be written.
    open: Option<&'a Record>,
    /// The second in which the last case began, and its text: many begin in the same one.
    second: (u64, String),
}

impl<'a> Annotation<'a> {
    pub(crate) fn new(suite: Suite<'a>) -> Self {
        Self { suite, has_begun: false, next: 0, open: None, second: (0, timestamp(SystemTime::UNIX_EPOCH)) }
    }

    /// Copies the next cases of the suite, in `rendered`, without the document's declaration and root.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn copy(&mut self, rendered: &[u8], writer: &mut Writer<Vec<u8>>) -> Result<(), String> {
        let text = str::from_utf8(rendered).map_err(|error| error.to_string())?;
        let mut reader = Reader::from_str(text);
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            if matches!(event, Event::Eof) {
                break;
            }
            self.event(event, writer).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Ends the suite.
    ///
    /// # Errors
    /// When not all of its cases were copied.
    pub(crate) fn end(self, writer: &mut Writer<Vec<u8>>) -> Result<(), String> {
        if self.next < self.suite.cases.len() {
            return Err("a case is missing".to_owned());
        }
        writer.get_mut().push(b'\n');
        writer.write_event(Event::End(BytesEnd::new("testsuite"))).map_err(|error| error.to_string())
    }

    fn event(&mut self, event: Event<'_>, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        match event {
            Event::Decl(_) => Ok(()),
            Event::Start(element) => match element.name().as_ref() {
                b"testsuites" => Ok(()),
                b"testsuite" if self.has_begun => Ok(()),
                b"testsuite" => {
                    self.has_begun = true;
                    writer.write_event(Event::Start(self.suite_element(&element)?))?;
                    writer.get_mut().push(b'\n');
                    properties(writer, [("partest.safeguards", self.suite.safeguards)])
                }
                b"testcase" => self.open_case(&element, writer).map(drop),
                b"system-out" | b"system-err" => {
                    self.write_reruns(writer)?;
                    writer.write_event(Event::Start(element))
                }
                _ => writer.write_event(Event::Start(element)),
            },
            Event::Empty(element) if element.name().as_ref() == b"testcase" => {
                self.open_case(&element, writer)?;
                self.close_case(writer)
            }
            Event::End(element) => match element.name().as_ref() {
                b"testsuites" | b"testsuite" => Ok(()),
                b"testcase" => self.close_case(writer),
                _ => writer.write_event(Event::End(element)),
            },
            other => writer.write_event(other),
        }
    }

    fn suite_element(&self, element: &BytesStart<'_>) -> io::Result<BytesStart<'static>> {
        let mut copy = BytesStart::new("testsuite");
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(io::Error::other)?;
            match attribute.key.as_ref() {
                b"id" => copy.push_attribute(("id", &*self.suite.id.to_string())),
                b"time" => copy.push_attribute(("time", &*self.suite.time)),
                b"timestamp" => copy.push_attribute(("timestamp", &*self.suite.timestamp)),
                b"tests" => copy.push_attribute(("tests", &*self.suite.cases.len().to_string())),
                b"errors" => copy.push_attribute(("errors", &*self.suite.errors.to_string())),
                b"failures" => {
                    copy.push_attribute(("failures", &*self.suite.failures.to_string()));
                    copy.push_attribute(("skipped", &*self.suite.skipped.to_string()));
                }
                _ => copy.push_attribute(attribute),
            }
        }
        Ok(copy)
    }

    fn open_case(&mut self, element: &BytesStart<'_>, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let case = self.suite.cases.get(self.next).ok_or_else(|| io::Error::other("a case too many"))?;
        self.next += 1;
        self.open = Some(case);
        let mut copy = with_room("testcase", element.len() + ADDED);
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(io::Error::other)?;
            match attribute.key.as_ref() {
                b"time" => copy.push_attribute(("time", &*seconds(case.duration))),
                _ => copy.push_attribute(attribute),
            }
        }
        copy.push_attribute(("line", &*case.info.position.line.to_string()));
        if let Some(started_at) = case.started_at {
            let second = since_epoch(started_at).as_secs();
            if self.second.0 != second {
                self.second = (second, timestamp(started_at));
            }
            copy.push_attribute(("timestamp", &*self.second.1));
        }
        writer.get_mut().push(b'\n');
        writer.write_event(Event::Start(copy))?;
        let properties_of_case = &case.extra().properties;
        if properties_of_case.is_empty() {
            return Ok(());
        }
        properties(writer, properties_of_case.iter().map(|(name, value)| (*name, value.as_str())))
    }

    fn close_case(&mut self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        self.write_reruns(writer)?;
        writer.write_event(Event::End(BytesEnd::new("testcase")))
    }

    /// Writes the retries of the open case, once: after its outcome and before its outputs.
    fn write_reruns(&mut self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let Some(case) = self.open.take() else { return Ok(()) };
        for rerun @ Rerun { element, kind, message, duration, .. } in &case.extra().reruns {
            let time = seconds(*duration);
            let attributes = [("message", message.as_str()), ("type", *kind), ("time", &*time)];
            writer.write_event(Event::Start(BytesStart::new(*element).with_attributes(attributes)))?;
            for (part, text) in rerun.parts() {
                writer.write_event(Event::Start(BytesStart::new(part)))?;
                // The text has been split where a section would end.
                writer.write_event(Event::CData(BytesCData::new(text)))?;
                writer.write_event(Event::End(BytesEnd::new(part)))?;
            }
            writer.write_event(Event::End(BytesEnd::new(*element)))?;
        }
        Ok(())
    }
}

/// An element without attributes yet, and with room for so many bytes of them.
fn with_room(name: &str, room: usize) -> BytesStart<'static> {
    let mut content = String::with_capacity(name.len() + room);
    content.push_str(name);
    BytesStart::from_content(content, name.len())
}

fn properties<'a>(
    writer: &mut Writer<Vec<u8>>,
    all: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> io::Result<()> {
    writer.write_event(Event::Start(BytesStart::new("properties")))?;
    for (name, value) in all {
        let property = BytesStart::new("property").with_attributes([("name", name), ("value", value)]);
        writer.write_event(Event::Empty(property))?;
    }
    writer.write_event(Event::End(BytesEnd::new("properties")))
}
