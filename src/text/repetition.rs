//! The operator `*`, which repeats texts and lists: minijinja allows a hundred million of them, and makes them when
//! it compiles an expression. So what is repeated is looked at before.

use minijinja::{Environment, Error, ErrorKind, Value};

use crate::text::budget::{self, ITEM, LIMIT, weigh};

/// How many `*` one expression may have: more are no arithmetic.
const MOST: usize = 20;

/// How much the repetitions in an expression weigh together.
///
/// # Errors
/// More than a template may make.
pub(in crate::text) fn weight(
    environment: &Environment<'_>,
    expression: &str,
    context: &Value,
) -> Result<usize, Error> {
    if !expression.contains('*') {
        return Ok(0);
    }
    let mut products = products(&tokens(expression));
    if products.len() > MOST {
        let message = format!("an expression has more than {MOST} `*`");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    // What stands within brackets is made first, and so must be looked at first.
    products.sort_by_key(|product| std::cmp::Reverse(product.depth));
    let mut spent = 0;
    for Product { left, right, .. } in products {
        let value = |(start, end): (usize, usize)| {
            budget::begin(0);
            // What has no value now is an error of the whole, too, or is never asked for.
            environment.compile_expression(expression.get(start..end)?).ok()?.eval(context.clone()).ok()
        };
        let (Some(left), Some(right)) = (value(left), value(right)) else { continue };
        let weight = repeated(&left, &right).or_else(|| repeated(&right, &left)).unwrap_or(0);
        spent = usize::saturating_add(spent, weight);
        budget::begin(0);
        budget::foresee(spent)?;
    }
    Ok(spent)
}

/// The weight of a text or list that is repeated.
fn repeated(value: &Value, times: &Value) -> Option<usize> {
    let is_repeated = value.as_str().is_some() || value.as_object().is_some();
    let times = times.as_usize().filter(|_| is_repeated)?;
    let weight = weigh(value, LIMIT + 1) + if value.as_str().is_some() { 0 } else { ITEM };
    Some(weight.saturating_mul(times))
}

/// A `*` with the places of what stands on both sides of it.
struct Product {
    depth: usize,
    left: (usize, usize),
    right: (usize, usize),
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::text) enum Kind {
    Open,
    Close,
    Times,
    /// Another operator that binds as `*` does.
    Divide,
    /// What binds less than `*`.
    Loose,
    Part,
}

/// A token with its place.
pub(in crate::text) struct Token {
    pub(in crate::text) kind: Kind,
    pub(in crate::text) start: usize,
    pub(in crate::text) end: usize,
}

/// Words that end an operand.
const WORDS: [&str; 6] = ["and", "or", "not", "in", "if", "else"];

/// What an expression consists of, as far as it matters here.
pub(in crate::text) fn tokens(expression: &str) -> Vec<Token> {
    let bytes = expression.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at + 1..];
        let (kind, length) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'"' | b'\'' => (Kind::Part, text_length(&bytes[at..])),
            b'(' | b'[' | b'{' => (Kind::Open, 1),
            b')' | b']' | b'}' => (Kind::Close, 1),
            b'*' if rest.first() == Some(&b'*') => (Kind::Part, 2),
            b'*' => (Kind::Times, 1),
            b'/' if rest.first() == Some(&b'/') => (Kind::Divide, 2),
            b'/' | b'%' => (Kind::Divide, 1),
            b'+' | b'-' | b'~' | b'<' | b'>' | b'=' | b'!' | b',' | b':' => (Kind::Loose, 1),
            byte if is_of_word(*byte) => {
                let length = bytes[at..].iter().take_while(|byte| is_of_word(**byte)).count();
                let is_loose = WORDS.iter().any(|word| word.as_bytes() == &bytes[at..at + length]);
                (if is_loose { Kind::Loose } else { Kind::Part }, length)
            }
            _ => (Kind::Part, 1),
        };
        tokens.push(Token { kind, start: at, end: (at + length).min(bytes.len()) });
        at += length;
    }
    tokens
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The bytes of a quoted text at the beginning.
fn text_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if *byte == bytes[0] => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn products(tokens: &[Token]) -> Vec<Product> {
    let mut depth: usize = 0;
    let mut products = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Times => {
                let before = operand(tokens[..index].iter().rev(), Kind::Close, &[Kind::Loose]);
                let is_sign = |token: &&Token| token.kind == Kind::Loose;
                let signs = tokens[index + 1..].iter().take_while(is_sign).count();
                let ends = [Kind::Loose, Kind::Times, Kind::Divide];
                let after = operand(tokens[index + 1 + signs..].iter(), Kind::Open, &ends);
                let left = (index - before, index);
                let right = (index + 1, index + 1 + signs + after);
                let place = |(from, to): (usize, usize)| match tokens.get(from..to) {
                    Some([first, .., last]) => (first.start, last.end),
                    Some([one]) => (one.start, one.end),
                    _ => (0, 0),
                };
                products.push(Product { depth, left: place(left), right: place(right) });
            }
            _ => {}
        }
    }
    products
}

/// How many tokens belong to what is multiplied; `inward` is the bracket that begins a group in this direction.
fn operand<'t>(tokens: impl Iterator<Item = &'t Token>, inward: Kind, ends: &[Kind]) -> usize {
    let mut depth = 0_usize;
    let is_within = |token: &&Token| match token.kind {
        kind if kind == inward => {
            depth += 1;
            true
        }
        Kind::Open | Kind::Close if depth == 0 => false,
        Kind::Open | Kind::Close => {
            depth -= 1;
            true
        }
        kind => depth > 0 || !ends.contains(&kind),
    };
    tokens.take_while(is_within).count()
}
