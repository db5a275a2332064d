//! From the mirror of `http` and `download` to requests, and from what is expected of them to checks.

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::late;
use crate::descriptor::lower::{Lowering, parsed_duration, scalar};
use crate::descriptor::lower_expect::{Place, located, matchers};
use crate::descriptor::lower_matchers::{check_json, check_written};
use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::{RawDuration, RawStdin, Text};
use crate::descriptor::raw_expect::RawExpect;
use crate::descriptor::raw_http::{
    Fields, Pairs, RawAuth, RawCode, RawDownload, RawField, RawFollow, RawHttp, RawPace, RawRange, RawStatus,
    RawTimeouts, RawTls,
};
use crate::model::{
    Check, DownloadStep, HttpAuth, HttpBody, HttpField, HttpRequest, HttpStatus, HttpStep, HttpTimeouts,
    HttpTls, HttpValue, Late, Pace, StepAction, Subject, Test,
};
use crate::text::{Template, is_template};

/// How many redirects `true` stands for.
const MANY_REDIRECTS: u32 = 10;

/// The methods that may be written in any case; of others it matters.
const USUAL_METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// Whether requests can be sent by this partest.
const IS_BUILT_IN: bool = cfg!(feature = "http");

/// What a request has in common with a download.
struct Common<'a> {
    url: Option<&'a Text>,
    query: Option<&'a Pairs>,
    headers: Option<&'a Pairs>,
    auth: Option<&'a Spanned<RawAuth>>,
    follow: Option<&'a Spanned<Later<RawFollow>>>,
    timeouts: Option<&'a RawTimeouts>,
    tls: Option<&'a RawTls>,
    unix: Option<&'a Text>,
}

/// What a request has in common with a download, of either: serde would lose places with a struct that both flatten.
macro_rules! common {
    ($raw:ident) => {
        Common {
            url: $raw.url.as_ref(),
            query: $raw.query.as_ref(),
            headers: $raw.headers.as_ref(),
            auth: $raw.auth.as_ref(),
            follow: $raw.follow.as_ref(),
            timeouts: $raw.timeouts.as_ref(),
            tls: $raw.tls.as_ref(),
            unix: $raw.unix.as_ref(),
        }
    };
}

impl Lowering<'_> {
    /// A request.
    pub(crate) fn http(&mut self, raw: &Spanned<Box<RawHttp>>) -> Option<StepAction> {
        self.refuse_unless_built_in(raw.span)?;
        let body = self.body_of(raw);
        let method = match &raw.method {
            Some(method) => self.method(method),
            None if body == Some(HttpBody::None) => Some("GET".to_owned().into()),
            None => Some("POST".to_owned().into()),
        };
        let request = self.request(&common!(raw), raw.span, 0)?;
        let request = HttpRequest { method: method?, body: body?, ..request };
        Some(StepAction::Http(Box::new(HttpStep { request })))
    }

    /// A download.
    pub(crate) fn download(&mut self, raw: &Spanned<Box<RawDownload>>) -> Option<StepAction> {
        self.refuse_unless_built_in(raw.span)?;
        let to = match &raw.to {
            Some(to) => {
                let checked = paths::check(to, Reach::Below, to.span);
                self.note(checked).and_then(|()| self.template(to))
            }
            None => {
                let problem = Problem::new(raw.span, "it is not said where the file is put");
                self.problems.push(problem.help("add `to` with a path in the working directory"));
                None
            }
        };
        let request = self.request(&common!(raw), raw.span, MANY_REDIRECTS)?;
        Some(StepAction::Download(Box::new(DownloadStep { request, to: to? })))
    }

    fn refuse_unless_built_in(&mut self, span: Span) -> Option<()> {
        if IS_BUILT_IN {
            return Some(());
        }
        self.problems.push(Problem::not_built(span, "http"));
        None
    }

    /// A request without method and body.
    fn request(&mut self, common: &Common<'_>, span: Span, follow: u32) -> Option<HttpRequest> {
        let url = match common.url {
            Some(url) => self.url(url),
            None => {
                let problem = Problem::new(span, "it is not said what is asked for");
                self.problems.push(problem.help("add `url`, as in \"http://127.0.0.1:8080/users\""));
                None
            }
        };
        let query = self.pairs(common.query);
        let headers = self.headers(common.headers);
        let auth = match common.auth {
            Some(auth) => Some(self.auth(auth)?),
            None => None,
        };
        let follow = match common.follow {
            None => follow.into(),
            Some(Spanned { value: Later::Now(follow), .. }) => redirects(*follow).into(),
            Some(Spanned { value: Later::Text(template), span }) => {
                let read = |value: &Value| late::read(value, |raw| late::now(raw).map(redirects));
                self.late(template.as_str(), *span, read)?
            }
        };
        let timeouts = common.timeouts.map_or_else(HttpTimeouts::default, |timeouts| HttpTimeouts {
            connect: self.late_duration(timeouts.connect.as_ref()),
            first_byte: self.late_duration(timeouts.first_byte.as_ref()),
        });
        let tls = self.tls(common.tls);
        let unix = match common.unix {
            Some(unix) => Some(self.template(unix)?),
            None => None,
        };
        Some(HttpRequest {
            method: "GET".to_owned().into(),
            url: url?,
            query,
            headers,
            body: HttpBody::None,
            auth,
            follow,
            timeouts,
            tls,
            unix,
        })
    }

    fn method(&mut self, method: &Text) -> Option<Late<String>> {
        if is_template(method) {
            return self.late(method.as_str(), method.span, |value| late::read(value, method_of));
        }
        let method = method_of(method);
        self.note(method).map(Late::Known)
    }

    fn url(&mut self, url: &Text) -> Option<Template> {
        let known = url.split("{{").next().unwrap_or_default();
        let is_whole = known.len() == url.len();
        let has_scheme = ["http://", "https://"].iter().any(|scheme| {
            let start = known.get(..scheme.len()).unwrap_or(known);
            start.eq_ignore_ascii_case(scheme) || !is_whole && scheme.starts_with(&start.to_ascii_lowercase())
        });
        if !has_scheme {
            let problem = Problem::new(url.span, format!("{} has no scheme that is known", quote(url)));
            self.problems.push(problem.help("an address begins with http:// or https://"));
            return None;
        }
        if is_whole && known.split("://").nth(1).is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            self.problems.push(Problem::new(url.span, format!("{} names no host", quote(url))));
            return None;
        }
        self.template(url)
    }

    fn pairs(&mut self, pairs: Option<&Pairs>) -> Vec<(Template, Template)> {
        let mut lowered = Vec::new();
        for (name, values) in pairs.into_iter().flat_map(|pairs| &pairs.0) {
            let Some(values) = values else { continue };
            let name = self.template(name);
            for value in &values.0 {
                let template = self.scope.template(&scalar(self.sources, value, value.span), value.span);
                if let (Some(name), Some(value)) = (&name, self.note(template)) {
                    lowered.push((name.clone(), value));
                }
            }
        }
        lowered
    }

    fn headers(&mut self, headers: Option<&Pairs>) -> Vec<(Template, Template)> {
        let mut lowered = Vec::new();
        for (name, values) in headers.into_iter().flat_map(|headers| &headers.0) {
            let Some(values) = values else { continue };
            let Some(name) = header_name(self, name) else { continue };
            for value in &values.0 {
                let text = &*scalar(self.sources, value, value.span);
                if text.contains(|c: char| c.is_control() && c != '\t') {
                    let message = "the value of a header holds a line break or another control character";
                    self.problems.push(Problem::new(value.span, message));
                    continue;
                }
                let template = self.scope.template(text, value.span);
                if let Some(value) = self.note(template) {
                    lowered.push((name.clone(), value));
                }
            }
        }
        lowered
    }

    fn body_of(&mut self, raw: &RawHttp) -> Option<HttpBody> {
        let given = [
            ("json", raw.json.as_ref().map(|value| value.span)),
            ("body", raw.body.as_ref().map(|value| value.span)),
            ("form", raw.form.as_ref().map(|value| value.span)),
            ("multipart", raw.multipart.as_ref().map(|value| value.span)),
        ];
        let mut given = given.into_iter().filter_map(|(key, span)| Some((key, span?)));
        if let (Some((first, _)), Some((second, span))) = (given.next(), given.next()) {
            let message = format!("a request sends one thing, not both `{first}` and `{second}`");
            self.problems.push(Problem::new(span, message).help("`null` removes an inherited one"));
            return None;
        }
        if let Some(json) = &raw.json {
            let checked = check_written(self, &json.0, json.span);
            return self.note(checked).map(|()| HttpBody::Json(json.0.clone()));
        }
        if let Some(form) = &raw.form {
            return Some(HttpBody::Form(self.pairs(Some(form))));
        }
        if let Some(multipart) = &raw.multipart {
            return Some(HttpBody::Multipart(self.fields(multipart)));
        }
        match raw.body.as_ref().map(|body| &body.value) {
            None => Some(HttpBody::None),
            Some(RawStdin::Text(text)) => self.template(text).map(HttpBody::Text),
            Some(RawStdin::File(path)) => self.file(path).map(HttpBody::File),
        }
    }

    fn fields(&mut self, fields: &Fields) -> Vec<HttpField> {
        let mut lowered = Vec::new();
        for (name, fields) in &fields.0 {
            let name = self.template(name);
            for field in fields.iter().flat_map(|fields| &fields.0) {
                let value = match &field.value {
                    RawField::Text(text) => {
                        let text = &*scalar(self.sources, text, field.span);
                        let template = self.scope.template(text, field.span);
                        self.note(template).map(HttpValue::Text)
                    }
                    RawField::File(upload) => {
                        let kind = upload.kind.as_ref().and_then(|kind| self.template(kind));
                        self.file(&upload.file).map(|path| HttpValue::File { path, kind })
                    }
                };
                if let (Some(name), Some(value)) = (&name, value) {
                    lowered.push(HttpField { name: name.clone(), value });
                }
            }
        }
        lowered
    }

    /// The path of a file that is read, relative to the descriptor.
    fn file(&mut self, path: &Text) -> Option<Template> {
        // Where defaults will be used is known by their cases, which look at the path again.
        if !self.scope.is_undecided() {
            let checked = paths::check(path, self.reach, path.span);
            self.note(checked)?;
        }
        self.template(path)
    }

    fn auth(&mut self, auth: &Spanned<RawAuth>) -> Option<HttpAuth> {
        match (&auth.basic, &auth.bearer) {
            (Some(basic), None) => {
                let (user, password) = (self.template(&basic.user), self.template(&basic.password));
                if basic.user.contains(':') {
                    let problem = Problem::new(basic.user.span, "the name of a user cannot hold `:`");
                    self.problems.push(problem);
                }
                Some(HttpAuth::Basic { user: user?, password: password? })
            }
            (None, Some(token)) => self.template(token).map(HttpAuth::Bearer),
            _ => {
                let problem = Problem::new(auth.span, "`auth` is one of `basic` and `bearer`");
                let help =
                    r#"as in { "basic": { "user": "ada", "password": "…" } } or { "bearer": "{{ token }}" }"#;
                self.problems.push(problem.help(help));
                None
            }
        }
    }

    fn tls(&mut self, tls: Option<&RawTls>) -> HttpTls {
        let Some(tls) = tls else { return HttpTls::default() };
        match (&tls.cert, &tls.key) {
            (Some(alone), None) | (None, Some(alone)) => {
                let problem = Problem::new(alone.span, "`cert` and `key` belong together");
                self.problems.push(problem);
            }
            _ => {}
        }
        let insecure = tls.insecure.as_ref().and_then(|insecure| self.now_or_late(insecure));
        let insecure = insecure.unwrap_or_else(|| false.into());
        let mut file = |path: &Option<Text>| path.as_ref().and_then(|path| self.file(path));
        HttpTls { ca: file(&tls.ca), cert: file(&tls.cert), key: file(&tls.key), insecure }
    }
}

/// How many redirects are followed.
fn redirects(follow: RawFollow) -> u32 {
    match follow {
        RawFollow::All(true) => MANY_REDIRECTS,
        RawFollow::All(false) => 0,
        RawFollow::Count(count) => count,
    }
}

/// A method as it stands in the request.
fn method_of(method: &Text) -> Result<String, Problem> {
    if !method.is_empty() && method.bytes().all(is_token) {
        let usual = USUAL_METHODS.iter().find(|usual| usual.eq_ignore_ascii_case(method));
        return Ok(usual.map_or_else(|| method.value.clone(), |usual| (*usual).to_owned()));
    }
    let message = format!("{} is no method", quote(method));
    Err(Problem::new(method.span, message).help("a method is a word such as GET or PUT"))
}

/// What must hold of an answer by these words.
pub(crate) fn checks(lowering: &mut Lowering<'_>, expect: &RawExpect, checks: &mut Vec<Check>) {
    if let Some(status) = &expect.status
        && let Some(codes) = codes(lowering, status)
    {
        let matcher = located(lowering, status.span, Test::Status(codes));
        checks.push(Check { subject: Subject::Status, matcher });
    }
    for (name, content) in expect.headers.iter().flat_map(|table| &table.0) {
        let Some(content) = content else { continue };
        if let Some(name) = header_name(lowering, name) {
            let subject = Subject::Header(name);
            let matchers = matchers(lowering, content, Place::Node);
            checks.extend(matchers.into_iter().map(|matcher| Check { subject: subject.clone(), matcher }));
        }
    }
    let mut of_body = Vec::new();
    if let Some(content) = &expect.body {
        of_body = matchers(lowering, content, Place::Stream);
    }
    if let Some(json) = &expect.json {
        let checked = check_json(lowering, &json.0, json.span);
        if lowering.note(checked).is_some() {
            let test = Test::Json { value: json.0.clone(), exact: false };
            of_body.push(located(lowering, json.span, test));
        }
    }
    checks.extend(of_body.into_iter().map(|matcher| Check { subject: Subject::Body, matcher }));
    if let Some(pace) = &expect.duration
        && let Some(test) = self::pace(lowering, pace)
    {
        let matcher = located(lowering, pace.span, Test::Duration(test));
        checks.push(Check { subject: Subject::Duration, matcher });
    }
}

/// The check of an answer of which nothing is said about its status.
pub(crate) fn success(lowering: &Lowering<'_>, span: Span) -> Check {
    let test = Test::Status(vec![HttpStatus::Class(2)].into());
    Check { subject: Subject::Status, matcher: located(lowering, span, test) }
}

fn codes(lowering: &mut Lowering<'_>, status: &Spanned<RawStatus>) -> Option<Late<Vec<HttpStatus>>> {
    let is_template = |code: &RawCode| matches!(code, RawCode::Class(text) if is_template(text));
    if status.0.iter().any(|code| is_template(code)) {
        let one = |code: &Spanned<RawCode>| match &code.value {
            RawCode::Number(number) => Value::from(*number),
            RawCode::Class(text) => text.as_str().into(),
        };
        // A list within the list that a template stands for would be none.
        let template = match status.0.as_slice() {
            [alone] => one(alone),
            several => several.iter().map(one).collect(),
        };
        let known = status.0.iter().filter(|code| !is_template(code)).map(code_of);
        let checked = known.collect::<Result<Vec<_>, _>>();
        lowering.note(checked)?;
        return lowering.late(template, status.span, |value| late::read(value, codes_of));
    }
    let codes = codes_of(status);
    lowering.note(codes).map(Late::Known)
}

fn codes_of(status: &Spanned<RawStatus>) -> Result<Vec<HttpStatus>, Problem> {
    if status.0.is_empty() {
        let problem = Problem::new(status.span, "the list of status codes is empty");
        return Err(problem.help("name one, or take the key out"));
    }
    status.0.iter().map(code_of).collect()
}

fn code_of(code: &Spanned<RawCode>) -> Result<HttpStatus, Problem> {
    match &code.value {
        RawCode::Number(number) => u16::try_from(*number)
            .ok()
            .filter(|number| (100..1000).contains(number))
            .map(HttpStatus::Code)
            .ok_or_else(|| {
                Problem::new(code.span, format!("{number} is no status code"))
                    .help("they go from 100 to 999, and classes are written \"2xx\"")
            }),
        RawCode::Class(text) => match text.as_bytes() {
            [digit @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Ok(HttpStatus::Class((digit - b'0').into())),
            _ => Err(Problem::new(code.span, format!("{} is no class of status codes", quote(text)))
                .help("the classes are \"1xx\", \"2xx\", \"3xx\", \"4xx\" and \"5xx\"; a code is a number")),
        },
    }
}

fn pace(lowering: &mut Lowering<'_>, pace: &Spanned<RawPace>) -> Option<Late<Pace>> {
    let (most, min, max) = match &pace.value {
        RawPace::Most(text) => (Some(text), None, None),
        RawPace::Range(RawRange { min, max }) => (None, min.as_ref(), max.as_ref()),
    };
    let given = [("min", min), ("max", max)].into_iter().filter_map(|(key, given)| Some((key, &given?.0)));
    let is_late = most.into_iter().chain(given.clone().map(|(_, text)| text)).any(|text| is_template(text));
    if is_late {
        let template = match most {
            Some(text) => Value::from(text.as_str()),
            None => given.map(|(key, text)| (key.to_owned(), Value::from(text.as_str()))).collect(),
        };
        return lowering.late(template, pace.span, |value| late::read(value, pace_of));
    }
    let pace = pace_of(pace);
    lowering.note(pace).map(Late::Known)
}

fn pace_of(pace: &Spanned<RawPace>) -> Result<Pace, Problem> {
    match &pace.value {
        RawPace::Most(text) => {
            let most = Spanned { value: RawDuration(text.clone()), span: pace.span };
            Ok(Pace { min: None, max: Some(parsed_duration(&most)?) })
        }
        RawPace::Range(RawRange { min: None, max: None }) => {
            Err(Problem::new(pace.span, "nothing is said about the duration"))
        }
        RawPace::Range(RawRange { min, max }) => {
            let parsed =
                |given: &Option<Spanned<RawDuration>>| given.as_ref().map(parsed_duration).transpose();
            match (parsed(min)?, parsed(max)?) {
                (Some(least), Some(most)) if least > most => {
                    let span = max.as_ref().map_or(pace.span, |max| max.span);
                    let problem = Problem::new(span, "`max` is less than `min`, so no duration is right");
                    Err(problem.help("exchange them"))
                }
                (min, max) => Ok(Pace { min, max }),
            }
        }
    }
}

/// The name of a header.
pub(crate) fn header_name(lowering: &mut Lowering<'_>, name: &Text) -> Option<Template> {
    if !is_template(name) {
        let checked = check_header_name(name);
        lowering.note(checked)?;
    }
    lowering.template(name)
}

/// Refuses what cannot be the name of a header.
fn check_header_name(name: &Text) -> Result<(), Problem> {
    match !name.is_empty() && name.bytes().all(is_token) {
        true => Ok(()),
        false => Err(Problem::new(name.span, format!("{} is no name of a header", quote(name)))),
    }
}

/// Whether a byte can stand in the words of HTTP.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
