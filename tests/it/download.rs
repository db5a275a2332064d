//! The step `download` against a server that breaks off on request.

use std::io::Read as _;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::http_proxy::proxy;
use crate::support::server::{Server, byte_at};
use crate::support::{Run, Suite};

fn digest(length: u64) -> String {
    let bytes: Vec<u8> = (0..length).map(byte_at).collect();
    data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes))
}

fn run(server: &Server, path: &str, rest: &str) -> Run {
    let url = server.url();
    let text = format!("name: a\ndownload: {{ url: '{url}/{path}', to: data/file.bin }}\n{rest}\n");
    Suite::of("a.test.yaml", &text).run(&[])
}

/// How far each request for a file asked it to begin.
fn ranges(server: &Server) -> Vec<Option<String>> {
    server.requests().iter().map(|request| request.header("range").map(str::to_owned)).collect()
}

#[test]
fn a_file_is_written_and_looked_at() {
    let server = Server::start();
    let rest =
        format!("expect: {{ size: 300000, sha256: '{}', headers: {{ etag: '\"v1\"' }} }}", digest(300_000));
    run(&server, "file/300000", &rest).expect_code(0);
    let rest = format!("expect: {{ sha256: '{}' }}", "a".repeat(64));
    let found = run(&server, "file/10", &rest).expect_code(1).verdict("a").1;
    assert!(found.starts_with("sha256: "), "{found}");
    let text = format!(
        "name: a\nsteps:\n  - download: {{ url: '{}/file/10', to: x }}\n    capture: {{ size: size }}\n  - run: test $(wc -c <x) = {{{{ size }}}} && test ! -e x.part\n",
        server.url()
    );
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    for how in ["break", "reset"] {
        let server = Server::start();
        let rest = format!("expect: {{ size: 1000000, sha256: '{}' }}", digest(1_000_000));
        run(&server, &format!("file/1000000?{how}=400000"), &rest).expect_code(0);
        let ranges = ranges(&server);
        assert!(ranges.len() >= 3 && ranges[0].is_none(), "{ranges:?}");
        // A reset may take away what was on its way.
        if how == "break" {
            let expected = [None, Some("bytes=400000-".to_owned()), Some("bytes=800000-".to_owned())];
            assert_eq!(ranges, expected);
            assert_eq!(server.requests()[1].header("if-range"), Some("\"v1\""));
        }
    }
}

#[test]
fn what_cannot_be_resumed_begins_again_and_ends_after_some_times() {
    let server = Server::start();
    for option in ["no-range", "changes"] {
        let run = run(&server, &format!("file/1000?break=400&{option}"), "").expect_code(1);
        let message =
            "the connection was closed in the middle of the body, after 400 of 1000 bytes (resumed 5 times)";
        assert_eq!(run.verdict("a").1, message);
    }
    let run = run(&server, "file/1000?break=400&shift", "").expect_code(1);
    assert_eq!(
        run.verdict("a").1,
        "asked for the rest from byte 400, the answer begins with byte 399 (resumed once)"
    );
}

#[test]
fn what_is_no_file_is_shown() {
    let server = Server::start();
    let run = run(&server, "nothing/here", "").expect_code(1);
    assert_eq!(run.verdict("a").1, "status: expected 2xx, found 404");
    assert!(run.stdout.contains("nothing here"), "{}", run.stdout);
    for (step, message) in [
        ("{ url: 'http://h' }", "it is not said where the file is put"),
        ("{ url: 'http://h', to: ../x }", "must not hold `..`"),
        ("{ url: 'http://h', to: /x }", "is not relative"),
        ("{ to: x }", "it is not said what is asked for"),
    ] {
        let run =
            Suite::of("a.test.yaml", &format!("name: a\ndownload: {step}\n")).run(&["check"]).expect_code(2);
        assert!(format!("{}{}", run.stdout, run.stderr).contains(message), "{}", run.stdout);
    }
}

/// Peak memory in KiB of a run that downloads a file of this length.
fn peak(server: &Server, length: u64) -> u64 {
    let text = format!(
        "name: a\ntimeout: 10m\ndownload: {{ url: '{}/file/{length}', to: x }}\nexpect: {{ size: {length} }}\n",
        server.url()
    );
    let (run, peak) = Suite::of("a.test.yaml", &text).peak(&[]);
    run.expect_code(0);
    peak
}

#[test]
fn a_terminal_shows_how_far_a_download_is() {
    let server = Server::start();
    let url = server.url();
    let text = format!(
        "defaults: {{ timeout: 4s }}
cases:
  - {{ name: iso, download: {{ url: '{url}/file/1048576?stall=430000', to: x }} }}
  - {{ name: unknown, download: {{ url: '{url}/stall-unknown', to: x }} }}
"
    );
    let suite = Suite::of("a.test.yaml", &text);
    let mut command = suite.command(&[]);
    command.env("TERM", "xterm");
    let mut session = expectrl::Session::spawn(command).expect("a terminal");
    let mut said = Vec::new();
    // At the end of a terminal stands an error.
    let _ = session.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    suite.check_nothing_is_left();
    assert!(said.contains("  a::iso  41% of 1.0 MiB"), "{said}");
    assert!(said.contains("  a::unknown  5 B"), "{said}");
    // It is drawn, and nothing more: neither journal nor report knows of it.
    let run = std::fs::read_dir(suite.path().join(".partest/runs")).expect("runs").next().expect("one");
    let journal = run.expect("readable").path().join("journal.jsonl");
    let journal = std::fs::read_to_string(journal).expect("a journal");
    assert!(journal.lines().count() < 10, "{journal}");
}

#[test]
#[ignore = "needs time and 1 GiB of disk: ./tests/run"]
fn a_large_file_needs_no_more_memory_than_a_small_one() {
    let server = Server::start();
    let (small, large) = (peak(&server, 50 << 20), peak(&server, 1 << 30));
    assert!(large < small + (16 << 10), "{small} KiB for 50 MiB, {large} KiB for 1 GiB");
}

/// Certificates made by openssl: of an authority, and of a server and a client that it knows.
fn certificates(suite: &Suite) {
    let script = "
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority 2>/dev/null
for name in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name 2>/dev/null
  printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\n' >$name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem 2>/dev/null
done
# One that says of itself that it is an authority, for a name and for another one.
for name in localhost elsewhere; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.pem -days 2 -subj /CN=$name -addext subjectAltName=DNS:$name 2>/dev/null
done";
    let made = Command::new("sh").args(["-c", script]).current_dir(suite.path()).status().expect("started");
    assert!(made.success());
}

/// A server of files over TLS, with or without asking who connects, or at a socket of this machine.
const SERVER: &str = r#"
import http.server, socket, socketserver, ssl, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"hello\n"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
if sys.argv[2] == "unix":
    class Local(http.server.ThreadingHTTPServer):
        address_family = socket.AF_UNIX
        server_name, server_port = "local", 80
        def server_bind(self): socketserver.TCPServer.server_bind(self)
    Local(sys.argv[1], H).serve_forever()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
name = sys.argv[3] if len(sys.argv) > 3 else "server"
context.load_cert_chain(name + ".pem", name + ".key")
if sys.argv[2] == "client":
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations("ca.pem")
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"#;

#[test]
#[ignore = "needs openssl and python3: ./tests/run"]
fn certificates_are_checked() {
    let cases = r#"
services:
  open:
    run: [python3, server.py, "{{ port }}", any]
    ready: { http: { url: "https://localhost:{{ port }}/", tls: { ca: ca.pem } } }
  unknown:
    run: [python3, server.py, "{{ port }}", any]
    ready: { http: "https://localhost:{{ port }}/", timeout: 3s }
  local:
    run: [python3, server.py, s.sock, unix]
    ready: { http: { url: "http://local/", unix: s.sock } }
  closed: { run: [python3, server.py, "{{ port }}", client] }
  alone: { run: [python3, server.py, "{{ port }}", any, localhost] }
  elsewhere: { run: [python3, server.py, "{{ port }}", any, elsewhere] }
defaults: { services: [open, closed, alone, elsewhere], expect: { body: "hello\n" } }
cases:
  - { name: trusted, http: { url: "https://localhost:{{ services.open.port }}/", tls: { ca: ca.pem } } }
  - { name: unknown, http: { url: "https://127.0.0.1:{{ services.open.port }}/" } }
  - { name: insecure, http: { url: "https://127.0.0.1:{{ services.open.port }}/", tls: { insecure: true } } }
  - { name: client, http: { url: "https://127.0.0.1:{{ services.closed.port }}/", tls: { ca: ca.pem, cert: client.pem, key: client.key } } }
  - { name: nobody, http: { url: "https://127.0.0.1:{{ services.closed.port }}/", tls: { ca: ca.pem } } }
  - { name: ready-by-socket, services: [local], http: { url: "http://local/", unix: s.sock } }
  - { name: never-ready, services: [unknown], run: "true" }
  - { name: through, env: { HTTPS_PROXY: ADDRESS }, http: { url: "https://localhost:{{ services.open.port }}/", tls: { ca: ca.pem } } }
  - { name: no-file, http: { url: "https://127.0.0.1:{{ services.open.port }}/", tls: { ca: none.pem } } }
  - { name: alone, http: { url: "https://localhost:{{ services.alone.port }}/", tls: { ca: localhost.pem } } }
  - { name: alone-unknown, http: { url: "https://localhost:{{ services.alone.port }}/", tls: { ca: ca.pem } } }
  - { name: alone-elsewhere, http: { url: "https://localhost:{{ services.elsewhere.port }}/", tls: { ca: elsewhere.pem } } }
  - { name: other-key, http: { url: "https://localhost:{{ services.open.port }}/", tls: { ca: ca.pem, cert: client.pem, key: server.key } } }
  - { name: no-key, http: { url: "https://127.0.0.1:{{ services.open.port }}/", tls: { cert: client.pem, key: ca.pem } } }
"#;
    let proxy = proxy();
    let suite = Suite::of("a.test.yaml", &cases.replace("ADDRESS", &proxy.url())).file("server.py", SERVER);
    certificates(&suite);
    let run = suite.run(&[]).expect_code(1);
    for (name, verdict, message) in [
        ("trusted", "passed", ""),
        ("insecure", "passed", ""),
        ("client", "passed", ""),
        ("ready-by-socket", "passed", ""),
        ("through", "passed", ""),
        ("never-ready", "error", "service \"unknown\" was not ready within 3.00s: "),
        ("unknown", "failure", "UnknownIssuer; name the certificates to be trusted as `tls.ca`"),
        ("nobody", "failure", "TLS with 127.0.0.1:"),
        ("no-file", "error", "none.pem: cannot read the file: No such file or directory"),
        ("alone", "passed", ""),
        ("alone-unknown", "failure", "name the certificates to be trusted as `tls.ca`"),
        ("alone-elsewhere", "failure", "not valid for name"),
        ("other-key", "error", "client.pem"),
        ("no-key", "error", "holds no private key in the form of PEM"),
    ] {
        let found = run.verdict(name);
        assert!(found.0 == verdict && found.1.contains(message), "{name}: {found:?}");
    }
    assert_eq!(proxy.requests().iter().filter(|request| request.method == "CONNECT").count(), 1);
}
