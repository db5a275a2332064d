//! The place of a mistake in a statement.

/// The most characters of a line that are shown on each side of a mistake.
const WIDTH: usize = 60;

/// How many lines are shown before that of a mistake, and behind it.
const AROUND: (usize, usize) = (10, 3);

/// The line and the column of a place, both from 1; `offset` is in bytes, and columns are characters.
pub(super) fn line_and_column(sql: &str, offset: usize) -> (usize, usize) {
    let before = &sql[..boundary(sql, offset)];
    let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// How long the spaces and notes before a statement are, in bytes.
pub(super) fn noted(sql: &str) -> usize {
    let mut rest = sql.trim_start();
    loop {
        let end = match rest.as_bytes() {
            [b'-', b'-', ..] => rest.find('\n').map(|at| at + 1),
            [b'/', b'*', ..] => rest.find("*/").map(|at| at + 2),
            _ => return sql.len() - rest.len(),
        };
        rest = rest[end.unwrap_or(rest.len())..].trim_start();
    }
}

/// The last place between two characters that is not behind the offset.
fn boundary(sql: &str, offset: usize) -> usize {
    (0..=offset.min(sql.len())).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or(0)
}

/// A statement with a caret below the mistake, as far as it is near; `offset` is in bytes.
pub(super) fn caret(sql: &str, offset: usize) -> String {
    let offset = boundary(sql, offset);
    let start = sql[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = sql[offset..].find('\n').map_or(sql.len(), |at| offset + at);
    let before: Vec<char> = sql[start..offset].chars().collect();
    let after: Vec<char> = sql[offset..end].trim_end().chars().collect();
    let left = before.len().saturating_sub(WIDTH);
    let mut line: String = if left > 0 { "…".to_owned() } else { String::new() };
    let plain = |c: &char| if c.is_control() { ' ' } else { *c };
    line.extend(before[left..].iter().map(plain));
    let indent = line.chars().count();
    line.extend(after.iter().take(WIDTH).map(plain));
    if after.len() > WIDTH {
        line.push('…');
    }
    let above: Vec<&str> = sql[..start].lines().collect();
    let (left_out, above) = above.split_at(above.len().saturating_sub(AROUND.0));
    let below: Vec<&str> = sql[end..].lines().skip(1).collect();
    let (below, more) = below.split_at(below.len().min(AROUND.1));
    let lines = |lines: &[&str]| lines.iter().map(|line| clipped(line) + "\n").collect::<String>();
    let gap = |lines: &[&str]| if lines.is_empty() { "" } else { "…\n" };
    let marked = format!("{line}\n{}^\n", " ".repeat(indent));
    [gap(left_out), &lines(above), &marked, &lines(below), gap(more)].concat()
}

/// A line without a mistake, as far as it is shown.
fn clipped(line: &str) -> String {
    let mut chars = line.trim_end().chars();
    let mut clipped: String =
        chars.by_ref().take(2 * WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.next().is_some() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::{caret, line_and_column, noted};

    #[test]
    fn a_statement_begins_behind_notes() {
        for (sql, begin) in
            [("select 1", 0), (" \n select", 3), ("-- a\n/* b; */ -select", 14), ("/* a", 4), ("-- a", 4)]
        {
            assert_eq!(noted(sql), begin, "{sql}");
        }
    }

    #[test]
    fn a_caret_stands_below_the_mistake() {
        assert_eq!(caret("selct 1", 0), "selct 1\n^\n");
        assert_eq!(caret("select 1\n  fro\tm t;\nx", 11), "select 1\n  fro m t;\n  ^\nx\n");
        assert_eq!(caret("select ä, ö", 8), "select ä, ö\n       ^\n");
        assert_eq!(caret("select", 99), "select\n      ^\n");
        let lines = "a\n".repeat(100);
        assert_eq!(caret(&lines, 100).matches("a\n").count(), 14);
        assert!(caret(&lines, 100).starts_with("…\na\n") && caret(&lines, 100).ends_with("a\n…\n"));
        let long = format!("{}x{}", "a ".repeat(100), "b".repeat(100));
        let shown = caret(&long, 200);
        let (line, below) = shown.split_once('\n').expect("two lines");
        assert_eq!(line.chars().nth(below.find('^').expect("a caret")), Some('x'));
        assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 130);
    }

    #[test]
    fn columns_are_characters() {
        assert_eq!(line_and_column("select 1", 7), (1, 8));
        assert_eq!(line_and_column("select 1,\n ä b", 13), (2, 3));
        assert_eq!(line_and_column("select", 99), (1, 7));
    }
}
