//! A small HTTP server that does right and wrong on request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// With names in small letters, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A server on a port of this machine, until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(answer)
    }

    /// A server that leaves every connection to `serve`, once a request has come.
    pub(crate) fn with(serve: fn(&Request, &mut TcpStream) -> io::Result<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            is_over: Arc::default(),
            requests: Arc::default(),
        };
        let (is_over, requests) = (Arc::clone(&server.is_over), Arc::clone(&server.requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let requests = Arc::clone(&requests);
                thread::spawn(move || {
                    let mut stream = stream.expect("a connection");
                    let Ok(request) = read(&stream) else { return };
                    requests.lock().expect("no panic").push(request.clone());
                    // Whoever asked may be gone.
                    let _ = serve(&request, &mut stream);
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What has been asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn echo(&self) -> String {
        let headers: serde_json::Map<_, _> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        serde_json::json!({
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "body": String::from_utf8_lossy(&self.body),
        })
        .to_string()
    }
}

fn read(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request =
        Request { method, path: path.to_owned(), query: query.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        request.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    if let Some(length) = request.header("content-length").and_then(|length| length.parse().ok()) {
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
    }
    Ok(request)
}

/// Sends an answer with a body of its length.
pub(crate) fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)
}

/// Does nothing until the other side goes away.
fn stall(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}

/// What the paths of the usual server do.
fn answer(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let words: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let is_head = request.method == "HEAD";
    let body = |text: &'static [u8]| if is_head { &[] } else { text };
    match words.as_slice() {
        ["hello"] => send(stream, "200 OK", "content-type: text/plain\r\n", body(b"hello\n")),
        ["echo", ..] => {
            let echo = request.echo();
            let echo = if is_head { "" } else { &echo };
            send(
                stream,
                "200 OK",
                "content-type: application/json\r\nx-one: 1\r\nx-one: 2\r\n",
                echo.as_bytes(),
            )
        }
        ["status", status] => send(stream, &format!("{status} So"), "", body(b"so\n")),
        ["chunked"] => stream.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n3;x=y\r\nlo\n\r\n0\r\n\r\n",
        ),
        ["gzip"] => send(stream, "200 OK", "content-encoding: gzip\r\n", &gzip(b"hello\n")),
        ["deflate"] => send(stream, "200 OK", "content-encoding: deflate\r\n", &deflate(b"hello\n")),
        ["twice"] => send(
            stream,
            "200 OK",
            "content-encoding: deflate, identity, gzip\r\n",
            &gzip(&deflate(b"hello\n")),
        ),
        ["brotli"] => send(stream, "200 OK", "content-encoding: br\r\n", BROTLI),
        ["unknown-coding"] => send(stream, "200 OK", "content-encoding: own, gzip\r\n", b"hello\n"),
        ["empty-gzip"] => send(stream, "200 OK", "content-encoding: gzip\r\n", b""),
        ["redirect", "0"] => send(stream, "200 OK", "", request.echo().as_bytes()),
        ["redirect", number] => {
            let next = number.parse::<u32>().unwrap_or(1) - 1;
            send(stream, "302 Found", &format!("location: {next}\r\n"), b"")
        }
        ["turn", status] => send(stream, &format!("{status} So"), "location: /echo/turned\r\n", b""),
        ["away"] => {
            let location = format!("location: {}\r\n", request.query);
            send(stream, "302 Found", &location, b"")
        }
        ["loop"] => send(stream, "301 So", "location: /loop\r\n", b""),
        ["set-cookie"] => {
            let cookie = format!("set-cookie: {}\r\n", request.query);
            send(stream, "200 OK", &cookie, b"")
        }
        ["slow", milliseconds] => {
            thread::sleep(Duration::from_millis(milliseconds.parse().unwrap_or_default()));
            send(stream, "200 OK", "", b"slow\n")
        }
        ["file", length] => file(request, stream, length.parse().unwrap_or_default()),
        ["old"] => stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n"),
        _ => break_off(&words, stream),
    }
}

/// What the paths do that do no right.
fn break_off(words: &[&str], stream: &mut TcpStream) -> io::Result<()> {
    match words {
        ["stall"] => stall(stream),
        ["stall-body"] => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello")?;
            stall(stream)
        }
        ["stall-unknown"] => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")?;
            stall(stream)
        }
        ["endless"] => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
        ["endless-head"] => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"x: y\r\n")?;
            }
        }
        ["close"] => Ok(()),
        ["reset"] => reset(stream),
        ["truncate"] => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello world\n"),
        ["lies"] => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello world\n"),
        ["garbage"] => stream.write_all(b"this is no HTTP\r\n\r\n"),
        ["bad-chunk"] => stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnone\r\nhello\r\n0\r\n\r\n"),
        ["cut-chunk"] => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        }
        ["bad-gzip"] => send(stream, "200 OK", "content-encoding: gzip\r\n", b"hello\n"),
        ["two-gzips"] => {
            let body = [gzip(b"hel"), gzip(b"lo\n")].concat();
            send(stream, "200 OK", "content-encoding: gzip\r\n", &body)
        }
        ["gzip-and-more"] => {
            send(stream, "200 OK", "content-encoding: gzip\r\n", &[&gzip(b"hello\n")[..], b"more"].concat())
        }
        ["cut-gzip"] => send(stream, "200 OK", "content-encoding: gzip\r\n", &gzip(b"hello\n")[..20]),
        _ => send(stream, "404 Not Found", "", b"nothing here\n"),
    }
}

/// Closes a connection so that the other side gets an error.
fn reset(stream: &mut TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("written")
}

/// Without the head that the standard asks for, and many leave out.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("written")
}

/// "hello\n" by brotli.
const BROTLI: &[u8] = &[139, 2, 128, 104, 101, 108, 108, 111, 10, 3];

/// The byte of a generated file at a place.
pub(crate) fn byte_at(place: u64) -> u8 {
    (place * 31 + place / 251) as u8
}

/// Serves a generated file of this length, or a range of it. The query says what goes wrong: `break=N` ends each
/// connection after N bytes, `reset=N` resets it, `stall=N` says nothing more, `no-range` ignores ranges, `shift` begins ranges one byte too early.
fn file(request: &Request, stream: &mut TcpStream, length: u64) -> io::Result<()> {
    let option = |name: &str| {
        let mut options = request.query.split('&');
        options.find_map(|option| option.strip_prefix(name)).map(|value| value.trim_start_matches('='))
    };
    let range = request.header("range").filter(|_| option("no-range").is_none());
    let asked = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    let is_same = request.header("if-range").is_none_or(|tag| tag == "\"v1\"") && option("changes").is_none();
    let start = match asked.filter(|_| is_same) {
        None => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\netag: \"v1\"\r\n\r\n")?;
            0
        }
        Some(start) => {
            let start = if option("shift").is_some() { start - 1 } else { start };
            let (rest, last) = (length - start, length - 1);
            write!(
                stream,
                "HTTP/1.1 206 Partial\r\ncontent-length: {rest}\r\ncontent-range: bytes {start}-{last}/{length}\r\netag: \"v1\"\r\n\r\n"
            )?;
            start
        }
    };
    let stall_at = option("stall").and_then(|value| value.parse::<u64>().ok());
    let until = option("break").or_else(|| option("reset")).and_then(|value| value.parse::<u64>().ok());
    let until = until.or(stall_at);
    let end = until.map_or(length, |until| (start + until).min(length));
    let mut place = start;
    while place < end {
        let piece: Vec<u8> = (place..end.min(place + (1 << 20))).map(byte_at).collect();
        stream.write_all(&piece)?;
        place += piece.len() as u64;
    }
    match (option("reset"), stall_at) {
        (Some(_), _) if end < length => reset(stream),
        (_, Some(_)) => stall(stream),
        _ => Ok(()),
    }
}
