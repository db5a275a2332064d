//! The command that a failure shows is run by curl, and the server sees the same request once more.

use std::process::Command;

use crate::support::Suite;
use crate::support::server::{Request, Server};

/// What is the same in both.
fn essence(request: &Request) -> String {
    let kind = request.header("content-type").unwrap_or_default();
    // Each time there is another one between the parts.
    let boundary = kind.split_once("boundary=").map_or("-none-", |(_, boundary)| boundary);
    // A space in a form can be written in two ways.
    let body = String::from_utf8_lossy(&request.body).replace(boundary, "B").replace('+', "%20");
    let headers: Vec<_> =
        ["x-one", "cookie", "authorization"].iter().map(|name| request.header(name)).collect();
    let kind = kind.replace(boundary, "B");
    format!("{} {} {} {kind} {headers:?}\n{body}", request.method, request.path, request.query)
}

#[test]
#[ignore = "needs curl: ./tests/run"]
fn the_command_sends_the_same_request() {
    for step in [
        "{ url: 'URL/echo?a=[1-3]&b={x,y}' }",
        "{ url: URL/echo, headers: { cookie: justvalue, x-one: '' } }",
        "{ url: URL/echo, headers: { cookie: 'a=b; c=d', x-one: one } }",
        "{ url: URL/echo, form: { 'a b': 'x y', 'c&d': '&', 'e=f': '=' } }",
        "{ url: URL/echo, form: {} }",
        "{ url: URL/echo, multipart: { a: '@x;y', up: [{ file: 'a,b;c \"d\".txt' }, { file: 'e\\f.txt', type: 'text/plain' }] } }",
        "{ url: URL/echo, method: POST }",
        "{ url: URL/echo, json: { b: 1, a: [x] }, auth: { basic: { user: u, password: 'p:q' } } }",
        "{ url: URL/echo, method: PUT, body: '@text' }",
        "{ url: URL/turn/303, method: PUT, body: x, follow: true }",
        "{ url: URL/turn/302, method: POST, follow: true }",
        "{ url: URL/turn/303, body: x, follow: true }",
        "{ url: URL/turn/307, json: {}, follow: true }",
        "{ url: URL/gzip }",
    ] {
        let server = Server::start();
        let text =
            format!("name: a\nhttp: {step}\nexpect: {{ status: 599 }}\n").replace("URL", &server.url());
        let suite = Suite::of("a.test.yaml", &text).file("a,b;c \"d\".txt", "one").file("e\\f.txt", "two");
        let run = suite.run(&[]).expect_code(1);
        let own = server.requests();
        let line = run.stdout.lines().find_map(|line| line.find("curl -i ").map(|at| line[at..].to_owned()));
        let line = line.unwrap_or_else(|| panic!("{}", run.stdout));
        let line = line.rsplit_once("  (status ").map_or(line.as_str(), |(command, _)| command);
        let script = format!("{line} -s");
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(suite.path()).output().expect("started");
        let requests = server.requests();
        let (own, curls) = requests.split_at(own.len());
        let (own, curls): (Vec<_>, Vec<_>) =
            (own.iter().map(essence).collect(), curls.iter().map(essence).collect());
        // What a PUT is led to is not asked for.
        let own = if step.contains("PUT") { &own[..1] } else { &own[..] };
        assert_eq!(own, curls, "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        if step.contains("gzip") {
            assert!(output.stdout.ends_with(b"hello\n"), "{line}");
        }
    }
}
