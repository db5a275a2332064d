//! The step `download`: a file, streamed to disk.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use ureq::http::response::Parts;

use crate::descriptor::climbs;
use crate::model::{
    Amount, Captured, DownloadStep, Fact, Observation, Step, StepRecord, StepStatus, Subject,
};
use crate::process::Capture;
use crate::step::http::client::Client;
use crate::step::http::failure::Trouble;
use crate::step::http::range::{ContentRange, Version};
use crate::step::http::request::Request;
use crate::step::http::{after, begin, body, facts_of_head, head};
use crate::step::{RECORDED, StepResult, Surroundings, judge};
use crate::text::Template;
use crate::time::{Deadline, clock};

/// How often a broken connection is taken up again where it broke.
const RESUMES: u32 = 5;

/// The wait before the first of them; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Fetches a file, and looks at what was said of it.
pub(in crate::step) fn download(
    step: &Step,
    download: &DownloadStep,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let client = around.carried.client(around.cancellation);
    let mut record = StepRecord::new(String::new());
    let prepared = begin(client, &download.request, deadline, around, &mut record, false)
        .and_then(|request| Ok((request, target(&download.to, around)?)));
    let (request, target) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => return StepResult::not_started(record, &step.position, message),
    };
    record.command =
        format!("{} -o {}", record.command, crate::text::shell::quote(&target.to_string_lossy()));
    let begin = clock::now();
    let fetched = Fetch::new(&target).fetch(client, &request, around, &mut record);
    around.gauge.clear();
    record.duration = clock::now() - begin;
    let (parts, fetched) = match fetched {
        Ok(fetched) => fetched,
        Err(trouble) => return trouble.conclude(step, record, around),
    };
    let mut facts = facts_of_head(&parts, record.duration);
    let (size, digest) = match fetched {
        Some((size, digest)) => (Fact::Value(size.into()), Fact::Value(digest.into())),
        None => (Fact::Missing, Fact::Missing),
    };
    facts.extend([(Subject::Size, size), (Subject::Sha256, digest)]);
    let observation = Observation { facts, directory: around.directory.to_owned() };
    judge::compare(step, &observation, record, deadline, around)
}

/// Where the file is put.
fn target(to: &Template, around: &Surroundings<'_>) -> Result<PathBuf, String> {
    let to = to.render(around.variables).map_err(|error| error.to_string())?;
    let path = around.directory.join(to.as_ref());
    if climbs(Path::new(to.as_ref())) || !path.starts_with(around.directory) || path.file_name().is_none() {
        return Err(format!("{to:?} is no path of a file in the working directory"));
    }
    Ok(path)
}

/// A file on its way.
struct Fetch {
    target: PathBuf,
    /// The file until it is whole.
    part: PathBuf,
    file: Option<File>,
    /// How many bytes of it there are.
    written: u64,
    digest: Sha256,
    /// How the server tells whether the file is still the same.
    version: Version,
    /// The part of the file that is wanted, which is all of it unless the step asks for a range.
    first: u64,
    last: Option<u64>,
    /// How long the file is, where that is known.
    total: Option<u64>,
    /// What broke the last answer, in words.
    broken: Option<String>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // It is in a directory that goes away, too.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// The head of the last answer, and of a file how many bytes it has and their SHA-256.
type Fetched = (Parts, Option<(u64, String)>);

impl Fetch {
    fn new(target: &Path) -> Self {
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        Self {
            target: target.to_owned(),
            part: part.into(),
            file: None,
            written: 0,
            digest: Sha256::new(),
            version: Version::default(),
            first: 0,
            last: None,
            total: None,
            broken: None,
        }
    }

    /// Asks until the file is whole.
    fn fetch(
        mut self,
        client: &Client,
        request: &Request,
        around: &Surroundings<'_>,
        record: &mut StepRecord,
    ) -> Result<Fetched, Trouble> {
        let mut wait = FIRST_WAIT;
        let mut resumed = 0;
        loop {
            let before = self.written;
            let trouble = match self.ask(client, request, around, record) {
                Ok(Some(fetched)) => return Ok(fetched),
                // A server may give less than it is asked for.
                Ok(None) if self.written > before => continue,
                Ok(None) => {
                    let so_far = self.so_far();
                    Trouble::connection(format!("the answers hold no more of the file, {so_far}"))
                }
                Err(trouble) => trouble,
            };
            if !trouble.may_pass() || self.file.is_none() || resumed == RESUMES {
                return Err(if resumed > 0 { trouble.after_resumes(resumed) } else { trouble });
            }
            resumed += 1;
            if around.cancellation.wait(wait.min(client.line.left())) {
                return Err(Trouble::cancelled());
            }
            wait *= 2;
        }
    }

    /// Asks once, for what is not there yet. `None` when the answer came whole and the file is not.
    fn ask(
        &mut self,
        client: &Client,
        request: &Request,
        around: &Surroundings<'_>,
        record: &mut StepRecord,
    ) -> Result<Option<Fetched>, Trouble> {
        let asked = self.asking_for_the_rest(request);
        let answer = client.send(&asked)?;
        let (parts, body) = answer.response.into_parts();
        let head = head(&answer.hops, &parts);
        let status = parts.status.as_u16();
        record.status = Some(StepStatus::Done(format!("status {status}")));
        if !parts.status.is_success() {
            let parts = refused(parts, body, head, client, record)?;
            return match &self.broken {
                Some(broken) => Err(Trouble::no_rest(broken, status)),
                None => Ok(Some((parts, None))),
            };
        }
        record.stdout = after(head, Captured::default());
        let received = self.begin(&parts, request.has_header("range")).and_then(|()| {
            let of = body::length(&parts.headers).map(|length| self.written + length);
            body::read_plain(body, &parts, &client.line, |bytes| {
                self.write(bytes)?;
                around.gauge.show(Amount { done: self.written, of });
                Ok(())
            })
        });
        if let Err(trouble) = received {
            self.broken = Some(trouble.message().to_owned());
            return Err(trouble);
        }
        if status == 206 && !self.is_whole()? {
            return Ok(None);
        }
        let digest = self.finish()?;
        Ok(Some((parts, Some((self.written, digest)))))
    }

    /// Whether parts make up all that is wanted.
    fn is_whole(&mut self) -> Result<bool, Trouble> {
        let end = self.last.map(|last| last.saturating_add(1)).or(self.total);
        let Some(whole) = end.map(|end| end.saturating_sub(self.first)) else { return Ok(true) };
        if self.written > whole {
            let message = format!("{} bytes came of a file that has {whole}", self.written);
            self.forget();
            return Err(Trouble::connection(message));
        }
        Ok(self.written == whole)
    }

    /// How much there is, in words.
    fn so_far(&self) -> String {
        match self.total {
            Some(total) => format!("after {} of {total} bytes", self.written),
            None => format!("after {} bytes", self.written),
        }
    }

    /// The request for what is not there yet. What may not be the same file any more is asked for from its beginning.
    fn asking_for_the_rest(&self, request: &Request) -> Request {
        let mut request = request.clone();
        // A range of what is compressed is no range of the file.
        if !request.has_header("accept-encoding") {
            request.headers.push(("accept-encoding".to_owned(), "identity".to_owned()));
        }
        if let Some(version) = self.version.strong().filter(|_| self.written > 0) {
            let is_of_range =
                |name: &str| ["range", "if-range"].iter().any(|own| name.eq_ignore_ascii_case(own));
            request.headers.retain(|(name, _)| !is_of_range(name));
            let next = self.first + self.written;
            let last = self.last.map_or_else(String::new, |last| last.to_string());
            request.headers.push(("range".to_owned(), format!("bytes={next}-{last}")));
            request.headers.push(("if-range".to_owned(), version.to_owned()));
        }
        request
    }

    /// Prepares for the body of an answer: the rest of the file, or all that is wanted of it. `is_part` when the step
    /// itself asks for a range.
    fn begin(&mut self, parts: &Parts, is_part: bool) -> Result<(), Trouble> {
        let range = ContentRange::of(&parts.headers).filter(|_| parts.status.as_u16() == 206);
        let version = Version::of(&parts.headers);
        if parts.status.as_u16() == 206 && self.written > 0 && self.version.strong().is_some() {
            return self.go_on(range, &version);
        }
        self.forget();
        self.version = version;
        match range {
            Some(range) if is_part => {
                (self.first, self.last, self.total) = (range.first, Some(range.last), range.total);
            }
            Some(range) if range.first == 0 => self.total = range.total,
            Some(range) => {
                let message =
                    format!("asked for the whole file, the answer begins with byte {}", range.first);
                return Err(Trouble::start(message));
            }
            // Several ranges, of which nobody knows the rest.
            None if parts.status.as_u16() == 206 => self.version = Version::default(),
            None => self.total = body::length(&parts.headers),
        }
        self.create().map_err(Trouble::start)
    }

    /// Prepares for the rest of the file, if it is that.
    fn go_on(&mut self, range: Option<ContentRange>, version: &Version) -> Result<(), Trouble> {
        let wanted = self.first + self.written;
        let Some(range) = range.filter(|range| range.first == wanted) else {
            let found = range.map_or("nothing".to_owned(), |range| format!("byte {}", range.first));
            let message = format!("asked for the rest from byte {wanted}, the answer begins with {found}");
            return Err(Trouble::start(message));
        };
        let other_length = range.total.zip(self.total).filter(|(now, before)| now != before);
        let difference = self.version.difference(version);
        let difference =
            difference.or_else(|| other_length.map(|(now, before)| format!("{before} bytes became {now}")));
        if let Some(difference) = difference {
            self.forget();
            return Err(Trouble::connection(format!(
                "the file changed while the rest of it was asked for: {difference}"
            )));
        }
        self.total = range.total.or(self.total);
        Ok(())
    }

    /// What has come is of no use.
    fn forget(&mut self) {
        (self.written, self.digest, self.version) = (0, Sha256::new(), Version::default());
        (self.first, self.last, self.total) = (0, None, None);
    }

    fn create(&mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write {}: {error}", self.part.display());
        if let Some(folder) = self.part.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        self.file = Some(File::create(&self.part).map_err(failed)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(|error| format!("cannot write {}: {error}", self.part.display()))?;
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name. The SHA-256 of it, in hexadecimal digits.
    fn finish(&mut self) -> Result<String, Trouble> {
        let renamed = fs::rename(&self.part, &self.target);
        renamed
            .map_err(|error| Trouble::start(format!("cannot write {}: {error}", self.target.display())))?;
        self.file = None;
        Ok(HEXLOWER.encode(&std::mem::take(&mut self.digest).finalize()))
    }
}

/// The answer is no file, but says why there is none.
fn refused(
    parts: Parts,
    body: ureq::Body,
    head: Vec<u8>,
    client: &Client,
    record: &mut StepRecord,
) -> Result<Parts, Trouble> {
    let mut capture = Capture::of_output(RECORDED, None);
    let read = body::read(body, &parts, &client.line, |bytes| {
        capture.push(bytes);
        Ok(())
    });
    record.stdout = after(head, capture.finish());
    read.map(|()| parts)
}
