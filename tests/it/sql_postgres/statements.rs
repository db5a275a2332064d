//! Values on their way in and out, and what is said of mistakes.

use crate::sql_postgres::suite;

/// Cases of values of every kind.
const VALUES: &str = r#"
  - name: out
    sql:
      query: |
        create type mood as enum ('glad', 'sad');
        create type pair as (a int, b text);
        create domain small as int check (value < 10);
        select null as nothing, true as yes, 7::int2 as two, -8::int8 as eight, 0.1::float4 as four, 'NaN'::float8 as nan,
          12.50::numeric as price, 1.0/3 as third, 'ä ''x''' as text, 'ab'::char(3) as padded, 'n'::name as name,
          '\x00ff'::bytea as bytes, '{"a": [1, null]}'::jsonb as doc, '[1]'::json as list,
          'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as id, '2024-02-03 04:05:06.5+02'::timestamptz as moment,
          '2024-02-03'::date as day, '1 day 2 hours'::interval as span, '10.0.0.1/8'::inet as net,
          array[1, null, 3] as ints, array[['a', 'b'], ['c', 'd']] as texts, '{}'::int[] as none, array[1.5, 2]::numeric[] as prices,
          'glad'::mood as mood, array['sad']::mood[] as moods, (1, 'x')::pair as pair, 3::small as small,
          int4range(1, 5) as range, to_tsvector('simple', 'a b') as words, point(1, 2) as place, $$ a ' b $$ as dollars;
    expect:
      rows:
        exact: true
        json:
          - { nothing: null, yes: true, two: 7, eight: -8, four: 0.1, nan: NaN, price: 12.5, third: "0.33333333333333333333",
              text: "ä 'x'", padded: "ab ", name: n, bytes: "00ff", doc: { a: [1, null] }, list: [1],
              id: a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11, moment: "2024-02-03 02:05:06.5+00", day: "2024-02-03",
              span: "1 day 02:00:00", net: 10.0.0.1/8, ints: [1, null, 3], texts: [[a, b], [c, d]], none: [], prices: [1.5, 2],
              mood: glad, moods: [sad], pair: "(1,x)", small: 3, range: "[1,5)", words: "'a':1 'b':2", place: "(1,2)",
              dollars: " a ' b " }
  - name: in
    vars: { n: 7, text: "x'; drop table t; --" }
    steps:
      - sql: { query: "create table t (a text, b bool, c int, d float8, e numeric, f bytea, g jsonb, h int[], i timestamptz, j uuid, k text[])" }
      - sql:
          query: insert into t values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
          params: [null, true, "{{ n }}", 0.5, 12.25, { hex: "00 ff" }, { n: "{{ n }}", l: [1, "x"] }, [1, null, "{{ n }}"],
                   "2024-02-03T04:05:06Z", a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11, ["a \"b\"", "{{ text }}", ""]]
        expect: { rows_affected: 1, rows: 0 }
      - sql: { query: "select * from t where c = :n and c::text = :m and :n = any(h)", params: { n: "{{ n }}", ":m": "7" } }
        expect:
          columns: [a, b, c, d, e, f, g, h, i, j, k]
          rows:
            json: [{ a: null, b: true, c: 7, d: 0.5, e: 12.25, f: "00ff", g: { n: 7, l: [1, x] }, h: [1, null, 7],
                     i: "2024-02-03 04:05:06+00", j: a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,
                     k: ["a \"b\"", "x'; drop table t; --", ""] }]
            exact: true
        capture: { c: { column: c }, doc: { jsonpath: "$[0].g.l[1]" } }
      - run: 'echo "{{ c + 1 }} {{ doc }}"'
        expect: { stdout: "8 x\n" }
      - sql: { query: "with gone as (delete from t returning c) select * from gone" }
        expect: { rows: [{ c: 7 }], rows_affected: 0 }
      - sql: { query: "insert into t (c) values (1), (2) returning c; update t set c = 3; delete from t where c = 4" }
        expect: { rows: [{ c: 1 }, { c: 2 }], rows_affected: 4 }
  - name: no text
    sql: { query: "select row(1, 'x') as r" }
    expect: { rows: [{ r: x }] }
  - name: functions with bodies
    sql:
      query: |
        create function one() returns int language plpgsql as $$ begin return 1; end; $$;
        create function two() returns int begin atomic select case when true then 1 end; select 2; end;
        select one() + two() as three -- the end
    expect: { rows: [{ three: 3 }] }
  - name: nothing
    sql: { query: "-- nothing" }
  - name: many
    sql: { query: "select i, i::numeric as n from generate_series(1, 150000) as s(i)" }
    expect: { rows: 150000 }
  - name: a hundred thousand
    sql: { query: "select i, i::numeric / 2 as n from generate_series(1, 100000) as s(i)" }
    expect: { jsonpath: { "$[99999].n": 50000, "$[0].n": 0.5 } }
"#;

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn values_keep_their_types_on_the_way_in_and_out() {
    let suite = suite("types", VALUES);
    let run = suite.run(&[]).expect_code(1);
    for name in ["out", "in", "functions with bodies", "many", "a hundred thousand"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
    let no_text =
        "rows cannot be compared: the column \"r\" is of the type record; make it a text by `::text`";
    assert_eq!(run.verdict("no text").1, no_text);
    assert_eq!(run.verdict("nothing").1, "there is no statement");
}

/// Cases of every kind of mistake.
const MISTAKES: &str = r#"
  - name: made
    sql: { query: "create table t (id int primary key, n int not null constraint positive check (n > 0), p int references t)" }
  - name: syntax
    sql: { query: "select 1;\nselect 'ä',\n  2 fro t" }
  - name: column
    after: [made]
    sql: { query: "select 'ä', :a::int, nn from t", params: { a: 1 } }
  - name: unique
    after: [made]
    sql: { statements: ["insert into t values (1, 1)", { query: "insert into t values ($1, $2)", params: [1, 2] }], transaction: true }
  - name: check
    after: [made]
    sql: { query: "insert into t values (2, -2)" }
  - name: foreign
    after: [made]
    sql: { query: "insert into t values (3, 1, 99)" }
  - name: all or nothing
    steps:
      - sql: { query: "create table k (id int primary key)" }
      - sql: { statements: ["insert into k values (1)", "insert into k values (1)"], transaction: true }
        expect: { error: { contains: k_pkey } }
      - sql: { query: "select * from k" }
        expect: { rows: 0 }
  - name: expected
    after: [made]
    sql: { query: "insert into t values (4, null)" }
    expect: { error: { matches: 'null value in column "n".*violates not-null' } }
  - name: in vain
    sql: { query: "select 1 as one" }
    expect: { error: { contains: table } }
  - name: in a function
    sql:
      query: |
        create function wrong() returns int language plpgsql as $$ begin return (select x from nowhere); end $$;
        select wrong()
  - name: too few
    sql: { query: "select $1::int, $2::int", params: [1] }
  - name: none given
    sql: { query: "select $1::int" }
  - name: unknown name
    sql: { query: "select :a::int", params: { a: 1, b: 2 } }
  - name: several
    sql: { query: "select $1::int; select 1", params: [1] }
  - name: question marks
    sql: { query: "select 1 where 1 = ?", params: [1] }
  - name: no number
    sql: { query: "select $1::int", params: [x] }
  - name: twice
    sql: { query: "select 1 as a, 2 as a" }
    expect: { rows: [{ a: 1 }] }
  - name: copy
    sql: { query: "copy t from stdin" }
  - name: in one text
    sql:
      query: |
        select 'ä;';
        -- a note
          select 1 / 0;
        select 2
"#;

#[test]
#[ignore = "needs a PostgreSQL server: ./tests/run"]
fn mistakes_in_statements_are_shown_with_their_place() {
    let suite = suite("mistakes", MISTAKES);
    let run = suite.run(&[]).expect_code(1);
    let is = |name: &str, message: &str| assert_eq!(run.verdict(name).1, message, "{}", run.stdout);
    let shows = |text: &str| assert!(run.stdout.contains(text), "{text} is not in\n{}", run.stdout);
    is("syntax", "syntax error at or near \"t\" (SQLSTATE 42601, line 3, column 9)");
    shows("|   2 fro t\n    |         ^\n");
    is("column", "column \"nn\" does not exist (SQLSTATE 42703, line 1, column 22)");
    shows("| select 'ä', :a::int, nn from t\n    |                      ^\n");
    let unique =
        "statement 2 of 2: duplicate key value violates unique constraint \"t_pkey\" (SQLSTATE 23505)";
    is("unique", unique);
    shows("detail: Key (id)=(1) already exists.");
    shows("constraint: t_pkey");
    is("check", "new row for relation \"t\" violates check constraint \"positive\" (SQLSTATE 23514)");
    shows("constraint: positive");
    let foreign =
        "insert or update on table \"t\" violates foreign key constraint \"t_p_fkey\" (SQLSTATE 23503)";
    is("foreign", foreign);
    assert_eq!(run.verdict("all or nothing").0, "passed", "{}", run.stdout);
    assert_eq!(run.verdict("expected").0, "passed", "{}", run.stdout);
    is("in vain", "error cannot be compared: every statement was carried out");
    is("in a function", "relation \"nowhere\" does not exist (SQLSTATE 42P01, line 2, column 1)");
    shows("context: PL/pgSQL function wrong() line 1 at RETURN");
    is("in one text", "division by zero (SQLSTATE 22012, line 3, column 3)");
    is("too few", "the statement has 2 parameters, and 1 is given");
    is("none given", "the statement has 1 parameter, and none is given");
    is("unknown name", "the statement has no parameter \"b\"");
    is("several", "parameters are given to several statements; make each an item of `statements`");
    assert!(run.verdict("question marks").1.contains("syntax error"), "{}", run.stdout);
    shows("note: the parameters of PostgreSQL are $1, $2, and so on");
    is("no number", "invalid input syntax for type integer: \"x\" (SQLSTATE 22P02)");
    is("twice", "rows cannot be compared: two columns are called \"a\"; name one of them with `as`");
    is("copy", "`copy` from or to its client is not possible here; name a file or use rows");
}
