//! Requests to httpbin, which nobody wrote for partest: each has the verdict that httpbin's own description means.

use std::collections::HashSet;

use crate::source::package;
use crate::support::Suite;

/// How the message of a case begins that does not pass.
type Message = &'static str;

const PASSES: Message = "";

/// Cases that are about what is sent.
const REQUESTS: &[(&str, Message, &str)] = &[
    ("get", PASSES, "http: URL/get\nexpect: { jsonpath: { $.url: 'URL/get', $.headers.Host: { matches: '^127.0.0.1:\\d+$' } } }"),
    ("get is not post", "status: expected 2xx, found 405", "http: { url: URL/get, method: POST }"),
    ("head has no body", PASSES, "http: { url: URL/get, method: HEAD }\nexpect: { status: 200, body: '', headers: { content-length: { number: { min: 1 } } } }"),
    ("head of what is compressed", PASSES, "http: { url: URL/gzip, method: HEAD }\nexpect: { body: '', headers: { content-encoding: gzip } }"),
    ("options", PASSES, "http: { url: URL/get, method: OPTIONS }\nexpect: { headers: { Allow: { contains: [GET, HEAD, OPTIONS] } } }"),
    ("post", PASSES, "http: { url: URL/post, method: POST }\nexpect: { json: { data: '', form: {}, json: null } }"),
    ("put", PASSES, "http: { url: URL/put, method: PUT, body: x }\nexpect: { json: { data: x } }"),
    ("patch", PASSES, "http: { url: URL/patch, method: PATCH, json: [1] }\nexpect: { json: { json: [1] } }"),
    ("delete", PASSES, "http: { url: URL/delete, method: DELETE }\nexpect: { json: { data: '' } }"),
    ("delete with a body", PASSES, "http: { url: URL/delete, method: DELETE, json: { a: 1 } }\nexpect: { json: { json: { a: 1 } } }"),
    ("trace", PASSES, "http: { url: URL/anything, method: TRACE }\nexpect: { json: { method: TRACE } }"),
    ("methods in small letters", PASSES, "http: { url: URL/anything, method: put }\nexpect: { json: { method: PUT } }"),
    ("query", PASSES, "http: { url: 'URL/get?z=0', query: { a: [1, 2], b: 'x y&=+/ä€😀', c: '' } }\nexpect: { json: { args: { z: '0', a: ['1', '2'], b: 'x y&=+/ä€😀', c: '' } } }"),
    ("query in the address", PASSES, "http: URL/get?a=%C3%A4&b=1+2&b=3%2B4#part\nexpect: { json: { args: { a: ä, b: ['1 2', '3+4'] } } }"),
    ("unicode in the address", PASSES, "http: 'URL/anything/größe €/x?q=日本|{}'\nexpect: { jsonpath: { $.args.q: '日本|{}', $.url: { contains: '/anything/größe%20€/x?' } } }"),
    ("what is not asked for", "body: $.args.a: expected \"2\", found \"1\"", "http: URL/get?a=1\nexpect: { jsonpath: { $.args.a: '2' } }"),
    ("headers", PASSES, "http: { url: URL/headers, headers: { X-Own: 'a b', X-List: [a, b], X-Empty: '', user-agent: me, accept: text/x, Host: elsewhere.test } }
expect: { json: { headers: { X-Own: a b, X-List: 'a,b', User-Agent: me, Accept: text/x, Host: elsewhere.test } } }"),
    ("headers of every request", PASSES, "http: URL/headers\nexpect: { jsonpath: { $.headers.Accept: '*/*', \"$.headers['User-Agent']\": { starts_with: partest/ }, \"$.headers['Content-Length']\": { exists: false } } }"),
    ("headers that are not utf-8 for the server", PASSES, "http: { url: URL/headers, headers: { x-own: 'grün' } }\nexpect: { body: { contains: X-Own } }"),
    ("json", PASSES, "http: { url: URL/post, json: { text: 'ä\"\\n', n: 1.5, big: 9007199254740993, no: null, list: [true, {}] } }
expect: { jsonpath: { $.json: { json: { text: 'ä\"\\n', n: 1.5, big: 9007199254740993, no: null, list: [true, {}] }, exact: true }, \"$.headers['Content-Type']\": application/json } }"),
    ("json of another kind", PASSES, "http: { url: URL/post, json: {}, headers: { Content-Type: application/x+json } }\nexpect: { jsonpath: { \"$.headers['Content-Type']\": application/x+json } }"),
    ("form", PASSES, "http: { url: URL/post, form: { a: [1, true], 'b c': 'x&y=ä +', d: '' } }\nexpect: { json: { form: { a: ['1', 'true'], b c: 'x&y=ä +', d: '' } } }"),
    ("form by put", PASSES, "http: { url: URL/put, method: PUT, form: { a: 1 } }\nexpect: { json: { form: { a: '1' } } }"),
    ("multipart", PASSES, "files: { 'ä \"x\".txt': 'of ä file' }
http: { url: URL/post, multipart: { a: 'text ä', b: [1, 2], up: { file: '{{ work }}/ä \"x\".txt', type: text/plain } } }
expect: { json: { form: { a: text ä, b: ['1', '2'] }, files: { up: of ä file } } }"),
    ("a text as it stands", PASSES, "http: { url: URL/post, body: \"a=1\\r\\nä\", headers: { content-type: text/plain; charset=utf-8 } }\nexpect: { json: { data: \"a=1\\r\\nä\", form: {} } }"),
    ("a file as it stands", PASSES, "files: { x.bin: 'file 1' }\nhttp: { url: URL/post, body: { file: '{{ work }}/x.bin' } }\nexpect: { json: { data: file 1 } }"),
    ("a file that is not there", "cannot send", "http: { url: URL/post, body: { file: none.bin } }"),
    ("basic", PASSES, "http: { url: URL/basic-auth/ada/p%20w, auth: { basic: { user: ada, password: 'p w' } } }\nexpect: { json: { authenticated: true, user: ada } }"),
    ("basic in the address", PASSES, "steps:\n- http: { url: \"{{ services.httpbin.url | replace('://', '://ada:p%20w@') }}/basic-auth/ada/p w\" }\n  expect: { json: { user: ada } }"),
    ("basic with another password", "status: expected 2xx, found 401", "http: { url: URL/basic-auth/ada/pw, auth: { basic: { user: ada, password: wp } } }"),
    ("basic of nobody", PASSES, "http: URL/basic-auth/ada/pw\nexpect: { status: 401, headers: { WWW-Authenticate: { starts_with: Basic } } }"),
    ("hidden basic", PASSES, "http: URL/hidden-basic-auth/a/b\nexpect: { status: 404 }"),
    ("bearer", PASSES, "http: { url: URL/bearer, auth: { bearer: t0ken } }\nexpect: { json: { token: t0ken } }"),
    ("bearer of nobody", "status: expected 2xx, found 401", "http: URL/bearer"),
    ("digest is answered with 401", PASSES, "http: { url: URL/digest-auth/auth/a/b, auth: { basic: { user: a, password: b } } }\nexpect: { status: 401, headers: { www-authenticate: { starts_with: Digest } } }"),
];

/// Cases that are about what comes.
const ANSWERS: &[(&str, Message, &str)] = &[
    ("one of several codes", PASSES, "http: URL/status/418\nexpect: { status: [2xx, 418] }"),
    ("a class of codes", "status: expected 5xx, found 404", "http: URL/status/404\nexpect: { status: 5xx }"),
    (
        "a success is no error",
        "status: expected 404, found 200",
        "http: URL/status/200\nexpect: { status: 404 }",
    ),
    (
        "304 has no body",
        PASSES,
        "http: { url: URL/etag/abc, headers: { If-None-Match: abc } }\nexpect: { status: 304, body: '', headers: { etag: { contains: abc } } }",
    ),
    ("no content", PASSES, "http: URL/status/204\nexpect: { status: 204, body: '' }"),
    ("3xx is no success", "status: expected 2xx, found 302", "http: URL/redirect/1"),
    ("a code that nobody knows", PASSES, "http: URL/status/599\nexpect: { status: 599 }"),
    (
        "gzip",
        PASSES,
        "http: URL/gzip\nexpect: { json: { gzipped: true }, headers: { content-encoding: gzip } }",
    ),
    ("deflate", PASSES, "http: URL/deflate\nexpect: { json: { deflated: true } }"),
    ("brotli", PASSES, "http: URL/brotli\nexpect: { json: { brotli: true } }"),
    (
        "utf-8",
        PASSES,
        "http: URL/encoding/utf8\nexpect: { body: { contains: ['STARGΛ̊TE SG-1', 'ᚻᛖ ᚳᚹᚫᚦ', '⠙⠑⠁⠙'] }, headers: { content-type: { contains: utf-8 } } }",
    ),
    (
        "html",
        PASSES,
        "http: URL/html\nexpect: { body: { starts_with: '<!DOCTYPE html>', matches: '<h1>Herman \\w+ - Moby-Dick</h1>' }, headers: { content-type: text/html; charset=utf-8 } }",
    ),
    ("html is no json", "body is not JSON: ", "http: URL/html\nexpect: { json: {} }"),
    (
        "another text",
        "body does not contain \"Ahab!\"",
        "http: URL/html\nexpect: { body: { contains: Ahab! } }",
    ),
    (
        "xml",
        PASSES,
        "http: URL/xml\nexpect: { body: { contains: '<slideshow', normalize: crlf, lines: \"...\\n</slideshow>\\n\" }, headers: { content-type: application/xml } }",
    ),
    (
        "json of a file",
        PASSES,
        "http: URL/json\nexpect: { jsonpath: { '$.slideshow.slides[*].title': ['Wake up to WonderWidgets!', Overview], '$.slideshow.slides[1].items': { json: ['Why <em>WonderWidgets</em> are great', 'Who <em>buys</em> WonderWidgets'] }, $..none: { exists: false } } }",
    ),
    (
        "json that is more",
        "body: $.slideshow.author: expected \"nobody\"",
        "http: URL/json\nexpect: { json: { slideshow: { author: nobody } } }",
    ),
    ("plain text", PASSES, "http: URL/robots.txt\nexpect: { body: \"User-agent: *\\nDisallow: /deny\\n\" }"),
    (
        "an image",
        PASSES,
        "http: URL/image/png\nexpect: { headers: { content-type: image/png, content-length: '8090' }, body: { bytes: { hex: '89 50 4e 47 0d 0a 1a 0a', at: 0 } } }",
    ),
    (
        "an image that is wanted",
        PASSES,
        "http: { url: URL/image, headers: { accept: image/webp } }\nexpect: { headers: { content-type: image/webp }, body: { bytes: { hex: '57454250', at: 8 } } }",
    ),
    (
        "another image",
        "body: ",
        "http: URL/image/jpeg\nexpect: { body: { bytes: { hex: '89 50 4e 47', at: 0 } } }",
    ),
    (
        "bytes",
        PASSES,
        "http: URL/bytes/3?seed=1\nexpect: { headers: { content-length: '3', content-type: application/octet-stream } }",
    ),
    ("base64", PASSES, "http: URL/base64/w6TigqwK\nexpect: { body: \"ä€\\n\" }"),
    (
        "chunks",
        PASSES,
        "http: URL/stream-bytes/100000?chunk_size=999&seed=3\nexpect: { headers: { content-length: { exists: false }, transfer-encoding: chunked } }",
    ),
    (
        "lines",
        PASSES,
        "http: URL/stream/20\nexpect: { body: { matches: '^\\{.*\"id\": 19.*\\}$' } }\ncapture: { last: { from: body, line: -1 } }",
    ),
    (
        "a range",
        PASSES,
        "http: { url: URL/range/100, headers: { range: bytes=26-30 } }\nexpect: { status: 206, body: abcde, headers: { content-range: bytes 26-30/100 } }",
    ),
    (
        "headers several times",
        PASSES,
        "http: URL/response-headers?X-One=1&x-one=2&X-Two=b\nexpect: { headers: { x-ONE: \"1\\n2\", X-TWO: b, x-three: { exists: false }, Content-Type: { one_of: [application/json, text/json] } } }",
    ),
    (
        "a header with another value",
        "header x-two: ",
        "http: URL/response-headers?x-two=b\nexpect: { headers: { x-two: c } }",
    ),
    (
        "a header that is not there",
        "header x-none does not exist",
        "http: URL/get\nexpect: { headers: { x-none: { matches: a } } }",
    ),
    (
        "a header that is there",
        "header content-type exists",
        "http: URL/get\nexpect: { headers: { content-type: { exists: false } } }",
    ),
    (
        "a list of headers is one text",
        PASSES,
        "http: URL/response-headers?Warning=1&Warning=2\nexpect: { headers: { warning: { lines: ['1', '2'] } } }",
    ),
    (
        "deny",
        PASSES,
        "http: URL/deny\nexpect: { body: { contains: \"YOU SHOULDN'T BE HERE\", normalize: crlf } }",
    ),
    (
        "uuid",
        PASSES,
        "http: URL/uuid\nexpect: { jsonpath: { $.uuid: { matches: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' } } }",
    ),
    (
        "the same in a download",
        PASSES,
        "steps:\n- download: { url: URL/image/png, to: a.png }\n  expect: { size: 8090, sha256: 541a1ef5373be3dc49fc542fd9a65177b664aec01c8d8608f99e6ec95577d8c1, headers: { content-type: image/png } }\n- file: a.png\n  expect: { size: 8090, content: { bytes: { hex: '89 50', at: 0 } } }",
    ),
    (
        "another digest in a download",
        "sha256: ",
        "download: { url: URL/image/png, to: a.png }\nexpect: { sha256: '0000000000000000000000000000000000000000000000000000000000000000' }",
    ),
    (
        "a download of what is compressed",
        PASSES,
        "download: { url: URL/encoding/utf8, to: a/b/c }\nexpect: { size: 14239 }",
    ),
    (
        "a download that is not there",
        "status: expected 2xx, found 404",
        "download: { url: URL/status/404, to: a }",
    ),
    (
        "a download after redirects",
        PASSES,
        "download: { url: 'URL/redirect-to?url=/robots.txt', to: a }\nexpect: { size: 30 }",
    ),
];

/// Cases of several requests, of redirects and of time.
const COURSES: &[(&str, Message, &str)] = &[
    ("redirects are not followed", PASSES, "http: URL/redirect/2\nexpect: { status: 302, headers: { location: /relative-redirect/1 } }"),
    ("relative redirects", PASSES, "http: { url: URL/relative-redirect/3, follow: true }\nexpect: { json: { url: URL/get } }"),
    ("absolute redirects", PASSES, "http: { url: URL/absolute-redirect/3, follow: 3 }\nexpect: { json: { url: URL/get } }"),
    ("too many redirects", "redirected more than 2 times: ", "http: { url: URL/redirect/3, follow: 2 }"),
    ("a redirect of a post", PASSES, "http: { url: 'URL/redirect-to?url=/anything&status_code=302', form: { a: 1 }, method: POST, follow: true }\nexpect: { json: { method: GET, form: {}, data: '' } }"),
    ("a redirect that keeps the method", PASSES, "http: { url: 'URL/redirect-to?url=/anything&status_code=307', json: { a: 1 }, follow: true }\nexpect: { json: { method: POST, json: { a: 1 } } }"),
    ("a redirect keeps auth on the same host", PASSES, "http: { url: 'URL/redirect-to?url=/bearer', auth: { bearer: t }, follow: true }\nexpect: { json: { token: t } }"),
    ("a redirect to another host drops auth", PASSES, "http: { url: 'URL/redirect-to?url=http://localhost:{{ services.httpbin.port }}/headers', auth: { bearer: t }, headers: { cookie: a=1, x-own: b }, follow: true }
expect: { jsonpath: { $.headers.Authorization: { exists: false }, $.headers.Cookie: { exists: false }, \"$.headers['X-Own']\": b, $.headers.Host: { starts_with: localhost } } }"),
    ("cookies are kept", PASSES, "steps:
- http: URL/cookies/set?a=1&b=x%20y
  expect: { status: 302, headers: { set-cookie: { contains: [a=1, Path=/] } } }
- http: URL/cookies
  expect: { json: { cookies: { a: '1', b: x y } } }
- http: { url: URL/cookies, headers: { cookie: a=2; c=3 } }
  expect: { jsonpath: { $.cookies: { json: { a: '2', b: x y, c: '3' } } } }
- http: { url: URL/cookies/delete?a, follow: true }
  expect: { jsonpath: { $.cookies: { json: { b: x y }, exact: true } } }"),
    ("cookies are not shared", PASSES, "http: URL/cookies\nexpect: { jsonpath: { $.cookies: { json: {}, exact: true } } }"),
    ("cookies that are sent", PASSES, "http: { url: URL/cookies, headers: { Cookie: a=1; b=2 } }\nexpect: { json: { cookies: { a: '1', b: '2' } } }"),
    ("cookies set by a redirect", PASSES, "http: { url: URL/cookies/set/a/1, follow: true }\nexpect: { json: { cookies: { a: '1' } } }"),
    ("captures", PASSES, "steps:
- http: URL/uuid
  capture: { id: { jsonpath: $.uuid }, kind: { header: Content-Type }, status: status, all: body, start: { regex: '\"(\\w{8})-' } }
- http: { url: 'URL/anything/{{ id }}', json: { start: '{{ start }}', status: '{{ status }}' }, headers: { x-kind: '{{ kind }}' } }
  expect: { json: { url: 'URL/anything/{{ id }}', json: { status: 200 }, headers: { X-Kind: application/json } }, jsonpath: { $.json.start: { matches: '^[0-9a-f]{8}$' } } }"),
    ("a capture that finds nothing", "step 1 of 2: body: $.none finds nothing (captured as `id`)", "steps:\n- http: URL/uuid\n  capture: { id: { jsonpath: $.none } }\n- http: 'URL/{{ id }}'"),
    ("a delay within the time", PASSES, "http: { url: URL/delay/1, timeouts: { first_byte: 20s } }\nexpect: { duration: { min: 1s, max: 20s } }"),
    ("a delay beyond the first byte", "connected to HOST, but no answer within 0.50s", "http: { url: URL/delay/5, timeouts: { first_byte: 500ms } }"),
    ("a delay beyond the time", "timed out after 0.50s: connected to HOST, but no answer", "timeout: 500ms\nhttp: URL/delay/5"),
    ("a delay beyond what is expected", "duration: expected at most 0.50s, found 1.", "http: URL/delay/1\nexpect: { duration: 500ms }"),
    ("a delay that is too short", "duration: expected at least 20.0s", "http: URL/get\nexpect: { duration: { min: 20s } }"),
    ("drops", PASSES, "http: URL/drip?duration=1&numbytes=5&delay=0&code=201\nexpect: { status: 201, body: '*****', duration: { min: 500ms } }"),
    ("drops beyond the time", "timed out after 1.00s: status 200, but the body did not end, after", "timeout: 1s\nhttp: URL/drip?duration=10&numbytes=10"),
    ("drops after the first byte", PASSES, "http: { url: URL/drip?duration=1&numbytes=2, timeouts: { first_byte: 900ms } }\nexpect: { body: '**' }"),
    ("until it holds", PASSES, "steps:\n- http: 'URL/status/200:0.3,503:0.7'\n  until: { every: 10ms, for: 30s }"),
    ("until it never holds", "status: expected 2xx, found 503", "steps:\n- http: URL/status/503\n  until: { every: 50ms, for: 300ms }"),
    ("the second step is named", "step 2 of 2: body: $.args.a: expected \"2\", found \"1\"", "steps:\n- http: URL/get\n- http: URL/get?a=1\n  expect: { jsonpath: { $.args.a: '2' } }"),
    ("several expectations fail", "status: expected 201, found 200", "http: URL/get\nexpect: { status: 201, headers: { x-none: a }, json: { url: x } }"),
    ("retries", "status: expected 2xx, found 500", "retries: 1\nhttp: URL/status/500"),
    ("a known failure", PASSES, "xfail: not yet\nhttp: URL/status/500"),
];

fn table() -> impl Iterator<Item = (&'static str, Message, &'static str)> {
    [REQUESTS, ANSWERS, COURSES].into_iter().flatten().copied()
}

#[test]
#[ignore = "needs python3 and httpbin: ./tests/run"]
fn every_verdict_about_httpbin_is_right() {
    let names: HashSet<_> = table().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), table().count());
    let gunicorn = package().join("target/httpbin/bin/gunicorn");
    let mut text = format!(
        "services:
  httpbin:
    run: ['{}', -b, '127.0.0.1:{{{{ port }}}}', -k, gthread, --threads, '64', --worker-tmp-dir, /dev/shm, 'httpbin:app']
    ready: {{ http: '{{{{ url }}}}/get' }}
defaults: {{ services: [httpbin], timeout: 60s }}
cases:
",
        gunicorn.display()
    );
    for (name, _, case) in table() {
        let case = located(case).replace('\n', "\n    ");
        text.push_str(&format!("  - name: {name}\n    {case}\n"));
    }
    let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
    let mut wrong = Vec::new();
    for (name, expected, _) in table() {
        let (verdict, message) = run.verdict(name);
        let is_right = match expected {
            PASSES => verdict == "passed" || message == "xfail: not yet",
            expected => (verdict == "failure" || verdict == "error") && begins(&message, expected),
        };
        if !is_right {
            wrong.push(format!("{name}: {verdict} {message}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n{}", wrong.join("\n"), run.stdout);
}

/// The case with the address of the service for `URL`, in quotation marks where there are none.
fn located(case: &str) -> String {
    let mut pieces = case.split("URL");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_quoted = text.ends_with(['\'', '"']) || text.ends_with("url=");
        let end = if is_quoted { 0 } else { piece.find([',', '}', ' ', '\n']).unwrap_or(piece.len()) };
        let quote = if is_quoted { "" } else { "'" };
        let (address, rest) = piece.split_at(end);
        text.push_str(&format!("{quote}{{{{ services.httpbin.url }}}}{address}{quote}{rest}"));
    }
    text
}

/// Whether a message begins so, where `HOST` stands for any address with its port.
fn begins(message: &str, expected: &str) -> bool {
    let Some((before, after)) = expected.split_once("HOST") else { return message.starts_with(expected) };
    let rest = message.strip_prefix(before).and_then(|rest| rest.strip_prefix("127.0.0.1:"));
    rest.is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(after))
}
