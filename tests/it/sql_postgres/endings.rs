//! Statements that wait, that take too long, and servers that do not answer.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::sql_postgres::{server, suite};
use crate::support::{Suite, send};

/// Checks that the server is done with statements that have this in them.
fn nothing_runs(mark: &str) {
    let text = format!(
        r#"
name: nothing runs any more
timeout: 1m
until: {{ every: 50ms, for: 50s }}
sql:
  url: {}
  query: "select query from pg_stat_activity where query like $1 and state = 'active' and pid <> pg_backend_pid()"
  params: ["%/* {mark}%"]
expect: {{ rows: 0 }}
"#,
        server()
    );
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
}

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn locks_of_others_are_waited_for_and_deadlocks_are_told() {
    let suite = suite(
        "locks",
        r#"
  - name: made
    sql: { query: "create table t (id int primary key, n int); insert into t values (1, 0), (2, 0), (3, 0)" }
  - name: holder
    after: [made]
    sql: { query: "update t set n = 1 where id = 3; select pg_sleep(10)", transaction: true }
    timeout: 2m
  - name: patient for a while
    after: [made]
    until: { every: 10ms, for: 30s }
    sql: { busy_timeout: 200ms, query: "select pg_sleep(0.2); update t set n = 2 where id = 3" }
    expect: { error: canceling statement due to lock timeout }
    timeout: 1m
  - name: told
    after: [patient for a while]
    sql: { busy_timeout: 0s, query: "update t set n = 2 where id = 3" }
  - name: ends in time
    after: [patient for a while]
    sql: { query: "update t set n = 2 where id = 3" }
    timeout: 500ms
  - name: one of two
    after: [made]
    matrix: { first: [1, 2] }
    steps:
      - sql:
          transaction: true
          statements:
            - { query: "update t set n = n + 1 where id = :first", params: { first: "{{ first }}" } }
            # Says that the row above is locked: the other one must not get past it.
            - { query: "select pg_advisory_xact_lock(4711, $1)", params: ["{{ first }}"] }
            - |
              do $$ begin
                while (select count(*) from pg_locks where locktype = 'advisory' and classid = 4711) < 2 loop
                  perform pg_sleep(0.01);
                end loop;
              end $$
            - { query: "update t set n = n + 1 where id = 3 - :first", params: { first: "{{ first }}" } }
    timeout: 1m
"#,
    );
    let run = suite.run(&["--io-jobs", "16"]).expect_code(1);
    assert_eq!(run.verdict("patient for a while").0, "passed", "{}", run.stdout);
    assert_eq!(run.verdict("told").1, "canceling statement due to lock timeout (SQLSTATE 55P03)");
    assert!(run.stdout.contains("context: while updating tuple"), "{}", run.stdout);
    assert_eq!(run.verdict("ends in time").1, "timed out after 0.50s");
    let verdicts: Vec<_> =
        ["one of two[first=1]", "one of two[first=2]"].iter().map(|name| run.verdict(name)).collect();
    let failed: Vec<_> = verdicts.iter().filter(|(kind, _)| *kind == "failure").collect();
    assert_eq!(failed.len(), 1, "{verdicts:?}");
    assert_eq!(failed[0].1, "statement 4 of 4: deadlock detected (SQLSTATE 40P01)");
    assert!(run.stdout.contains("blocked by process"), "{}", run.stdout);
}

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn what_takes_too_long_is_ended_in_the_server_too() {
    let suite = suite(
        "ends",
        r#"
  - name: sleeps
    sql: { query: "select /* ends-sleeps */ pg_sleep(600)" }
    timeout: 500ms
  - name: endless rows
    sql: { query: "select /* ends-rows */ * from generate_series(1, 1000000000000)" }
    timeout: 1s
  - name: by the server
    sql: { query: "set statement_timeout = '200ms'; select pg_sleep(600)" }
    timeout: 1m
  - name: killed
    sql: { query: "select pg_terminate_backend(pg_backend_pid()) and pg_sleep(60) is null" }
    timeout: 1m
"#,
    );
    let begin = Instant::now();
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("sleeps").1, "timed out after 0.50s");
    assert_eq!(run.verdict("endless rows").1, "timed out after 1.00s");
    let by_server = "canceling statement due to statement timeout (SQLSTATE 57014, line 1, column 34)";
    assert_eq!(run.verdict("by the server").1, by_server);
    let killed = "terminating connection due to administrator command (SQLSTATE 57P01)";
    assert_eq!(run.verdict("killed").1, killed);
    nothing_runs("ends-");
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn an_interruption_ends_statements() {
    let suite = suite(
        "interrupted",
        r#"
  - name: sleeps
    timeout: 10m
    steps:
      - run: touch '{{ dir }}/begun'
      - sql: { query: "select /* interrupted */ pg_sleep(600)" }
"#,
    );
    let child = suite.start(&[]);
    let begin = Instant::now();
    while !suite.path().join("begun").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the case does not start");
        thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::INT);
    let sent = Instant::now();
    let run = suite.finish(child).expect_code(130);
    assert!(sent.elapsed() < Duration::from_secs(30));
    assert_eq!(run.verdict("sleeps").0, "skipped", "{}", run.stdout);
    nothing_runs("interrupted");
}

/// What a server says that wants no password: welcome, and ready for statements.
const READY: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// A server that reads what it gets, answers with these bytes at once, and then stays as it is or goes away.
fn silent(answer: &'static [u8], stays: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer);
                let _ = stream.write_all(answer);
                while stays && stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
        }
    });
    port
}

#[test]
fn servers_that_are_silent_or_strange_are_left_in_time() {
    let cases = [
        ("silent", silent(b"", true), ""),
        ("impatient", silent(b"", true), "&connect_timeout=1"),
        ("gone", silent(b"", false), ""),
        ("of the web", silent(b"HTTP/1.1 400 Bad Request\r\n\r\n", false), ""),
        ("of letters", silent(b"N", false), ""),
        ("without TLS", silent(b"N", true), ""),
        ("ready and gone", silent(READY, false), ""),
        ("ready and silent", silent(READY, true), ""),
    ];
    let cases = cases.map(|(name, port, option)| {
        let mode = match name {
            "of letters" => "prefer",
            "without TLS" => "require",
            _ => "disable",
        };
        format!(
            "  - name: {name}\n    sql: {{ url: 'postgres://u@127.0.0.1:{port}/d?sslmode={mode}{option}', query: select 1 }}\n"
        )
    });
    let text = format!("defaults: {{ timeout: 3s }}\ncases:\n{}", cases.concat());
    let begin = Instant::now();
    let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
    assert!(begin.elapsed() < Duration::from_secs(60));
    assert_eq!(run.verdict("silent").1, "timed out after 3.00s");
    assert!(run.stdout.contains("no connection yet to 127.0.0.1:"), "{}", run.stdout);
    let told = |name: &str, part: &str| {
        let (kind, message) = run.verdict(name);
        assert!(kind == "error" && message.contains(part), "{name}: {kind}: {message}");
    };
    told("impatient", "no connection within 1.00s (`connect_timeout`)");
    told("gone", "127.0.0.1:");
    told("of the web", "127.0.0.1:");
    told("of letters", "127.0.0.1:");
    told("without TLS", "server does not support TLS");
    let (kind, message) = run.verdict("ready and gone");
    let gone = message.starts_with("the server closed the connection before the statement had ended")
        || message.starts_with("error communicating with the server");
    assert!(kind == "failure" && gone, "{kind}: {message}");
    assert_eq!(run.verdict("ready and silent").1, "timed out after 3.00s");
    assert!(run.stdout.contains("    | select 1\n"), "{}", run.stdout);
}
