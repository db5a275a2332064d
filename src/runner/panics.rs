//! Where a panic happened, for the result of the case that it ended.

use std::any::Any;
use std::cell::RefCell;
use std::panic;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics of worker threads part of their case's result, with the place in the source, instead of printing
/// them between the lines of a report. Changes the panic hook of the process: for programs, not for libraries.
pub fn remember_panics() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_worker = std::thread::current().name().is_some_and(|name| name.starts_with("worker-"));
        if is_worker {
            LAST.set(info.location().map(ToString::to_string));
        } else {
            previous(info);
        }
    }));
}

/// What a caught panic says, and where it happened if that was remembered on this thread.
pub(super) fn describe(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    match LAST.take() {
        Some(place) => format!("internal error: {text} (at {place})"),
        None => format!("internal error: {text}"),
    }
}
