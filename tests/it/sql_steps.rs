//! The step `sql`: real databases of SQLite, what they refuse, and how a statement is ended.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Suite, send};

/// Where the cases of these tests have their database.
const DATABASE: &str = r#""url": "sqlite:{{ dir }}/test.db""#;

/// A case whose step does this, with more keys beside it.
fn case(name: &str, sql: &str, more: &str) -> String {
    format!(r#"{{ "name": "{name}", "sql": {{ {sql} }}{more} }}"#)
}

fn suite(cases: &[String]) -> Suite {
    Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",\n")))
}

/// Carries statements out before or after a run.
fn directly(suite: &Suite, statements: &str) -> Vec<i64> {
    let connection = rusqlite::Connection::open(suite.path().join("test.db")).expect("a database");
    let (others, last) = statements.rsplit_once(';').unwrap_or(("", statements));
    connection.execute_batch(others).expect("carried out");
    let mut statement = connection.prepare(last).expect("a statement");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("numbers")
}

#[test]
fn two_hundred_cases_write_to_one_file() {
    let text = format!(
        r#"{{ "cases": [
          {{ "name": "under a lock", "matrix": {{ "n": [{0}] }}, "locks": ["db"],
             "sql": {{ {DATABASE}, "busy_timeout": "0s", "query": "insert into t values (?, 'x')", "params": ["{{{{ n }}}}"] }},
             "expect": {{ "rows_affected": 1 }} }},
          {{ "name": "each other's patience", "matrix": {{ "n": [{0}] }}, "locks": {{ "db": "shared" }}, "timeout": "5m",
             "sql": {{ {DATABASE}, "busy_timeout": "4m", "query": "insert into u values (?, 'x')", "params": ["{{{{ n }}}}"] }},
             "expect": {{ "rows_affected": 1 }} }}
        ] }}"#,
        (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
    );
    let suite = Suite::of("a.test.json", &text);
    directly(&suite, "create table t (n, x); create table u (n, x); select 1");
    suite.run(&["-j", "16"]).expect_code(0);
    let expected: Vec<i64> = (0..200).collect();
    for table in ["t", "u"] {
        let rows = directly(&suite, &format!("select n from {table} where typeof(n) = 'integer' order by n"));
        assert_eq!(rows, expected, "{table}");
    }
}

#[test]
fn a_locked_database_is_the_reason() {
    let suite = suite(&[
        case(
            "at once",
            &format!(r#"{DATABASE}, "busy_timeout": "0s", "query": "insert into t values (1)""#),
            "",
        ),
        case(
            "patient",
            &format!(r#"{DATABASE}, "busy_timeout": "300ms", "transaction": true, "query": "delete from t""#),
            "",
        ),
        case(
            "ends in time",
            &format!(r#"{DATABASE}, "busy_timeout": "10m", "query": "delete from t""#),
            r#", "timeout": "300ms""#,
        ),
    ]);
    let connection = rusqlite::Connection::open(suite.path().join("test.db")).expect("a database");
    connection.execute_batch("create table t (n); begin exclusive").expect("carried out");
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("at once").1, "database is locked (SQLITE_BUSY)");
    assert_eq!(run.verdict("patient").1, "database is locked for longer than 0.30s (SQLITE_BUSY)");
    assert_eq!(run.verdict("ends in time").1, "timed out after 0.30s");
}

#[test]
fn mistakes_in_statements_are_shown_with_their_place() {
    let setup = r#""statements": ["create table t (id integer primary key, n not null)", "insert into t values (1, 1)", "#;
    let memory = r#""url": "sqlite::memory:""#;
    let suite = suite(&[
        case("syntax", &format!(r#"{memory}, "query": "select 1,\n  2 fro t""#), ""),
        case("second", &format!(r#"{memory}, {setup} "insert into t values (1, 2)"]"#), ""),
        case(
            "null",
            &format!(
                r#"{memory}, {setup} {{ "query": "insert into t values (:id, :n)", "params": {{ ":id": 2, "n": null }} }}]"#
            ),
            "",
        ),
        case("too few", &format!(r#"{memory}, "query": "select ?, ?", "params": [1]"#), ""),
        case("none given", &format!(r#"{memory}, "query": "select :a""#), ""),
        case(
            "unknown name",
            &format!(r#"{memory}, "query": "select :a", "params": {{ "a": 1, "b": 2 }}"#),
            "",
        ),
        case("several", &format!(r#"{memory}, "query": "select ?; select 1", "params": [1]"#), ""),
        case("nothing", &format!(r#"{memory}, "query": "-- only a note""#), ""),
        case("new", r#""url": "sqlite:new.db", "query": "select * from users""#, ""),
        case("no database", r#""url": "sqlite:{{ dir }}/a.test.json", "query": "select * from users""#, ""),
        case("no folder", r#""url": "sqlite:{{ dir }}/no/such.db", "query": "select 1""#, ""),
        case(
            "expected",
            &format!(r#"{memory}, "query": "select * from t""#),
            r#", "expect": { "error": "no such table: t" }"#,
        ),
        case(
            "in vain",
            &format!(r#"{memory}, "query": "select 1""#),
            r#", "expect": { "error": { "contains": "table" } }"#,
        ),
        case(
            "twice",
            &format!(r#"{memory}, "query": "select 1 as a, 2 as a""#),
            r#", "expect": { "columns": ["a", "a"], "rows": [{ "a": 1 }] }"#,
        ),
    ]);
    let run = suite.run(&[]).expect_code(1);
    let is = |name: &str, message: &str| assert_eq!(run.verdict(name).1, message);
    is("syntax", "near \"t\": syntax error (SQLITE_ERROR, line 2, column 9)");
    assert!(run.stdout.contains("    | select 1,\n    |   2 fro t\n    |         ^\n"), "{}", run.stdout);
    is("second", "statement 3 of 3: UNIQUE constraint failed: t.id (SQLITE_CONSTRAINT_PRIMARYKEY)");
    is("null", "statement 3 of 3: NOT NULL constraint failed: t.n (SQLITE_CONSTRAINT_NOTNULL)");
    assert!(run.stdout.contains("insert into t values (2, NULL)"), "{}", run.stdout);
    is("too few", "the statement has 2 parameters, and 1 is given");
    is("none given", "the statement has 1 parameter, and none is given");
    is("unknown name", "the statement has no parameter \"b\"");
    is("several", "parameters are given to several statements; make each an item of `statements`");
    is("nothing", "there is no statement");
    let new = run.verdict("new").1;
    assert!(
        new.starts_with("no such table: users; there was no database at ") && new.contains("/new.db before"),
        "{new}"
    );
    is("no database", "file is not a database (SQLITE_NOTADB)");
    let missing = run.verdict("no folder");
    assert!(missing.0 == "error" && missing.1.contains("unable to open database file"), "{missing:?}");
    assert_eq!(run.verdict("expected").0, "passed", "{}", run.stdout);
    is("in vain", "error cannot be compared: every statement was carried out");
    is("twice", "rows cannot be compared: two columns are called \"a\"; name one of them with `as`");
}

#[test]
fn what_is_refused_for_its_values_is_shown_with_its_place_too() {
    let text = r#"
defaults: { sql: { url: "sqlite::memory:" } }
cases:
  - name: second
    sql:
      query: |
        create table t (a unique);
        insert into t values ('ä;'); -- a note
          insert into t values ('ä;');
        insert into t values (2)
  - name: in one line
    sql: { query: "create table t (a unique); insert into t values (1); insert into t values (1)" }
  - name: alone
    sql: { statements: ["create table t (a not null)", " insert into t values (null)"] }
"#;
    let run = Suite::of("a.test.yaml", text).run(&[]).expect_code(1);
    let is = |name: &str, message: &str| assert_eq!(run.verdict(name).1, message, "{}", run.stdout);
    is("second", "UNIQUE constraint failed: t.a (SQLITE_CONSTRAINT_UNIQUE, line 3, column 3)");
    is("in one line", "UNIQUE constraint failed: t.a (SQLITE_CONSTRAINT_UNIQUE, line 1, column 54)");
    is("alone", "statement 2 of 2: NOT NULL constraint failed: t.a (SQLITE_CONSTRAINT_NOTNULL)");
}

#[test]
fn mistakes_in_one_of_several_statements_are_shown_with_their_place() {
    let memory = r#""url": "sqlite::memory:""#;
    let suite = suite(&[
        case("later", &format!(r#"{memory}, "query": "select 1;\nselect b""#), ""),
        case("incomplete", &format!(r#"{memory}, "query": "select (\n""#), ""),
        case(
            "with parameters",
            &format!(r#"{memory}, "query": "create table t(a); insert into t values(?)", "params": [1]"#),
            "",
        ),
    ]);
    let run = suite.run(&[]).expect_code(1);
    let is = |name: &str, message: &str| assert_eq!(run.verdict(name).1, message);
    is("later", "no such column: b (SQLITE_ERROR, line 2, column 8)");
    is("incomplete", "incomplete input (SQLITE_ERROR, line 1, column 9)");
    assert!(run.stdout.contains("    | select (\n    |         ^\n"), "{}", run.stdout);
    is("with parameters", "parameters are given to several statements; make each an item of `statements`");
}

#[test]
fn a_file_is_opened_as_its_url_says() {
    let suite = suite(&[
        case("read", r#""url": "sqlite:{{ dir }}/test.db?mode=ro", "query": "select n from t""#, ""),
        case("write", r#""url": "sqlite:{{ dir }}/test.db?mode=ro", "query": "delete from t""#, ""),
        case("missing", r#""url": "sqlite:{{ dir }}/new.db?mode=rw", "query": "select 1""#, ""),
        case("unknown", r#""url": "sqlite:{{ dir }}/new.db?x=1", "query": "select 1""#, ""),
    ]);
    directly(&suite, "create table t (n); select 1");
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("read").0, "passed", "{}", run.stdout);
    assert_eq!(run.verdict("write").1, "attempt to write a readonly database (SQLITE_READONLY)");
    assert!(run.verdict("missing").1.contains("unable to open database file"), "{}", run.stdout);
    assert!(run.verdict("unknown").1.starts_with("\"x=1\" behind the `?`"), "{}", run.stdout);
    assert!(!suite.path().join("new.db").exists() && !suite.path().join("new.db?x=1").exists());
}

#[test]
fn values_keep_their_types_on_the_way_in_and_out() {
    let text = r#"
cases:
  - name: types
    vars: { n: 7, list: [1] }
    steps:
      - sql: { url: "sqlite::memory:", query: "create table t (a, b, c, d, e, f, g)" }
      - sql:
          url: "sqlite::memory:"
          query: insert into t values (?, ?, ?, ?, ?, ?, ?)
          params: [null, true, "{{ n }}", 0.5, "ä 'x'", { hex: "00 ff" }, { base64: "AP8=" }]
        expect: { rows_affected: 1, rows: 0 }
      - sql: { url: "sqlite::memory:", query: "select *, typeof(c) as type, typeof(g) as last from t" }
        expect:
          rows:
            json: [{ a: null, b: 1, c: 7, d: 0.5, e: "ä 'x'", f: "00ff", g: "00ff", type: integer, last: blob }]
            exact: true
        capture: { c: { column: c }, e: { jsonpath: "$[0].e" }, all: rows, names: columns }
      - run: 'echo "{{ c + 1 }} {{ e }} {{ all[0].b }} {{ names | length }}"'
        expect: { stdout: "8 ä 'x' 1 9\n" }
      - sql: { url: "sqlite::memory:", query: "select sum(value) as sum, ? ->> 'n' as n from json_each(?)", params: [{ n: "{{ n }}" }, [1, "{{ n }}"]] }
        expect: { rows: [{ sum: 8, n: 7 }] }
  - name: another attempt has a database of its own
    sql: { url: "sqlite::memory:", query: select * from t }
    expect: { error: "no such table: t" }
  - name: a transaction that fails changes nothing
    steps:
      - sql: { url: "sqlite:own.db", query: "create table t (n unique); insert into t values (1)" }
      - sql:
          url: "sqlite:own.db"
          transaction: true
          statements: ["insert into t values (2)", "insert into t values (1)"]
        expect: { error: { contains: UNIQUE } }
      - sql: { url: "sqlite:own.db", query: select n from t }
        expect: { rows: [{ n: 1 }] }
      - file: own.db
        expect: { content: { starts_with: "SQLite format 3" } }
  - name: no column
    sql: { url: "sqlite::memory:", query: select 1 as one }
    capture: { x: { column: two } }
  - name: wrong
    sql: { url: "sqlite::memory:", query: "select 1 as one union select 2" }
    expect: { rows: [{ one: 1 }, { one: 3 }], columns: [uno] }
"#;
    let run = Suite::of("a.test.yaml", text).run(&[]).expect_code(1);
    for name in
        ["types", "another attempt has a database of its own", "a transaction that fails changes nothing"]
    {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
    assert!(
        run.verdict("no column").1.contains("there is no column \"two\" among [\"one\"]"),
        "{}",
        run.stdout
    );
    assert_eq!(run.verdict("wrong").1, "rows: $[1].one: expected 3, found 2 (and 1 more)");
}

#[test]
fn an_endless_query_ends_in_time_and_many_rows_are_cut() {
    let numbers = |count: &str| {
        format!(
            r#""url": "sqlite::memory:", "query": "with recursive n(i) as (select 1 union all select i + 1 from n {count}) select i from n""#
        )
    };
    let suite = suite(&[
        case("endless", &numbers(""), r#", "timeout": "500ms""#),
        case("many", &numbers("limit 1000000"), r#", "expect": { "rows": [{ "i": 1 }] }, "timeout": "5m""#),
        case("counted", &numbers("limit 1000000"), r#", "expect": { "rows": 1000000 }, "timeout": "5m""#),
    ]);
    let begin = Instant::now();
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("endless").1, "timed out after 0.50s");
    let many = "rows cannot be compared: there are more rows than the 100000 rows or 64 MiB that are kept of a table";
    assert_eq!(run.verdict("many").1, many);
    assert_eq!(run.verdict("counted").0, "passed", "{}", run.stdout);
    assert!(begin.elapsed() < Duration::from_secs(240));
}

#[test]
fn an_interruption_ends_queries_and_waits_for_locks() {
    let text = r#"
defaults: { timeout: 10m }
cases:
  - name: endless
    steps:
      - run: touch '{{ dir }}/first'
      - sql: { url: "sqlite::memory:", query: "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n" }
  - name: locked
    steps:
      - run: touch '{{ dir }}/second'
      - sql: { url: "sqlite:{{ dir }}/test.db", query: create table u (n), busy_timeout: 9m }
"#;
    let suite = Suite::of("a.test.yaml", text);
    let connection = rusqlite::Connection::open(suite.path().join("test.db")).expect("a database");
    connection.execute_batch("create table t (n); begin exclusive").expect("carried out");
    let child = suite.start(&["-j", "2"]);
    let begin = Instant::now();
    while !["first", "second"].iter().all(|name| suite.path().join(name).exists()) {
        assert!(begin.elapsed() < Duration::from_secs(60), "the cases do not start");
        thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::INT);
    let sent = Instant::now();
    let run = suite.finish(child).expect_code(130);
    assert!(sent.elapsed() < Duration::from_secs(60));
    for name in ["endless", "locked"] {
        assert_eq!(run.verdict(name).0, "skipped", "{}", run.stdout);
    }
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    for (case, place, message) in [
        ("sql: {url: 'sqlite::memory:'}", "1:6", "nothing is asked of the database"),
        ("sql: {query: select 1}", "1:6", "`url` is missing"),
        ("sql: {url: app.db, query: select 1}", "1:12", "`app.db` is no URL of a database"),
        ("sql: {url: 'sqlit:app.db', query: select 1}", "1:12", "`sqlit` is no kind of database"),
        ("sql: {url: 'sqlite:', query: select 1}", "1:12", "the URL names no database"),
        ("sql: {url: 'sqlite:x', query: ' '}", "1:31", "the statement is empty"),
        (
            "sql: {url: 'sqlite:x', query: a, statements: [b]}",
            "1:46",
            "`sql` has either a `query` or `statements`",
        ),
        ("sql: {url: 'sqlite:x', statements: []}", "1:36", "`statements` is empty"),
        ("sql: {url: 'postgres:shop', query: a}", "1:12", "the URL names no database"),
        (
            "sql: {url: 'sqlite:x', query: a, params: [{a: ['{{ nobody }}']}]}",
            "1:49",
            "unknown variable `nobody`",
        ),
        ("sql: {url: 'sqlite:x', query: a, params: [{hex: x}]}", "1:43", "`x` are no hexadecimal bytes"),
        (
            "sql: {url: 'sqlite:x', query: a, params: 1}",
            "1:42",
            "expected a list of values or an object of values",
        ),
        ("sql: {url: 'sqlite:x', statements: [a], params: [1]}", "1:49", "`params` beside `statements`"),
        ("sql: {url: 'sqlite:x', query: a, busy_timeout: 5}", "1:48", "a duration needs a unit"),
        ("sql: {url: 'sqlite:x', query: a, qeury: b}", "1:34", "unknown key `qeury`"),
        ("sql: {url: 'sqlite:x', query: '{{ nobody }}'}", "1:32", "unknown variable `nobody`"),
        ("{sql: {url: 'sqlite:x', query: a}, expect: {rows_affected: some}}", "1:60", "expected a number"),
        (
            "{sql: {url: 'sqlite:x', query: a}, expect: {exit: 0}}",
            "1:45",
            "`exit` cannot be expected of `sql`",
        ),
        (
            "{sql: {url: 'sqlite:x', query: a}, capture: {a: {column: x, line: 1}}}",
            "1:49",
            "only one of `jsonpath`",
        ),
        ("{run: a, capture: {a: {column: x}}}", "1:32", "only rows have columns"),
    ] {
        let run = Suite::of("a.test.yaml", case).run(&["check", "."]).expect_code(2);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(all.contains(message), "{case}: {message} is not in\n{all}");
        assert!(all.contains(&format!("a.test.yaml:{place}")), "{case}: {place} is not in\n{all}");
    }
}

/// One function that takes the database a moment, many times, within one instruction of its program.
fn slow_query() -> String {
    let functions: Vec<_> = (0..10).map(|n| format!("length(hex(randomblob({})))", 20_000_000 + n)).collect();
    format!(r#""url": "sqlite::memory:", "query": "select {} as x""#, functions.join(" + "))
}

#[test]
fn what_the_database_does_not_interrupt_is_no_pass_beyond_the_time_limit() {
    let tries = r#", "until": { "every": "10ms", "for": "40ms" }"#;
    let suite = suite(&[
        case("alone", &slow_query(), r#", "timeout": "50ms", "expect": { "rows": 1 }"#),
        case("until", &slow_query(), &format!(r#", "timeout": "50ms", "expect": {{ "rows": 1 }}{tries}"#)),
        format!(
            r#"{{ "name": "then", "timeout": "50ms", "steps": [
                 {{ "sql": {{ {} }}, "timeout": "1m" }},
                 {{ "run": "echo began >> '{{{{ dir }}}}/began'" }},
                 {{ "run": "echo always >> '{{{{ dir }}}}/always'", "always": true }} ] }}"#,
            slow_query()
        ),
    ]);
    let run = suite.run(&["-j", "1"]).expect_code(1);
    assert!(run.stdout.contains("3 timed out"), "{}", run.stdout);
    assert!(!suite.path().join("began").exists(), "a step began after the time was over");
    assert!(suite.path().join("always").exists());
}

#[test]
fn a_statement_names_no_file_beside_partest() {
    let attach = |path: &str| {
        format!("attach '{path}' as o; create table o.t (a); detach o; vacuum into '{path}.copy'; vacuum")
    };
    let suite = suite(&[
        case("attach", &format!(r#"{DATABASE}, "query": "{}""#, attach("side.db")), ""),
        case("uri", &format!(r#"{DATABASE}, "query": "{}""#, attach("file:side.db?mode=rwc")), ""),
        case("vacuum", &format!(r#"{DATABASE}, "query": "vacuum into 'side.db'""#), ""),
        case("bound", &format!(r#"{DATABASE}, "query": "attach ? as o", "params": ["side.db"]"#), ""),
        case("made", &format!(r#"{DATABASE}, "query": "attach 'side' || '.db' as o""#), ""),
        case("absolute", &format!(r#"{DATABASE}, "query": "{}""#, attach("{{ work }}/side.db")), ""),
        case(
            "absolute uri",
            &format!(r#"{DATABASE}, "query": "attach 'file://{{{{ work }}}}/u.db?mode=rwc' as o""#),
            "",
        ),
        case(
            "in memory",
            &format!(
                r#"{DATABASE}, "query": "attach 'file:m?mode=memory&cache=shared' as o; attach ':memory:' as p""#
            ),
            "",
        ),
    ]);
    let run = suite.run(&["-j", "1"]).expect_code(1);
    for name in ["attach", "uri", "vacuum", "bound", "made"] {
        let message = run.verdict(name).1;
        assert!(message.contains("and be absolute: put \"{{ work }}/\" before it"), "{name}: {message}");
    }
    for name in ["absolute", "absolute uri", "in memory"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.verdict(name).1);
    }
    assert!(!suite.path().join("side.db").exists());
}
