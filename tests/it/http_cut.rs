//! Answers that do not come whole: what lacks a part is never taken for all of it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::server::{Request, Server};
use crate::support::{Run, Suite};

/// What is sent, compressed or not.
const TEXT: &str = "hello";

/// "hello" in the coding `br`.
const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn compressed(mut encoder: impl io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).expect("compressed");
    bytes
}

fn coded(coding: &str) -> Vec<u8> {
    let (text, level) = (TEXT.as_bytes(), Compression::fast());
    match coding {
        "gzip" => compressed(GzEncoder::new(text, level)),
        "zlib" => compressed(ZlibEncoder::new(text, level)),
        "deflate" => compressed(DeflateEncoder::new(text, level)),
        _ => BROTLI.to_owned(),
    }
}

/// What is answered, after which the connection is closed. `coded/gzip/-3/2` is a body without its last three bytes of
/// which two more are promised.
fn answer(path: &str) -> Vec<u8> {
    if let ["coded", coding, cut, more] = path.split('/').collect::<Vec<_>>()[..] {
        let whole = coded(coding);
        let [cut, more] = [cut, more].map(|number| number.parse::<usize>().expect("a number"));
        let (name, body) = (if coding == "zlib" { "deflate" } else { coding }, &whole[..whole.len() - cut]);
        let length = body.len() + more;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {name}\r\ncontent-length: {length}\r\n\r\n");
        return [head.as_bytes(), body].concat();
    }
    let chunked = |rest: &str| format!("{CHUNKED}{rest}").into_bytes();
    match path {
        "length" => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec(),
        "whole" => chunked("5\r\nhello\r\n0\r\n\r\n"),
        "in-a-chunk" => chunked("9\r\nhello"),
        "after-a-chunk" => chunked("5\r\nhello\r\n"),
        "before-the-end" => chunked("5\r\nhello\r\n0\r\n"),
        "before-the-end-2" => chunked("5\r\nhello\r\n0\r\n\r"),
        "in-a-trailer" => chunked("5\r\nhello\r\n0\r\nx-sum"),
        "after-a-trailer" => chunked("5\r\nhello\r\n0\r\nx-sum: 1\r\n"),
        "too-long" => chunked("3\r\nhello\r\n0\r\n\r\n"),
        "too-short" => chunked("9\r\nhello\r\n0\r\n\r\n"),
        "bad-sum" => {
            let mut whole = coded("gzip");
            let place = whole.len() - 8;
            whole[place] ^= 1;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                whole.len()
            );
            [head.into_bytes(), whole].concat()
        }
        _ => b"HTTP/1.0 200 OK\r\n\r\nhello".to_vec(),
    }
}

fn serve(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let path = request.path.trim_start_matches('/');
    stream.write_all(&answer(path.strip_prefix("reset/").unwrap_or(path)))?;
    if path.starts_with("reset/") {
        // What has been sent is read meanwhile.
        thread::sleep(Duration::from_millis(300));
        return Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?);
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    io::copy(stream, &mut io::sink()).map(drop)
}

/// Runs a case for each of these paths, and compares what came of it.
#[track_caller]
fn check(url: &str, expected: &[(&str, &str)]) -> Run {
    let mut text = "defaults: { timeout: 60s, expect: { status: 200, body: hello } }\ncases:\n".to_owned();
    for (path, _) in expected {
        text +=
            &format!("  - {{ name: {path}, http: {{ url: '{url}/{path}', tls: {{ insecure: true }} }} }}\n");
    }
    let run = Suite::of("a.test.yaml", &text).run(&[]);
    run.expect_verdicts(expected);
    run
}

#[test]
fn what_is_cut_fails() {
    let server = Server::with(serve);
    let closed = "the connection was closed in the middle of the body, after 5 bytes";
    let reset = "the connection was reset in the middle of the body, after 5 bytes";
    check(
        &server.url(),
        &[
            ("whole", ""),
            // Nothing tells that more should come.
            ("until-the-end", ""),
            ("length", "the connection was closed in the middle of the body, after 5 of 10 bytes"),
            ("in-a-chunk", closed),
            ("after-a-chunk", closed),
            ("before-the-end", closed),
            ("before-the-end-2", closed),
            ("in-a-trailer", closed),
            ("after-a-trailer", closed),
            ("too-long", "the body cannot be read, after"),
            ("too-short", "the body cannot be read, after"),
            ("reset/until-the-end", reset),
            ("reset/after-a-chunk", reset),
            ("reset/before-the-end", reset),
        ],
    );
}

#[test]
fn what_is_cut_before_it_was_compressed_or_after_fails() {
    let server = Server::with(serve);
    let mut expected =
        vec![("bad-sum".to_owned(), "the body is not what `content-encoding: gzip` says".to_owned())];
    for coding in ["gzip", "zlib", "deflate", "br"] {
        let name = if coding == "zlib" { "deflate" } else { coding };
        expected.push((format!("coded/{coding}/0/0"), String::new()));
        for cut in [1, 2, 4] {
            let message = format!("the body is not what `content-encoding: {name}` says");
            expected.push((format!("coded/{coding}/{cut}/0"), message));
        }
        let message = "the connection was closed in the middle of the body, after ".to_owned();
        expected.push((format!("coded/{coding}/0/2"), message));
    }
    let expected: Vec<_> = expected.iter().map(|(path, message)| (path.as_str(), message.as_str())).collect();
    check(&server.url(), &expected);
}

#[test]
fn a_download_that_is_cut_is_no_file() {
    let server = Server::with(serve);
    let mut text = "cases:\n".to_owned();
    for path in ["whole", "until-the-end", "before-the-end", "reset/until-the-end"] {
        text += &format!(
            "  - {{ name: {path}, download: {{ url: '{}/{path}', to: x }}, expect: {{ size: 5 }} }}\n",
            server.url()
        );
    }
    let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
    for (name, message) in [
        ("whole", ""),
        ("until-the-end", ""),
        ("before-the-end", "closed in the middle of the body, after 5 bytes (resumed 5 times)"),
        ("reset/until-the-end", "reset in the middle of the body, after 5 bytes (resumed 5 times)"),
    ] {
        let found = run.verdict(name).1;
        assert!(found.ends_with(message) && found.is_empty() == message.is_empty(), "{name}: {found}");
    }
}

/// A connection over TLS.
pub(crate) type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A server over TLS.
pub(crate) fn secure_server(serve: fn(Secure) -> io::Result<()>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder.path()).status().expect("started");
    assert!(made.success());
    let certificate = CertificateDer::from_pem_file(folder.path().join("cert.pem")).expect("read");
    let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).expect("read");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let config = Arc::new(config.expect("a configuration"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            // Whoever asks may go away.
            thread::spawn(move || serve(StreamOwned::new(connection, stream)));
        }
    });
    format!("https://{address}")
}

/// The head of a request.
pub(crate) fn read_securely(stream: &mut Secure) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Answers as [`answer`] says, and says that this is the end where the path ends with `closed`.
fn serve_securely(mut stream: Secure) -> io::Result<()> {
    let head = read_securely(&mut stream)?;
    let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    stream.write_all(&answer(path.strip_suffix("/closed").unwrap_or(path)))?;
    if path.ends_with("/closed") {
        stream.conn.send_close_notify();
    }
    stream.flush()?;
    stream.sock.shutdown(std::net::Shutdown::Write)?;
    io::copy(&mut stream.sock, &mut io::sink()).map(drop)
}

#[test]
#[ignore = "needs openssl: ./tests/run"]
fn what_is_cut_below_tls_fails() {
    let closed = "the connection was closed in the middle of the body, after 5 ";
    check(
        &secure_server(serve_securely),
        &[
            ("whole", ""),
            ("whole/closed", ""),
            ("until-the-end/closed", ""),
            // Servers as Python's end so, and nothing tells that more should come.
            ("until-the-end", ""),
            ("length", closed),
            ("length/closed", closed),
            ("in-a-chunk/closed", closed),
            ("before-the-end/closed", closed),
            ("before-the-end", closed),
        ],
    );
}
