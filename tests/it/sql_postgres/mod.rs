//! The step `sql` and PostgreSQL: a real server, who may connect to it, and many cases at once.

mod endings;
mod statements;

use std::env;
use std::net::TcpListener;

use crate::support::Suite;

/// The URL of a database that belongs to these tests, from `./tests/run`.
fn server() -> String {
    env::var("PARTEST_TEST_POSTGRES").expect("PARTEST_TEST_POSTGRES names a database: ./tests/run")
}

/// A suite whose cases, in YAML, ask the database at `{{ db }}`, in a schema of their own.
fn suite(schema: &str, cases: &str) -> Suite {
    let url = format!("{}?options=-csearch_path%3D{schema}", server());
    let text = format!(
        "vars: {{ db: '{url}' }}\ndefaults: {{ sql: {{ url: '{url}' }} }}\ncases:\n{}",
        cases.trim_start_matches('\n')
    );
    let setup = format!(
        "setup:\n  - sql: {{ url: '{}', query: 'drop schema if exists {schema} cascade; create schema {schema}' }}\n",
        server()
    );
    Suite::of("a.test.yaml", &text).file("suite.yaml", setup)
}

/// Where nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn two_hundred_cases_write_to_one_table() {
    let numbers: Vec<_> = (0..200).map(|n: i32| n.to_string()).collect();
    let suite = suite(
        "many",
        &format!(
            r#"
  - name: made
    sql: {{ query: "create table t (id bigserial primary key, n int unique, who text); create table c (n int); insert into c values (0)" }}
  - name: insert
    after: [made]
    matrix: {{ n: [{}] }}
    timeout: 5m
    steps:
      - sql: {{ query: "insert into t (n, who) values ($1, $2)", params: ["{{{{ n }}}}", "case {{{{ n }}}}"] }}
        expect: {{ rows_affected: 1 }}
      - sql: {{ query: "update c set n = n + 1", transaction: true }}
        expect: {{ rows_affected: 1 }}
  - name: all are there
    after: ["insert*"]
    steps:
      - sql: {{ query: "select count(*) as n, count(distinct n) as different, min(n), max(n) from t" }}
        expect: {{ rows: [{{ n: 200, different: 200, min: 0, max: 199 }}] }}
      - sql: {{ query: "select count(*) as wrong from t where who <> 'case ' || n" }}
        expect: {{ rows: [{{ wrong: 0 }}] }}
      - sql: {{ query: "select n from c" }}
        expect: {{ rows: [{{ n: 200 }}] }}
"#,
            numbers.join(", ")
        ),
    );
    let run = suite.run(&["-j", "2", "--io-jobs", "64"]).expect_code(0);
    assert!(run.stdout.contains("202 passed") || run.stdout.contains("203 passed"), "{}", run.stdout);
}

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn what_is_no_database_is_said_in_time() {
    let url = server();
    let (_, host) = url.rsplit_once('@').expect("a user");
    let host = host.split('/').next().expect("a host");
    let text = format!(
        r#"
defaults: {{ timeout: 1m }}
cases:
  - name: refused
    sql: {{ url: "postgres://u:hush@127.0.0.1:{}/x", query: select 1 }}
  - name: wrong password
    sql: {{ url: "postgres://partest:hush@{host}/postgres", query: select 1 }}
  - name: no password
    sql: {{ url: "postgres://partest@{host}/postgres", query: select 1 }}
  - name: unknown database
    sql: {{ url: "{}/nowhere", query: select 1 }}
  - name: unknown host
    sql: {{ url: "postgres://u@nowhere.invalid/x", query: select 1 }}
  - name: no socket
    sql: {{ url: "postgres:///x?host=/nowhere&user=u", query: select 1 }}
  - name: bad option
    sql: {{ url: "{url}?sslmode=maybe", query: select 1 }}
"#,
        nobody(),
        url.rsplit_once('/').expect("a database").0,
    );
    let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
    let told = |name: &str, part: &str| {
        let (kind, message) = run.verdict(name);
        assert!(kind == "error" && message.contains(part), "{name}: {kind}: {message}");
    };
    told("refused", "Connection refused");
    told("wrong password", "password authentication failed for user \"partest\" (SQLSTATE 28P01)");
    told("no password", "password missing");
    told("unknown database", "database \"nowhere\" does not exist (SQLSTATE 3D000)");
    told("unknown host", "nowhere.invalid:5432: ");
    told("no socket", "/nowhere/.s.PGSQL.5432: ");
    told("bad option", "`sslmode` is \"maybe\"");
    assert!(!run.stdout.contains("hush"), "{}", run.stdout);
    assert!(!run.junit.expect("a report").contains("hush"));
}

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn certificates_are_verified_as_asked() {
    let ca =
        env::var("PARTEST_TEST_POSTGRES_CA").expect("PARTEST_TEST_POSTGRES_CA names a file: ./tests/run");
    let url = server();
    let socket = env::var("PARTEST_TEST_POSTGRES_SOCKET").expect("PARTEST_TEST_POSTGRES_SOCKET: ./tests/run");
    let address = url.replace("localhost", "127.0.0.1");
    let secret = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let case = |name: &str, url: &str, is: bool| {
        format!(
            "  - name: {name}\n    sql: {{ url: '{url}', query: '{secret}' }}\n    expect: {{ rows: [{{ ssl: {is} }}] }}\n"
        )
    };
    let cases = [
        case("nothing said", &url, true),
        case("disable", &format!("{url}?sslmode=disable"), false),
        case("require", &format!("{url}?sslmode=require"), true),
        case("verify-full", &format!("{url}?sslmode=verify-full&sslrootcert={ca}"), true),
        case("verify-ca", &format!("{address}?sslmode=verify-ca&sslrootcert={ca}"), true),
        case("socket", &format!("{socket}&sslmode=require"), false),
        case("another name", &format!("{address}?sslmode=verify-full&sslrootcert={ca}"), true),
        case("not trusted", &format!("{url}?sslmode=verify-ca"), true),
        case("no file", &format!("{url}?sslmode=verify-ca&sslrootcert=/nowhere.pem"), true),
    ];
    let run = Suite::of("a.test.yaml", &format!("cases:\n{}", cases.concat())).run(&[]).expect_code(1);
    for name in ["nothing said", "disable", "require", "verify-full", "verify-ca", "socket"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
    let told = |name: &str, part: &str| {
        let (kind, message) = run.verdict(name);
        assert!(kind == "error" && message.contains(part), "{name}: {kind}: {message}");
    };
    told("another name", "not valid for name");
    told("not trusted", "UnknownIssuer");
    told("no file", "/nowhere.pem: ");
}
