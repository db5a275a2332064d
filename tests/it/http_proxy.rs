//! Requests through a proxy that really passes them on.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::support::server::{Request, Server, send};
use crate::support::{Run, Suite};

/// A proxy: it connects to the host of a request, and passes on what both say.
pub(crate) fn proxy() -> Server {
    Server::with(|request, stream| {
        if request.path == "refuse.test:443" {
            return send(stream, "403 Forbidden", "", b"");
        }
        if request.path == "stall.test:443" {
            return io::copy(stream, &mut io::sink()).map(drop);
        }
        if request.method == "CONNECT" {
            let host = TcpStream::connect(&request.path)?;
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
            return pass_on(stream, host);
        }
        let rest = request.path.strip_prefix("http://").ok_or(io::ErrorKind::InvalidData)?;
        let (host, path) = rest.split_once('/').ok_or(io::ErrorKind::InvalidData)?;
        // Only the proxy knows where this host is.
        let host = request.header("x-really").map_or(host, |really| really);
        let host = TcpStream::connect(host)?;
        ask(request, path, &host)?;
        pass_on(stream, host)
    })
}

/// Sends the request to the host that it is for.
fn ask(request: &Request, path: &str, mut host: &TcpStream) -> io::Result<()> {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    write!(host, "{} /{path}{query} HTTP/1.1\r\n", request.method)?;
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "proxy-authorization") {
        write!(host, "{name}: {value}\r\n")?;
    }
    host.write_all(b"via: 1.1 proxy\r\n\r\n")?;
    host.write_all(&request.body)
}

fn pass_on(stream: &mut TcpStream, mut host: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (stream.try_clone()?, host.try_clone()?);
    let up = thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            if to.write_all(&piece[..count]).is_err() {
                break;
            }
        }
        // It may be gone.
        let _ = to.shutdown(Shutdown::Write);
    });
    io::copy(&mut host, stream)?;
    stream.shutdown(Shutdown::Both)?;
    up.join().map_err(|_| io::ErrorKind::Other)?;
    Ok(())
}

fn run(case: &str, variables: &[(&str, &str)]) -> Run {
    let suite = Suite::of("a.test.yaml", &format!("name: a\n{case}\n"));
    let mut command = suite.command(&[]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    suite.finish_command(command)
}

#[test]
fn a_request_goes_through_the_proxy_of_the_environment() {
    let (proxy, server) = (proxy(), Server::start());
    let case = format!(
        "http: {{ url: 'http://api.test:81/echo/x?a=1', method: PUT, body: hello, headers: {{ x-really: '{}' }} }}
expect: {{ json: {{ method: PUT, path: /echo/x, query: a=1, body: hello, headers: {{ host: 'api.test:81', via: 1.1 proxy }} }} }}",
        server.address()
    );
    let address = format!("http://ada:love%20lace@{}", proxy.address());
    run(&case, &[("HTTP_PROXY", &address)]).expect_code(0);
    run(&case, &[("all_proxy", &proxy.address())]).expect_code(0);
    let requests = proxy.requests();
    assert_eq!(requests[0].path, "http://api.test:81/echo/x");
    assert_eq!(requests[0].header("proxy-authorization"), Some("Basic YWRhOmxvdmUgbGFjZQ=="));
    assert_eq!(requests[1].header("proxy-authorization"), None);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[0].header("proxy-authorization"), None);
}

#[test]
fn what_the_case_says_wins_and_exceptions_are_asked_directly() {
    let (proxy, server) = (proxy(), Server::start());
    let url = format!("http: {}/hello", server.url());
    let address = proxy.url();
    // Variables of the machine are not meant for the machine itself.
    run(&url, &[("http_proxy", &address)]).expect_code(0);
    assert_eq!(proxy.requests().len(), 0);
    let case = format!("env: {{ HTTP_PROXY: '{address}' }}\n{url}");
    run(&case, &[]).expect_code(0);
    run(&format!("inherit_env: [http_proxy]\n{url}"), &[("http_proxy", &address)]).expect_code(0);
    assert_eq!(proxy.requests().len(), 2);
    let download =
        format!("env: {{ HTTP_PROXY: '{address}' }}\ndownload: {{ url: {}/hello, to: x }}", server.url());
    run(&download, &[]).expect_code(0);
    assert_eq!(proxy.requests().len(), 3);
    let except = format!("env: {{ HTTP_PROXY: '{address}', NO_PROXY: 'a.test, 127.0.0.1' }}\n{url}");
    run(&except, &[]).expect_code(0);
    run(&case, &[("NO_PROXY", "127.0.0.0/8")]).expect_code(0);
    assert_eq!(proxy.requests().len(), 3);
    // A failure shows how to ask in the same way, also where it masks secrets.
    for secrets in ["", "secrets: [OTHER]\ninherit_env: [OTHER]\n"] {
        let failing = format!("{secrets}{case}\nexpect: {{ status: 404 }}");
        let failure = run(&failing, &[("OTHER", "hunter22")]).expect_code(1);
        assert!(
            failure.stdout.contains(&format!("curl -i -x {address} --compressed {}/hello", server.url())),
            "{}",
            failure.stdout
        );
    }
}

#[test]
fn a_proxy_that_fails_is_named() {
    let proxy = proxy();
    let address = proxy.address();
    for (value, url, message) in [
        (
            "http://127.0.0.1:1",
            "http://api.test/",
            "cannot connect to the proxy 127.0.0.1:1: Connection refused".to_owned(),
        ),
        (
            "socks5://127.0.0.1:1",
            "http://api.test/",
            "the variable ALL_PROXY: a proxy is an address that begins with http://".to_owned(),
        ),
        ("", "http://127.0.0.1:1/", "cannot connect to 127.0.0.1:1: ".to_owned()),
        (
            &address,
            "https://refuse.test/",
            format!(
                "the proxy {address} does not connect to refuse.test:443: it answers \"HTTP/1.1 403 Forbidden\""
            ),
        ),
        (
            &address,
            "{ url: 'https://stall.test/', timeouts: { connect: 2s } }",
            format!(
                "connected to the proxy {address}, but it did not connect to stall.test:443 within 2.00s"
            ),
        ),
        (
            &address,
            "http://127.0.0.1:1/",
            format!("the proxy {address} closed the connection without an answer"),
        ),
    ] {
        let run = run(&format!("env: {{ ALL_PROXY: '{value}' }}\nhttp: {url}"), &[]).expect_code(1);
        assert!(run.verdict("a").1.starts_with(&message), "{message}\n{:?}", run.verdict("a"));
    }
    // TLS goes through it to the host, of which it sees nothing but the name.
    let server = Server::start();
    let case = format!("env: {{ HTTPS_PROXY: '{address}' }}\nhttp: https://{}/", server.address());
    let run = run(&case, &[]).expect_code(1);
    assert!(
        run.verdict("a").1.starts_with(&format!(
            "the connection to {} through the proxy {address} broke before TLS was agreed upon",
            server.address()
        )),
        "{:?}",
        run.verdict("a")
    );
    assert_eq!(proxy.requests().last().map(|request| request.method.clone()).as_deref(), Some("CONNECT"));
}
