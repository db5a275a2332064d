//! The place of a mistake in a statement.

/// The most characters of a line that are shown on each side of a mistake.
const WIDTH: usize = 60;

/// The line and the column of a place, both from 1; `offset` is in bytes, and columns are characters.
#[cfg(feature = "postgres")]
pub(super) fn line_and_column(sql: &str, offset: usize) -> (usize, usize) {
    let before = &sql[..boundary(sql, offset)];
    let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The last place between two characters that is not behind the offset.
fn boundary(sql: &str, offset: usize) -> usize {
    (0..=offset.min(sql.len())).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or(0)
}

/// The line of a statement in which a mistake stands, with a caret below it; `offset` is in bytes.
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
    format!("{line}\n{}^\n", " ".repeat(indent))
}

#[cfg(test)]
mod tests {
    use super::caret;

    #[test]
    fn a_caret_stands_below_the_mistake() {
        assert_eq!(caret("selct 1", 0), "selct 1\n^\n");
        assert_eq!(caret("select 1\n  fro\tm t;\nx", 11), "  fro m t;\n  ^\n");
        assert_eq!(caret("select ä, ö", 8), "select ä, ö\n       ^\n");
        assert_eq!(caret("select", 99), "select\n      ^\n");
        let long = format!("{}x{}", "a ".repeat(100), "b".repeat(100));
        let shown = caret(&long, 200);
        let (line, below) = shown.split_once('\n').expect("two lines");
        assert_eq!(line.chars().nth(below.find('^').expect("a caret")), Some('x'));
        assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 130);
    }
}
