//! How much the expressions of one template may make, and how much they may look at: what is short to write can be of
//! any size, and take any time.

use std::cell::{Cell, RefCell};

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// What the values that one template makes may weigh together, in bytes.
pub(in crate::text) const LIMIT: usize = 8 << 20;
/// What filters and tests may look at together, in bytes: a value counts as often as it is looked at.
const MOST_WORK: usize = 16 * LIMIT;
/// What a value in a list weighs beside its text.
pub(in crate::text) const ITEM: usize = 32;
/// A variable of at least this weight may be named once for nothing: it is there already.
const LARGE: usize = 4096;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(LIMIT) };
    static WORK_LEFT: Cell<usize> = const { Cell::new(MOST_WORK) };
    static NAMED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Begins with a template of which this much is spent already.
pub(in crate::text) fn begin(spent: usize) {
    LEFT.set(LIMIT.saturating_sub(spent));
    WORK_LEFT.set(MOST_WORK);
    NAMED.with_borrow_mut(Vec::clear);
}

/// Refuses what would weigh more than what is left.
pub(in crate::text) fn foresee(weight: usize) -> Result<(), Error> {
    if weight > LEFT.get() { Err(too_large()) } else { Ok(()) }
}

/// Takes the weight of what a filter or a test looks at, or refuses to let it begin.
pub(in crate::text) fn work(arguments: &[Value]) -> Result<(), Error> {
    for argument in arguments {
        let left = WORK_LEFT.get();
        let weight = weigh(argument, left.saturating_add(1));
        if weight > left {
            let message = "it takes more work than a template may make";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        WORK_LEFT.set(left - weight);
    }
    Ok(())
}

/// Takes the weight of a value that was made.
pub(in crate::text) fn charge(value: &Value) -> Result<(), Error> {
    let weight = weigh(value, LEFT.get().saturating_add(1));
    foresee(weight)?;
    LEFT.set(LEFT.get() - weight);
    Ok(())
}

/// The value of a variable, or an error where naming it once more makes too much.
pub(in crate::text) fn named(name: &str, value: Value) -> Value {
    let weight = weigh(&value, LARGE);
    if weight == LARGE && NAMED.with_borrow_mut(|named| is_new(named, name)) {
        return value;
    }
    match charge(&value) {
        Ok(()) => value,
        Err(error) => Value::from(error),
    }
}

fn is_new(named: &mut Vec<String>, name: &str) -> bool {
    let is_new = !named.iter().any(|known| known == name);
    if is_new {
        named.push(name.to_owned());
    }
    is_new
}

fn too_large() -> Error {
    let message = format!("its values become larger than {} MiB", LIMIT >> 20);
    Error::new(ErrorKind::InvalidOperation, message)
}

/// About how many bytes a value takes when all of it is written out; at most `limit`, where counting ends.
pub(in crate::text) fn weigh(value: &Value, limit: usize) -> usize {
    let mut weight = 0;
    add_weight(value, limit, &mut weight);
    weight.min(limit)
}

fn add_weight(value: &Value, limit: usize, weight: &mut usize) {
    *weight += match (value.as_str(), value.kind()) {
        (Some(text), _) => text.len(),
        (None, ValueKind::Bytes) => value.as_bytes().map_or(0, <[u8]>::len),
        _ => 8,
    };
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return;
    }
    for item in value.try_iter().into_iter().flatten() {
        *weight += ITEM;
        if *weight >= limit {
            return;
        }
        add_weight(&item, limit, weight);
        if is_map && let Ok(member) = value.get_item(&item) {
            add_weight(&member, limit, weight);
        }
    }
}
