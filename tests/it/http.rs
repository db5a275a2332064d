//! The step `http` against a server that does right and wrong on request.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::server::Server;
use crate::support::{Run, Suite, send};

/// Runs one case that is this step, in YAML with `URL` for the address of the server.
fn run(server: &Server, step: &str) -> Run {
    let text = format!("name: a\n{}\n", step.replace("URL", &server.url()));
    Suite::of("a.test.yaml", &text).run(&[])
}

#[track_caller]
fn passes(server: &Server, step: &str) {
    let run = run(server, step).expect_code(0);
    assert_eq!(run.verdict("a").0, "passed");
}

#[track_caller]
fn fails(server: &Server, step: &str, message: &str) -> Run {
    let run = run(server, step).expect_code(1);
    let message = message.replace("HOST", &server.address());
    assert!(run.verdict("a").1.starts_with(&message), "expected {message:?}, found {:?}", run.verdict("a").1);
    run
}

#[test]
fn a_request_has_what_the_step_says() {
    let server = Server::start();
    let step = "
http:
  url: URL/echo/it?a=1
  method: PUT
  query: { b: 'x y', c: [1, true] }
  headers: { X-Two: two, x-list: [a, b] }
  auth: { basic: { user: ada, password: lovelace } }
  json: { name: '{{ case }}', n: [1, 2.5, null] }
expect:
  status: 200
  headers: { Content-Type: application/json, x-one: \"1\\n2\", x-none: { exists: false } }
  body: { contains: it }
  json: { method: PUT, path: /echo/it, query: 'a=1&b=x+y&c=1&c=true' }
  jsonpath:
    $.headers['x-two']: two
    $.headers.authorization: Basic YWRhOmxvdmVsYWNl
    $.headers['content-type']: application/json
    $.headers['user-agent']: { starts_with: partest/ }
    $.body: '{\"name\":\"a\",\"n\":[1,2.5,null]}'
  duration: 30s
";
    passes(&server, step);
    let request = server.requests().remove(0);
    let lists: Vec<_> = request.headers.iter().filter(|(name, _)| name == "x-list").collect();
    assert_eq!(lists.len(), 2);
}

#[test]
fn every_method_and_every_kind_of_content() {
    let server = Server::start();
    for method in
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "own"]
    {
        passes(&server, &format!("http: {{ url: URL/echo, method: {method} }}"));
    }
    passes(&server, "http: { url: URL/echo, method: DELETE, body: x }");
    passes(&server, "http: { url: URL/echo, form: { 'a b': 'ä&', c: [1, 2.50], d: 18446744073709551615 } }");
    passes(&server, "files: { x.bin: file }\nhttp: { url: URL/echo, body: { file: '{{ work }}/x.bin' } }");
    let multipart = "files: { x.txt: 'of the file' }
http: { url: URL/echo, multipart: { a: 1.0, b: 18446744073709551615, up: { file: '{{ work }}/x.txt', type: text/plain } } }";
    passes(&server, multipart);
    let requests = server.requests();
    let methods: Vec<_> = requests.iter().map(|request| request.method.as_str()).collect();
    let expected = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "GET", "own",
        "DELETE", "POST", "POST", "POST",
    ];
    assert_eq!(methods, expected);
    let lengths: Vec<_> = requests.iter().map(|request| request.header("content-length")).collect();
    assert_eq!(&lengths[..5], [None, None, Some("0"), Some("0"), Some("0")]);
    assert_eq!(requests[11].body, b"x");
    assert_eq!(requests[12].body, b"a+b=%C3%A4%26&c=1&c=2.50&d=18446744073709551615");
    assert_eq!(requests[12].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(requests[13].body, b"file");
    let multipart = String::from_utf8_lossy(&requests[14].body);
    for part in
        ["name=\"a\"\r\n\r\n1.0\r\n", "filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nof the file\r\n"]
    {
        assert!(multipart.contains(part), "{multipart}");
    }
}

#[test]
fn the_status_is_of_success_unless_another_is_expected() {
    let server = Server::start();
    for (status, step) in
        [(204, ""), (404, "expect: { status: 404 }"), (503, "expect: { status: [404, 5xx] }")]
    {
        passes(&server, &format!("http: {{ url: URL/status/{status} }}\n{step}"));
    }
    let run = fails(&server, "http: { url: URL/status/404 }", "status: expected 2xx, found 404");
    let curl = format!("curl -i --compressed {}/status/404", server.url());
    assert!(run.stdout.contains(&curl) && run.stdout.contains("HTTP/1.1 404"), "{}", run.stdout);
    fails(
        &server,
        "http: { url: URL/hello }\nexpect: { status: [201, 4xx] }",
        "status: expected 201 or 4xx, found 200",
    );
    fails(
        &server,
        "http: { url: URL/hello }\nexpect: { duration: { min: 30s } }",
        "duration: expected at least 30.0s",
    );
    fails(
        &server,
        "http: { url: URL/hello }\nexpect: { headers: { x-none: a } }",
        "header x-none does not exist",
    );
}

#[test]
fn bodies_come_whole_in_every_form() {
    let server = Server::start();
    for path in ["hello", "old", "chunked", "gzip", "deflate", "twice", "brotli", "unknown-coding"] {
        passes(&server, &format!("http: {{ url: URL/{path} }}\nexpect: {{ body: \"hello\\n\" }}"));
    }
    passes(&server, "http: { url: URL/gzip }\nexpect: { headers: { content-encoding: gzip } }");
    passes(&server, "http: { url: URL/two-gzips }\nexpect: { body: \"hello\\n\" }");
    passes(&server, "http: { url: URL/empty-gzip }\nexpect: { body: '' }");
    // What comes after the length that was told is not of this answer.
    passes(&server, "http: { url: URL/lies }\nexpect: { body: hello }");
}

#[test]
fn a_server_that_breaks_off_is_told_in_words() {
    let server = Server::start();
    for (path, message) in [
        ("close", "HOST closed the connection without an answer"),
        ("reset", "HOST reset the connection before an answer"),
        ("truncate", "the connection was closed in the middle of the body, after 12 of 100 bytes"),
        ("cut-chunk", "the connection was closed in the middle of the body, after 5 bytes"),
        ("bad-chunk", "the body cannot be read, after 0 bytes"),
        ("garbage", "what HOST answers is not HTTP"),
        ("endless-head", "what HOST answers has more than 128 header fields"),
        ("bad-gzip", "the body is not what `content-encoding: gzip` says"),
        ("cut-gzip", "the body is not what `content-encoding: gzip` says: unexpected end of file"),
        ("gzip-and-more", "the body is not what `content-encoding: gzip` says: there is data after its end"),
    ] {
        fails(&server, &format!("http: {{ url: URL/{path} }}"), message);
    }
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    fails(
        &server,
        &format!("http: {{ url: 'http://{port}' }}"),
        &format!("cannot connect to {port}: Connection refused"),
    );
    fails(
        &server,
        "http: { url: 'http://no-such-host.invalid' }",
        "the host of no-such-host.invalid:80 cannot be found",
    );
}

#[test]
fn a_server_that_stalls_is_left_at_the_deadline() {
    let server = Server::start();
    let begin = Instant::now();
    for (path, message) in [
        ("stall", "timed out after 0.30s: connected to HOST, but no answer"),
        ("stall-body", "timed out after 0.30s: status 200, but the body did not end, after 5 of 100 bytes"),
        ("endless", "timed out after 0.30s: status 200, but the body did not end, after"),
    ] {
        fails(&server, &format!("timeout: 300ms\nhttp: {{ url: URL/{path} }}"), message);
    }
    let step = "http: { url: URL/stall, timeouts: { connect: 20s, first_byte: 250ms } }";
    fails(&server, step, "connected to HOST, but no answer within 0.25s");
    // A listener that never takes a connection: its queue is full after one.
    let full = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&full, 0).expect("listens");
    let address = full.local_addr().expect("an address");
    let waiting: Vec<_> = (0..4)
        .map_while(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    let step = format!("http: {{ url: 'http://{address}', timeouts: {{ connect: 250ms }} }}");
    fails(&server, &step, &format!("not connected to {address} within 0.25s"));
    drop(waiting);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn a_request_ends_at_once_when_the_run_is_stopped() {
    let server = Server::start();
    let text = format!("name: a\nhttp: {}/stall\n", server.url());
    let suite =
        Suite::of("a.test.yaml", &text.replace("http: ", "http: { url: ").replace("/stall", "/stall }"));
    let child = suite.start(&[]);
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    let begin = Instant::now();
    send(&child, Signal::INT);
    let run = suite.finish(child);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(run.verdict("a").0, "skipped", "{}", run.stdout);
}

#[test]
fn redirects_are_followed_when_that_is_wanted() {
    let server = Server::start();
    let led = "expect: { status: 302, headers: { location: '2' } }";
    passes(&server, &format!("http: {{ url: URL/redirect/3 }}\n{led}"));
    passes(&server, "http: { url: URL/redirect/3, follow: true }\nexpect: { json: { path: /redirect/0 } }");
    passes(&server, "http: { url: URL/redirect/3, follow: 3 }");
    fails(
        &server,
        "http: { url: URL/redirect/3, follow: 2 }",
        "redirected more than 2 times: http://HOST/redirect/2 → ",
    );
    fails(
        &server,
        "http: { url: URL/loop, follow: true }",
        "redirected more than 10 times: … → http://HOST/loop → ",
    );
    fails(&server, "http: { url: 'URL/away?ftp://x/', follow: true }", "status 302 leads to \"ftp://x/\"");
    for (status, method, body) in
        [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "x"), (308, "POST", "x")]
    {
        let step = format!(
            "http: {{ url: URL/turn/{status}, body: x, follow: true }}
expect: {{ json: {{ path: /echo/turned, method: {method}, body: '{body}' }} }}"
        );
        passes(&server, &step);
    }
}

#[test]
fn another_host_is_not_told_who_asks() {
    let (first, second) = (Server::start(), Server::start());
    let step = format!(
        "http: {{ url: 'URL/away?{}/echo', follow: true, auth: {{ bearer: token }}, headers: {{ x-own: a }} }}",
        second.url()
    );
    passes(&first, &step);
    assert_eq!(first.requests()[0].header("authorization"), Some("Bearer token"));
    let request = second.requests().remove(0);
    assert_eq!((request.header("authorization"), request.header("x-own")), (None, Some("a")));
}

#[test]
fn cookies_are_kept_within_an_attempt_and_values_are_captured() {
    let server = Server::start();
    let text = "
cases:
  - name: a
    steps:
      - http: { url: 'URL/set-cookie?id=42;%20Path=/' }
        capture: { cookie: { header: Set-Cookie, regex: 'id=(\\d+)' }, status: status }
      - http: { url: 'URL/echo/{{ cookie }}' }
        expect: { jsonpath: { $.headers.cookie: 'id={{ cookie }}', $.path: /echo/42 } }
        capture: { path: { jsonpath: $.path }, all: body }
      - http: { url: URL/echo, json: { status: '{{ status }}', path: '{{ path }}' } }
        expect: { jsonpath: { $.body: '{\"status\":200,\"path\":\"/echo/42\"}' } }
  - name: b
    http: { url: URL/echo }
    expect: { jsonpath: { $.headers.cookie: { exists: false } } }
"
    .replace("URL", &server.url())
    .replace(";%20", ";");
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
}

#[test]
fn secrets_are_masked_in_the_command_that_sends_the_request_again() {
    let server = Server::start();
    let text = format!(
        "name: a
secrets: [TOKEN]
env: {{ TOKEN: 'se&cr et' }}
http:
  url: {}/status/500
  query: {{ key: '{{{{ env.TOKEN }}}}' }}
  auth: {{ basic: {{ user: u, password: '{{{{ env.TOKEN }}}}' }} }}
",
        server.url()
    );
    let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
    assert_eq!(server.requests()[0].query, "key=se%26cr+et");
    assert!(run.stdout.contains("curl -i -u 'u:***'"), "{}", run.stdout);
    for text in [run.stdout.as_str(), run.junit.as_deref().unwrap_or_default()] {
        assert!(!text.contains("se&") && !text.contains("se%26") && !text.contains("cr+et"), "{text}");
    }
}

#[test]
fn secrets_are_masked_in_addresses_that_redirects_lead_to() {
    let server = Server::start();
    let text = format!(
        "name: a
secrets: [TOKEN]
env: {{ TOKEN: 'se&cr et' }}
http: '{}/away?/nowhere/{{{{ env.TOKEN }}}}'
",
        server.url()
    );
    let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
    for text in [run.stdout.as_str(), run.junit.as_deref().unwrap_or_default()] {
        assert!(text.contains("/nowhere/***") && !text.contains("cr%20et"), "{text}");
    }
}

#[test]
fn a_socket_of_this_machine_can_be_connected_to() {
    use std::io::{Read as _, Write as _};
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("s.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("listens");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = vec![0; 1024];
        let count = stream.read(&mut request).expect("read");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").expect("written");
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let text = format!(
        "name: a\nhttp: {{ url: 'http://api/x', unix: '{}' }}\nexpect: {{ body: ok }}\n",
        path.display()
    );
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
    let request = server.join().expect("no panic");
    assert!(request.starts_with("GET /x HTTP/1.1\r\n") && request.contains("host: api\r\n"), "{request}");
}

#[test]
fn what_cannot_be_a_request_is_told_with_its_place() {
    for (step, message, place) in [
        ("http: { url: 'localhost/x' }", "`localhost/x` has no scheme that is known", "2:14"),
        ("http: { url: 'ftp://h/' }", "`ftp://h/` has no scheme that is known", "2:14"),
        ("http: { url: 'http:///x' }", "`http:///x` names no host", "2:14"),
        ("http: { method: GET }", "it is not said what is asked for", "2:7"),
        ("http: { url: 'http://h', methd: GET }", "unknown key `methd`", "2:26"),
        ("http: { url: 'http://h', method: 'G T' }", "`G T` is no method", "2:34"),
        ("http: { url: 'http://h', body: x, json: 1 }", "not both `json` and `body`", "2:32"),
        ("http: { url: 'http://h', auth: {} }", "`auth` is one of `basic` and `bearer`", "2:32"),
        ("http: { url: 'http://h', follow: 101 }", "from 0 to 100", "2:34"),
        ("http: { url: 'http://h', headers: { 'a b': c } }", "`a b` is no name of a header", "2:37"),
        ("http: { url: 'http://h', tls: { cert: a.pem } }", "`cert` and `key` belong together", "2:39"),
        ("http: { url: 'http://h' }\nexpect: { status: 6xx }", "`6xx` is no class of status codes", "3:19"),
        ("http: { url: 'http://h' }\nexpect: { status: 20 }", "20 is no status code", "3:19"),
        ("http: { url: 'http://h' }\nexpect: { exit: 0 }", "`exit` cannot be expected of `http`", "3:11"),
        (
            "http: { url: 'http://h' }\nexpect: { duration: { min: 2s, max: 1s } }",
            "`max` is less than `min`",
            "3:37",
        ),
        ("run: 'true'\nexpect: { status: 200 }", "`status` cannot be expected of `run`", "3:11"),
        ("run: 'true'\ncapture: { a: { header: x } }", "`run` has no headers", "3:25"),
    ] {
        let run = Suite::of("a.test.yaml", &format!("name: a\n{step}\n")).run(&["check"]).expect_code(2);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(
            text.contains(message) && text.contains(&format!("a.test.yaml:{place}")),
            "{message} {place}\n{text}"
        );
    }
}

#[test]
fn a_request_may_be_only_an_address() {
    let server = Server::start();
    passes(&server, "http: URL/echo\nexpect: { status: 200 }");
    let step = "defaults: { http: { method: PUT } }\ncases:\n- { name: a, steps: [{ http: URL/echo, expect: { json: { method: PUT } } }] }";
    let text = step.replace("URL", &server.url());
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
}

#[test]
fn json_is_sent_in_the_order_in_which_it_is_written() {
    let expected = r#"{"z":1,"a":[{"y":7,"b":"x7"},null],"m":{"d":true,"c":1.5}}"#;
    let in_json = r#"{ "vars": { "n": 7 }, "http": { "url": "URL/echo", "json":
        { "z": 1, "a": [{ "y": "{{ n }}", "b": "x{{ n }}" }, null], "m": { "d": true, "c": 1.5 } } }, "expect": { "status": 599 } }"#;
    let in_yaml = "vars: { n: 7 }\nhttp: { url: URL/echo, json: { z: 1, a: [{ y: '{{ n }}', b: 'x{{ n }}' }, null], m: { d: true, c: 1.5 } } }\nexpect: { status: 599 }\n";
    // TOML has no null.
    let in_toml = "vars = { n = 7 }\nexpect.status = 599\n[http]\nurl = 'URL/echo'\n[http.json]\nz = 1\na = [{ y = '{{ n }}', b = 'x{{ n }}' }, 0]\n[http.json.m]\nd = true\nc = 1.5\n";
    for (name, text) in [("a.test.json", in_json), ("a.test.yaml", in_yaml), ("a.test.toml", in_toml)] {
        let server = Server::start();
        let run = Suite::of(name, &text.replace("URL", &server.url())).run(&[]).expect_code(1);
        let body = String::from_utf8(server.requests()[0].body.clone()).expect("UTF-8");
        let expected =
            if name.ends_with("toml") { expected.replace("null", "0") } else { expected.to_owned() };
        assert_eq!(body, expected, "{name}");
        assert!(run.stdout.contains(&format!("--data-raw '{expected}'")), "{}", run.stdout);
    }
}

#[test]
fn an_address_alone_is_a_request_also_before_the_cases_and_as_a_default() {
    let server = Server::start();
    let suite = format!(
        r#"{{ "setup": [{{ "run": "echo {}", "capture": {{ "u": {{ "line": 1 }} }} }}, {{ "http": "{{{{ u }}}}/hello" }}],
             "defaults": {{ "http": "{{{{ u }}}}/hello" }} }}"#,
        server.url()
    );
    Suite::of("a.test.json", r#"{ "name": "a" }"#).file("suite.json", suite).run(&[]).expect_code(0);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn tries_in_vain_say_what_the_last_one_met() {
    let server = Server::start();
    let until = "until: {every: 50ms, for: 500ms}";
    let run = fails(
        &server,
        &format!("http: {{url: URL/stall, timeouts: {{first_byte: 100ms}}}}\n{until}"),
        "connected to HOST, but no answer within 0.10s (tried ",
    );
    assert!(run.stdout.contains("TIMEOUT"), "{}", run.stdout);
    let message = "timed out after 0.50s, the time of `until`: connected to HOST, but no answer (tried once";
    fails(&server, &format!("http: URL/stall\n{until}"), message);
}
