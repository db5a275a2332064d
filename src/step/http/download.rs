//! The step `download`: a file, streamed to disk.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use ureq::http::HeaderMap;
use ureq::http::response::Parts;

use crate::descriptor::climbs;
use crate::model::{
    Amount, Captured, DownloadStep, Fact, Observation, Step, StepRecord, StepStatus, Subject,
};
use crate::process::Capture;
use crate::step::http::client::Client;
use crate::step::http::failure::Trouble;
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
    let prepared = begin(client, &download.request, deadline, around, &mut record)
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
    judge::compare(step, &observation, record, around)
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
    version: Option<String>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // It is in a directory that goes away, too.
            let _ = fs::remove_file(&self.part);
        }
    }
}

impl Fetch {
    fn new(target: &Path) -> Self {
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let (target, part) = (target.to_owned(), part.into());
        Self { target, part, file: None, written: 0, digest: Sha256::new(), version: None }
    }

    /// Asks until the file is whole. Gives the head of the last answer, and of a file how many bytes it has and their
    /// SHA-256.
    fn fetch(
        mut self,
        client: &Client,
        request: &Request,
        around: &Surroundings<'_>,
        record: &mut StepRecord,
    ) -> Result<(Parts, Option<(u64, String)>), Trouble> {
        let mut wait = FIRST_WAIT;
        let mut resumed = 0;
        loop {
            let answer = client.send(&self.asking_for_the_rest(request));
            let (parts, result, head) = match answer {
                Ok(answer) => {
                    let (parts, body) = answer.response.into_parts();
                    let head = head(&answer.hops, &parts);
                    let status = parts.status.as_u16();
                    record.status = Some(StepStatus::Done(format!("status {status}")));
                    if !parts.status.is_success() {
                        return self.refused(parts, body, head, client, record).map(|parts| (parts, None));
                    }
                    let result = self.begin(&parts).and_then(|()| {
                        let of = body::length(&parts.headers).map(|length| self.written + length);
                        body::read_plain(body, &parts, &client.line, |bytes| {
                            self.write(bytes)?;
                            around.gauge.show(Amount { done: self.written, of });
                            Ok(())
                        })
                    });
                    (Some(parts), result, head)
                }
                // A server that does not come back is told by what broke first.
                Err(trouble) => (None, Err(trouble), Vec::new()),
            };
            if !head.is_empty() {
                record.stdout = after(head, Captured::default());
            }
            match (parts, result) {
                (Some(parts), Ok(())) => {
                    let digest = self.finish()?;
                    return Ok((parts, Some((self.written, digest))));
                }
                (_, Err(trouble)) if trouble.is_of_connection() && self.written > 0 && resumed < RESUMES => {
                    resumed += 1;
                    if around.cancellation.wait(wait.min(client.line.left())) {
                        return Err(Trouble::cancelled());
                    }
                    wait *= 2;
                }
                (_, Err(trouble)) if resumed > 0 => return Err(trouble.after_resumes(resumed)),
                (_, Err(trouble)) => return Err(trouble),
                (None, Ok(())) => return Err(Trouble::connection("no answer".to_owned())),
            }
        }
    }

    /// The request for what is not there yet.
    fn asking_for_the_rest(&self, request: &Request) -> Request {
        let mut request = request.clone();
        let mut add = |name: &str, value: String| {
            if !request.has_header(name) {
                request.headers.push((name.to_owned(), value));
            }
        };
        // A range of what is compressed is no range of the file.
        add("accept-encoding", "identity".to_owned());
        if self.written > 0 {
            add("range", format!("bytes={}-", self.written));
            if let Some(version) = &self.version {
                add("if-range", version.clone());
            }
        }
        request
    }

    /// Prepares for the body of an answer: the rest of the file, or all of it.
    fn begin(&mut self, parts: &Parts) -> Result<(), Trouble> {
        if parts.status.as_u16() == 206 && self.written > 0 {
            return match begins_at(&parts.headers) {
                Some(start) if start == self.written => Ok(()),
                start => {
                    let found = start.map_or("nothing".to_owned(), |start| format!("byte {start}"));
                    let wanted = self.written;
                    let message =
                        format!("asked for the rest from byte {wanted}, the answer begins with {found}");
                    Err(Trouble::start(message))
                }
            };
        }
        self.version = version(&parts.headers);
        self.written = 0;
        self.digest = Sha256::new();
        self.create().map_err(Trouble::start)
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

    /// The answer is no file, but says why there is none.
    fn refused(
        self,
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
}

/// The byte with which a partial answer begins.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get("content-range")?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.trim().parse().ok()
}

/// How the server tells whether a file is still the same, where it can be relied upon.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok();
    let strong = text("etag").filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| text("last-modified")).map(str::to_owned)
}
