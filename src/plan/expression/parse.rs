//! From the text of an expression to its terms, by recursive descent.

use std::ops::Range;

use crate::plan::expression::error::{ExpressionError, Mistake};
use crate::plan::expression::pattern::Pattern;
use crate::plan::expression::{Field, Term};

/// How many `!` and parentheses may stand inside each other.
const DEPTH: usize = 100;

/// What stands between the parentheses of a predicate.
pub(super) struct Argument<'a> {
    pub(super) text: &'a str,
    /// Its first byte in the expression.
    pub(super) start: usize,
}

impl Argument<'_> {
    /// Where a part of it, which borrows from it, stands in the expression.
    pub(super) fn place_of(&self, part: &str) -> Range<usize> {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let start = self.start + offset.min(self.text.len());
        start..start + part.len()
    }
}

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Term, ExpressionError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let whole = |parser: &mut Parser<'_>| {
        let term = parser.any()?;
        match parser.peek() {
            Token::End => Ok(term),
            Token::Close => Err(Mistake::new(parser.place(), "this parenthesis closes nothing")
                .help("take it away, or open it where the group begins")),
            _ => Err(Mistake::new(parser.place(), format!("expected `&` or `|`, found {}", parser.peek_text()))
                .help("join predicates with `&` or `|`; a parenthesis in a pattern that has no pair is written `\\(`")),
        }
    };
    whole(&mut parser).map_err(|mistake| mistake.in_text(text))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Or,
    And,
    Not,
    Open,
    Close,
    Word,
    Other,
    End,
}

struct Parser<'a> {
    text: &'a str,
    /// The byte that is next.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next token, once white space is skipped, and its text.
    fn look(&mut self) -> (Token, &'a str) {
        self.at = self.text.len() - self.rest().trim_start().len();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return (Token::End, "") };
        let word = rest.find(|other: char| !other.is_alphanumeric() && other != '_').unwrap_or(rest.len());
        match first {
            '|' => (Token::Or, &rest[..1]),
            '&' => (Token::And, &rest[..1]),
            '!' => (Token::Not, &rest[..1]),
            '(' => (Token::Open, &rest[..1]),
            ')' => (Token::Close, &rest[..1]),
            _ => match &rest[..word] {
                "" => (Token::Other, &rest[..first.len_utf8()]),
                "or" => (Token::Or, "or"),
                "and" => (Token::And, "and"),
                "not" => (Token::Not, "not"),
                other => (Token::Word, other),
            },
        }
    }

    fn peek(&mut self) -> Token {
        self.look().0
    }

    /// The next token as a message names it.
    fn peek_text(&mut self) -> String {
        match self.look() {
            (Token::End, _) => "the end".to_owned(),
            (_, text) => format!("`{text}`"),
        }
    }

    /// Where the next token stands.
    fn place(&mut self) -> Range<usize> {
        let (_, text) = self.look();
        self.at..self.at + text.len()
    }

    fn take(&mut self, wanted: Token) -> bool {
        let (token, text) = self.look();
        if token == wanted {
            self.at += text.len();
        }
        token == wanted
    }

    fn any(&mut self) -> Result<Term, Mistake> {
        let mut terms = vec![self.all()?];
        while self.take(Token::Or) {
            terms.push(self.all()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::Any(terms) })
    }

    fn all(&mut self) -> Result<Term, Mistake> {
        let mut terms = vec![self.one()?];
        while self.take(Token::And) {
            terms.push(self.one()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::All(terms) })
    }

    fn one(&mut self) -> Result<Term, Mistake> {
        let place = self.place();
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Mistake::new(place, format!("nested too deeply: more than {DEPTH} levels"))
                .help("take parentheses and `!` away that change nothing, or give several `-E`"));
        }
        let term = match self.look() {
            (Token::Not, text) => {
                self.at += text.len();
                self.one().map(|term| Term::Not(Box::new(term)))?
            }
            (Token::Open, _) => {
                self.at += 1;
                let inner = self.any()?;
                if !self.take(Token::Close) {
                    let problem = Mistake::new(place, "this parenthesis is not closed");
                    return Err(problem.help("add `)` behind what belongs together"));
                }
                inner
            }
            (Token::Word, name) => self.predicate(name)?,
            (Token::And | Token::Or, text) if self.at > 0 && self.text[..self.at].ends_with(text) => {
                return Err(Mistake::new(place, format!("`{text}{text}` is no operator"))
                    .help(format!("write `{text}` once")));
            }
            (Token::End, _) if self.text.trim().is_empty() => {
                return Err(Mistake::new(0..self.text.len().max(1), "the expression is empty")
                    .help("write a predicate, as in `tag(smoke)`"));
            }
            _ => {
                let message =
                    format!("expected a predicate such as `tag(smoke)`, found {}", self.peek_text());
                return Err(Mistake::new(place, message)
                    .help("write a predicate here, as in `tag(smoke)`, or take away what leads to it"));
            }
        };
        self.depth -= 1;
        Ok(term)
    }

    fn predicate(&mut self, name: &str) -> Result<Term, Mistake> {
        let place = self.place();
        self.at += name.len();
        let known = || Field::NAMES.map(|(name, _)| name);
        if self.peek() != Token::Open {
            return Err(match Field::of(name) {
                Some(_) => Mistake::new(place, format!("`{name}` has no pattern"))
                    .help(format!("write it in parentheses, as in `{name}(~part)`")),
                None => Mistake::new(place, format!("expected a predicate, found the word `{name}`"))
                    .help(format!("write `id(~{name})` for a part of the id, or `tag({name})`")),
            });
        }
        let Some(field) = Field::of(name) else {
            let near = known().into_iter().min_by_key(|known| strsim::osa_distance(known, name));
            let near = near.filter(|near| strsim::osa_distance(near, name) <= 2);
            return Err(Mistake::new(place, format!("unknown predicate `{name}`")).help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known predicates: {}", known().map(|name| format!("`{name}`")).join(", ")),
            }));
        };
        let open = self.at;
        self.at += 1;
        let argument = self.argument(open)?;
        Ok(Term::Has(field, Pattern::parse(&argument, field)?))
    }

    /// The text up to the parenthesis that closes the one at `open`.
    fn argument(&mut self, open: usize) -> Result<Argument<'a>, Mistake> {
        let start = self.at;
        let rest = self.rest();
        let is_regex = rest.trim_start().starts_with('/');
        let mut depth = 0_usize;
        let mut escaped = false;
        // Whether the last character but white space is a slash that ends a regular expression.
        let mut after_slash = false;
        for (offset, character) in rest.char_indices() {
            let ends = if is_regex { after_slash } else { depth == 0 };
            match character {
                _ if escaped => (escaped, after_slash) = (false, false),
                '\\' => (escaped, after_slash) = (true, false),
                ')' if ends => {
                    self.at = start + offset + 1;
                    return Ok(Argument { text: &rest[..offset], start });
                }
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                '/' => after_slash = rest[..offset].contains('/'),
                space if space.is_whitespace() => {}
                _ => after_slash = false,
            }
        }
        let message = match is_regex {
            true => "the pattern is not closed: a regular expression ends with `/)`",
            false => "the pattern is not closed",
        };
        let problem = Mistake::new(open..open + 1, message);
        Err(problem.help("add `)`; a parenthesis in a pattern that has no pair is written `\\(`"))
    }
}
