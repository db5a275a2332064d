//! Servers that answer before they have read a request, or take nothing of it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::http_cut::{read_securely, secure_server};
use crate::support::server::Server;
use crate::support::{Run, Suite};

/// More than all buffers on the way can take.
const LARGE: usize = 16 << 20;

/// A server for one connection, which it gives to `serve` before anything is read.
fn server(serve: fn(TcpStream) -> io::Result<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // Whoever asks may go away.
    thread::spawn(move || listener.accept().and_then(|(stream, _)| serve(stream)));
    format!("http://{address}")
}

/// Reads no more than the head of a request.
fn read_head(stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(64, stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    Ok(())
}

fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nbig\n")
}

/// Sends much to an address; `rest` is what else stands in the step.
fn send_large(url: &str, rest: &str) -> Run {
    let text = format!(
        "name: a
steps:
  - run: truncate -s {LARGE} large
  - http: {{ url: '{url}', body: {{ file: '{{{{ work }}}}/large' }}{rest}
"
    );
    Suite::of("a.test.yaml", &text).run(&[])
}

#[test]
fn an_answer_before_the_request_is_read_is_seen() {
    let closes = server(|mut stream| {
        read_head(&stream)?;
        refuse(&mut stream)
    });
    send_large(&closes, " }\n    expect: { status: 413, body: \"big\\n\" }").expect_code(0);
    let stays = server(|mut stream| {
        read_head(&stream)?;
        refuse(&mut stream)?;
        thread::sleep(Duration::from_secs(3600));
        Ok(())
    });
    send_large(&stays, " }\n    expect: { status: 413, body: \"big\\n\" }").expect_code(0);
}

#[test]
#[ignore = "needs openssl: ./tests/run"]
fn an_answer_over_tls_before_the_request_is_read_is_seen() {
    let insecure = ", tls: { insecure: true } }";
    let stays = secure_server(|mut stream| {
        read_securely(&mut stream)?;
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nbig\n")?;
        thread::sleep(Duration::from_secs(3600));
        Ok(())
    });
    send_large(&stays, &format!("{insecure}\n    expect: {{ status: 413, body: \"big\\n\" }}"))
        .expect_code(0);
    // One of success is none yet.
    let takes = secure_server(|mut stream| {
        read_securely(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")?;
        thread::sleep(Duration::from_millis(500));
        let mut count = 0;
        let mut piece = vec![0; 1 << 16];
        while count < LARGE {
            count += stream.read(&mut piece)?;
        }
        stream.write_all(format!("{count}\n").as_bytes())
    });
    send_large(&takes, &format!("{insecure}\n    expect: {{ body: \"{LARGE}\\n\" }}")).expect_code(0);
    let read = secure_server(|mut stream| {
        thread::sleep(Duration::from_millis(500));
        read_securely(&mut stream)?;
        let count = io::copy(&mut (&mut stream).take(LARGE as u64), &mut io::sink())?;
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{count}\n").as_bytes())
    });
    send_large(&read, &format!("{insecure}\n    expect: {{ body: \"{LARGE}\\n\" }}")).expect_code(0);
}

#[test]
fn an_answer_of_success_does_not_end_the_request() {
    let url = server(|mut stream| {
        read_head(&stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")?;
        // What is sent is not read for a while, and then counted.
        thread::sleep(Duration::from_millis(500));
        let mut count = 0;
        let mut piece = vec![0; 1 << 16];
        while count < LARGE - piece.len() {
            count += stream.read(&mut piece)?;
        }
        stream.write_all(b"enough\n")
    });
    send_large(&url, " }\n    expect: { body: \"enough\\n\" }").expect_code(0);
}

#[test]
fn a_server_that_takes_nothing_has_its_time() {
    let url = server(|stream| {
        thread::sleep(Duration::from_secs(3600));
        drop(stream);
        Ok(())
    });
    let run = send_large(&url, ", timeouts: { first_byte: 500ms } }").expect_code(1);
    let message = run.verdict("a").1;
    assert!(message.contains("but the request was not sent within 0.50s"), "{message}");
}

#[test]
fn a_body_is_sent_to_a_server_that_does_not_ask_for_it() {
    let server = Server::start();
    let url = server.url();
    let text = format!(
        "name: a\nhttp: {{ url: '{url}/echo', headers: {{ Expect: 100-continue }}, body: hello }}\nexpect: {{ json: {{ body: hello }} }}\n"
    );
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
}
