//! What the steps of an attempt carry from one to the next.

#[cfg(feature = "http")]
use std::cell::OnceCell;

#[cfg(feature = "http")]
use crate::process::Cancellation;
#[cfg(feature = "http")]
use crate::step::http::Client;
#[cfg(feature = "sqlite")]
use crate::step::sql::Memory;

/// What the steps of an attempt carry from one to the next: the cookies of their requests, and a
/// database in memory. New for each attempt.
#[derive(Debug, Default)]
pub struct Carried {
    #[cfg(feature = "http")]
    client: OnceCell<Client>,
    #[cfg(feature = "sqlite")]
    pub(super) memory: Memory,
}

#[cfg(feature = "http")]
impl Carried {
    /// Who sends the requests, made for the first of them.
    pub(super) fn client(&self, cancellation: &Cancellation) -> &Client {
        self.client.get_or_init(|| Client::new(cancellation))
    }
}
