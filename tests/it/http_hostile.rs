//! Servers that mean harm: each step has a clear verdict within its time, and memory stays as it is.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::server::{Request, Server};
use crate::support::{Run, Suite};

/// What a path answers; the connection is closed after it.
const ANSWERS: &[(&str, &[u8])] = &[
    ("early-hints", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ("continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ("no-content", b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
    ("not-modified", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n"),
    ("head", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    ("no-reason", b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok"),
    ("both-lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ("same-lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"),
    ("trailers", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"),
    ("two-lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nok"),
    ("minus", b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok"),
    ("huge", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nok"),
    ("large", b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nok"),
    ("other-version", b"HTTP/9.9 200 OK\r\n\r\nok"),
    ("no-number", b"HTTP/1.1 abc OK\r\n\r\nok"),
    ("zero", b"HTTP/1.1 000 OK\r\n\r\nok"),
    ("no-colon", b"HTTP/1.1 200 OK\r\nnothing at all\r\n\r\nok"),
    ("cut-head", b"HTTP/1.1 200 OK\r\ncontent-le"),
    ("huge-chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nok"),
    ("no-location", b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"),
    ("bad-location", b"HTTP/1.1 302 Found\r\nlocation: http://[\r\ncontent-length: 0\r\n\r\n"),
    ("latin", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; Charset=\"ISO-8859-1\"\r\ncontent-length: 4\r\n\r\ncaf\xe9"),
    ("no-latin", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=iso-8859-1\r\ncontent-length: 5\r\n\r\ncaf\xc3\xa9"),
    ("far-location", b"HTTP/1.1 302 Found\r\nlocation: /no-reason?\xc3\xa4\r\ncontent-length: 0\r\n\r\n"),
    ("folded", b"HTTP/1.1 200 OK\r\nx-long: a\r\n b\r\ncontent-length: 2\r\n\r\nok"),
    ("binary", b"HTTP/1.1 200 OK\r\nx-bytes: \xff\xfe\r\ncontent-length: 4\r\n\r\n\x00\xff\xfe\x1b"),
];

/// What is sent again and again, as far as the other side lets it.
const ENDLESS: &[(&str, &[u8], &[u8])] = &[
    ("continues", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ("long-header", b"HTTP/1.1 200 OK\r\nx: ", b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
    ("long-status", b"HTTP/1.1 200 ", b"OK OK OK OK OK OK OK OK OK OK OK"),
    ("chunks", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"5\r\nhello\r\n"),
    (
        "long-chunk-size",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;",
        b"x=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
    ),
    ("trailers-for-ever", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x-sum: 1\r\n"),
    ("body", b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4096]),
];

fn serve(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let name = request.path.trim_start_matches('/');
    if let Some((_, answer)) = ANSWERS.iter().find(|(known, _)| *known == name) {
        stream.write_all(answer)?;
        // Whoever reads to the end of the connection is let to.
        stream.shutdown(std::net::Shutdown::Write)?;
        return io::copy(stream, &mut io::sink()).map(drop);
    }
    if let Some((_, begin, again)) = ENDLESS.iter().find(|(known, ..)| *known == name) {
        stream.write_all(begin)?;
        let again = again.repeat(4096 / again.len());
        loop {
            stream.write_all(&again)?;
        }
    }
    let slowly: &[u8] = match name {
        "slow-head" => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-slow: 12345678901234567890123456789012345678901234567890\r\n\r\nok",
        "slow-body" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n")?;
            &[b'x'; 60]
        }
        "bomb" => return bomb(stream),
        "headers-127" | "headers-128" => {
            let more = name.strip_prefix("headers-").and_then(|count| count.parse::<usize>().ok());
            let more: String = (0..more.unwrap_or_default()).map(|n| format!("x-{n}: {n}\r\n")).collect();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{more}\r\nok");
            return stream.write_all(head.as_bytes());
        }
        _ => return Ok(()),
    };
    for byte in slowly {
        stream.write_all(&[*byte])?;
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// A body that is a thousand times as long as what is sent, again and again.
fn bomb(stream: &mut TcpStream) -> io::Result<()> {
    let mut member = Vec::new();
    let zeros = io::repeat(0).take(4 << 20);
    flate2::read::GzEncoder::new(zeros, flate2::Compression::fast()).read_to_end(&mut member)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n")?;
    loop {
        stream.write_all(&member)?;
    }
}

/// Runs a case for each of these paths, all beside each other.
fn run(server: &Server, cases: &[(&str, &str)]) -> (Run, u64) {
    let mut text = "defaults: { timeout: 60s }\ncases:\n".to_owned();
    for (path, rest) in cases {
        let step = if rest.contains("http:") || rest.contains("download:") {
            rest.replace("URL", &format!("{}/{path}", server.url()))
        } else {
            format!("http: {}/{path}\n{rest}", server.url())
        };
        text.push_str(&format!("  - name: {path}\n    {}\n", step.replace('\n', "\n    ")));
    }
    let suite = Suite::of("a.test.yaml", &text);
    suite.peak(&[])
}

#[test]
fn unusual_answers_have_their_verdicts() {
    let server = Server::with(serve);
    let ok = "expect: { status: 200, body: ok }";
    let cases: Vec<_> = ANSWERS
        .iter()
        .map(|(name, _)| match *name {
            "no-content" => (*name, "expect: { status: 204, body: '' }"),
            "not-modified" => (*name, "expect: { status: 304, body: '' }"),
            "head" => (*name, "http: { url: URL, method: HEAD }\nexpect: { status: 200, body: '', headers: { content-length: '5' } }"),
            "no-location" => (*name, "http: { url: URL, follow: true }\nexpect: { status: 302 }"),
            "bad-location" => (*name, "http: { url: URL, follow: true }"),
            "binary" => (*name, "expect: { body: { bytes: 00 ff fe 1b }, headers: { x-bytes: { bytes: ff fe } } }"),
            "latin" | "no-latin" => (*name, "expect: { body: 'caf\u{e9}' }"),
            "far-location" => (*name, "http: { url: URL, follow: true }\nexpect: { body: ok }"),
            name => (name, ok),
        })
        .collect();
    let (run, _) = run(&server, &cases);
    let not_http = "answers is not HTTP";
    run.expect_verdicts(&[
            ("early-hints", ""),
            ("continue", ""),
            ("no-content", ""),
            ("not-modified", ""),
            ("head", ""),
            ("no-reason", ""),
            ("both-lengths", ""),
            ("same-lengths", ""),
            ("trailers", ""),
            ("two-lengths", not_http),
            ("minus", not_http),
            ("huge", not_http),
            (
                "large",
                "the connection was closed in the middle of the body, after 2 of 18446744073709551615 bytes",
            ),
            ("other-version", not_http),
            ("no-number", not_http),
            ("zero", not_http),
            ("no-colon", not_http),
            ("cut-head", "closed the connection without an answer"),
            ("huge-chunk", "the body cannot be read, after 0 bytes"),
            ("no-location", ""),
            ("bad-location", "status 302 leads to \"http://[\", which is no http address"),
            (
                "folded",
                "answers is not HTTP: http parse fail: invalid header name (nor may a header go on in the next line)",
            ),
            ("latin", ""),
            ("no-latin", ""),
            ("far-location", ""),
            ("binary", ""),
        ],
    );
}

#[test]
fn what_never_ends_is_left_in_time_and_takes_no_memory() {
    let server = Server::with(serve);
    let calm = run(&server, &[("no-reason", "")]).1;
    let begin = Instant::now();
    let names = ENDLESS.iter().map(|(name, ..)| *name).chain(["bomb", "slow-head", "slow-body"]);
    let cases: Vec<_> = names.map(|name| (name, "timeout: 2s\nhttp: URL")).collect();
    let (run, peak) = run(&server, &cases);
    let timed_out = "timed out after 2.00s: ";
    run.expect_verdicts(&[
        ("continues", "answers has a head of more than 64 KiB"),
        ("long-header", "answers has a head of more than 64 KiB"),
        ("long-status", "answers has a head of more than 64 KiB"),
        ("chunks", "timed out after 2.00s: status 200, but the body did not end, after"),
        ("long-chunk-size", "the body cannot be read, after 0 bytes"),
        ("trailers-for-ever", "timed out after 2.00s: status 200, but the body did not end, after 0 bytes"),
        ("body", "timed out after 2.00s: status 200, but the body did not end, after"),
        ("bomb", timed_out),
        ("slow-head", "timed out after 2.00s: connected to"),
        ("slow-body", "timed out after 2.00s: status 200, but the body did not end, after"),
    ]);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    // Three bodies of which 8 MiB are kept, and what is made of them for reports.
    assert!(peak < calm + (160 << 10), "{calm} KiB without, {peak} KiB with them");
}

#[test]
fn a_head_has_128_fields_at_most() {
    let server = Server::with(serve);
    let ok = "expect: { status: 200, body: ok }";
    let (run, _) = run(&server, &[("headers-127", ok), ("headers-128", ok)]);
    run.expect_verdicts(&[("headers-127", ""), ("headers-128", "answers has more than 128 header fields")]);
}

#[test]
fn the_first_byte_is_the_whole_head() {
    let server = Server::with(serve);
    let case = ("slow-head", "http: { url: URL, timeouts: { first_byte: 500ms } }");
    let (run, _) = run(&server, &[case]);
    run.expect_verdicts(&[("slow-head", "but no answer within 0.50s")]);
}

#[test]
fn a_download_from_them_ends_in_time() {
    let server = Server::with(serve);
    let step = "timeout: 2s\ndownload: { url: URL, to: x }";
    let names = ["body", "chunks", "slow-body", "bomb", "two-lengths", "large", "bad-location"];
    let cases: Vec<_> = names.into_iter().map(|name| (name, step)).collect();
    let (run, _) = run(&server, &cases);
    run.expect_verdicts(&[
        ("body", "timed out after 2.00s: status 200, but the body did not end, after"),
        ("chunks", "timed out after 2.00s: status 200, but the body did not end, after"),
        ("slow-body", "timed out after 2.00s: status 200, but the body did not end, after"),
        ("bomb", "timed out after 2.00s: status 200, but the body did not end, after"),
        ("two-lengths", "answers is not HTTP"),
        ("large", " (resumed "),
        ("bad-location", "which is no http address"),
    ]);
}
