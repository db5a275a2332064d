//! Downloads that break, from servers whose file is another one when the rest of it is asked for.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use crate::support::server::{Request, Server, send};
use crate::support::{Run, Suite};

const LENGTH: usize = 1000;

/// How often each path has been asked for; every path is of one test.
static ASKED: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

fn times_before(path: &str) -> u32 {
    let mut asked = ASKED.lock().expect("no panic");
    let count = asked.get_or_insert_default().entry(path.to_owned()).or_default();
    *count += 1;
    *count - 1
}

/// An answer that holds `content` from `start`, of a file of this length, and says so.
fn part(start: usize, content: &[u8], length: usize, headers: &str) -> Vec<u8> {
    let (count, last) = (content.len(), start + content.len() - 1);
    let head = format!(
        "HTTP/1.1 206 So\r\ncontent-length: {count}\r\ncontent-range: bytes {start}-{last}/{length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), content].concat()
}

/// The whole file, of which only so much comes.
fn broken(file: &[u8], until: usize, headers: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", file.len());
    [head.as_bytes(), &file[..until]].concat()
}

/// What is served first breaks after 300 bytes; what is served then is of another file, whatever it was asked for.
fn serve(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let (old, new) = ([b'o'; LENGTH], [b'n'; LENGTH]);
    let times = times_before(&request.path);
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
    let start = range.and_then(|range| range.split('-').next()?.parse().ok());
    let one = "etag: \"one\"\r\n";
    let answer = match (request.path.as_str(), times, start) {
        ("/etag" | "/no-etag" | "/total" | "/pieces" | "/busy", 0, _) => broken(&old, 300, one),
        ("/none", 0, _) => broken(&old, 300, ""),
        ("/weak", 0, _) => broken(&old, 300, "etag: W/\"one\"\r\n"),
        ("/modified", 0, _) => broken(&old, 300, "last-modified: then\r\ndate: later\r\n"),
        ("/just-modified", 0, _) => broken(&old, 300, "last-modified: now\r\ndate: now\r\n"),
        ("/etag", _, Some(start)) => part(start, &new[start..], LENGTH, "etag: \"two\"\r\n"),
        ("/modified", _, Some(start)) => part(start, &new[start..], LENGTH, "last-modified: since\r\n"),
        ("/total", _, Some(start)) => part(start, &new[start..], LENGTH + 7, one),
        ("/pieces", _, Some(start)) => part(start, &old[start..start + 100], LENGTH, one),
        ("/no-etag" | "/none" | "/weak" | "/just-modified", _, Some(start)) => {
            part(start, &new[start..], LENGTH, "")
        }
        ("/busy", 1, _) => return send(stream, "503 Busy", "", b"wait\n"),
        ("/busy", _, Some(start)) => part(start, &old[start..], LENGTH, one),
        ("/no-end", 0, _) => {
            let head = "HTTP/1.1 200 OK\r\netag: \"one\"\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n";
            [head.as_bytes(), &old, b"\r\n"].concat()
        }
        ("/no-end", ..) => return send(stream, "416 So", "content-range: bytes */1000\r\n", b"too far\n"),
        ("/range", 0, _) => part(100, &old[100..300], LENGTH, one)[..200].to_vec(),
        ("/range", _, Some(start)) => {
            let last = range.and_then(|range| range.split('-').nth(1)?.parse().ok()).unwrap_or(LENGTH - 1);
            part(start, &old[start..=last], LENGTH, one)
        }
        _ => broken(&new, LENGTH, "etag: \"two\"\r\n"),
    };
    stream.write_all(&answer)
}

fn run(server: &Server, path: &str, rest: &str) -> Run {
    let url = server.url();
    let text = format!("name: a\ndownload: {{ url: '{url}/{path}', to: x }}\n{rest}\n");
    Suite::of("a.test.yaml", &text).run(&[])
}

fn expecting(byte: u8, count: usize) -> String {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(vec![byte; count]));
    format!("expect: {{ size: {count}, sha256: '{digest}' }}")
}

fn ranges(server: &Server) -> Vec<Option<String>> {
    server.requests().iter().map(|request| request.header("range").map(str::to_owned)).collect()
}

#[test]
fn parts_of_different_files_are_never_put_together() {
    for path in ["etag", "no-etag", "total", "modified"] {
        let server = Server::with(serve);
        run(&server, path, &expecting(b'n', LENGTH)).expect_code(0);
        assert_eq!(ranges(&server), [None, Some("bytes=300-".to_owned()), None], "{path}");
    }
}

#[test]
fn what_cannot_be_known_again_begins_from_the_beginning() {
    for path in ["none", "weak", "just-modified"] {
        let server = Server::with(serve);
        run(&server, path, &expecting(b'n', LENGTH)).expect_code(0);
        assert_eq!(ranges(&server), [None, None], "{path}");
    }
}

#[test]
fn parts_that_are_shorter_than_the_rest_are_not_the_end() {
    let server = Server::with(serve);
    run(&server, "pieces", &expecting(b'o', LENGTH)).expect_code(0);
    assert_eq!(ranges(&server).len(), 8);
}

#[test]
fn a_refusal_of_the_rest_tells_what_broke() {
    let server = Server::with(serve);
    let run_ = run(&server, "no-end", "").expect_code(1);
    let message = "the connection was closed in the middle of the body, after 1000 bytes; asked once more, the answer is status 416 (resumed once)";
    assert_eq!(run_.verdict("a").1, message);
    assert!(run_.stdout.contains("too far"), "{}", run_.stdout);
    run(&server, "busy", &expecting(b'o', LENGTH)).expect_code(0);
}

#[test]
fn the_rest_of_a_range_is_within_the_range() {
    let server = Server::with(serve);
    let url = server.url();
    let text = format!(
        "name: a\ndownload: {{ url: '{url}/range', to: x, headers: {{ Range: 'bytes=100-299' }} }}\n{}\n",
        expecting(b'o', 200)
    );
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
    let ranges = ranges(&server);
    assert_eq!(ranges[0].as_deref(), Some("bytes=100-299"));
    let rest = ranges[1].as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix("-299"));
    let begin: usize = rest.and_then(|begin| begin.parse().ok()).expect("a range");
    assert!((101..300).contains(&begin), "{ranges:?}");
}
