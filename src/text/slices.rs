//! The names in slices, `text[1:]`, which minijinja does not count among those that an expression uses.

use std::borrow::Cow;

use crate::text::repetition::{Kind, tokens};

/// A bracket that is open.
struct Open {
    start: usize,
    /// Where it is cut, each with whether nothing stands before the cut.
    cuts: Vec<(usize, bool)>,
}

/// An expression that uses the same names and has no slices: `a[1:]` becomes `a[(1,0)]`.
pub(in crate::text) fn without_slices(expression: &str) -> Cow<'_, str> {
    if !expression.contains('[') || !expression.contains(':') {
        return Cow::Borrowed(expression);
    }
    let mut open: Vec<Open> = Vec::new();
    let mut edits: Vec<(usize, &str)> = Vec::new();
    // Whether nothing stands between here and the bracket or cut before.
    let mut is_empty = false;
    for token in tokens(expression) {
        let text = expression.get(token.start..token.end).unwrap_or_default();
        match (token.kind, text) {
            (Kind::Open, _) => open.push(Open { start: token.start, cuts: Vec::new() }),
            (Kind::Loose, ":") => {
                let bracket = open.last_mut().filter(|open| expression[open.start..].starts_with('['));
                bracket.into_iter().for_each(|open| open.cuts.push((token.start, is_empty)));
            }
            (Kind::Close, _) => {
                let Some(Open { start, cuts }) = open.pop().filter(|open| !open.cuts.is_empty()) else {
                    is_empty = false;
                    continue;
                };
                edits.extend([(start, "[("), (token.start, if is_empty { "0)]" } else { ")]" })]);
                edits
                    .extend(cuts.into_iter().map(|(cut, is_empty)| (cut, if is_empty { "0," } else { "," })));
            }
            _ => {}
        }
        is_empty = token.kind == Kind::Open || text == ":";
    }
    edits.sort_unstable();
    let mut without = String::with_capacity(expression.len() + 2 * edits.len());
    let mut from = 0;
    for (at, instead) in edits {
        without.push_str(&expression[from..at]);
        without.push_str(instead);
        from = at + 1;
    }
    without.push_str(&expression[from..]);
    Cow::Owned(without)
}

#[cfg(test)]
mod tests {
    use super::without_slices;

    #[test]
    fn slices_become_pairs() {
        for (expression, without) in [
            ("a", "a"),
            ("a[1]", "a[1]"),
            ("a[1:]", "a[(1,0)]"),
            ("a[:n]", "a[(0,n)]"),
            ("a[::2]|join(b[ : ])", "a[(0,0,2)]|join(b[ (0, 0)])"),
            ("a[b[1:]:c[2]].x", "a[(b[(1,0)],c[2])].x"),
            ("{'k': a[':']}['k']", "{'k': a[':']}['k']"),
            ("[{'k': 1}, a[1:2]]", "[{'k': 1}, a[(1,2)]]"),
        ] {
            let spaced = |text: &str| text.replace(' ', "");
            assert_eq!(spaced(&without_slices(expression)), spaced(without));
        }
    }
}
