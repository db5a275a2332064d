//! Which cases disturb one that fails only in company. Pure data: nothing is run here, and nothing is read.
//!
//! Entry points: [`Company`] says from the times of attempts who was beside a case when it failed, [`minimise`] finds the
//! smallest set that makes it fail, [`shared_word`] what two cases have in common that others have not, and [`lock_name`] the
//! name of a lock for that.

mod company;
mod minimise;
mod remedy;

pub use company::{Company, Span, Suspect, between};
pub use minimise::{Minimal, Trial, minimise};
pub use remedy::{lock_name, shared_word};
