//! What is above a connection, with TLS where that is wanted: it tells how the connection begins and ends.

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::step::http::line::{Ending, Line, Phase};

/// Says that the connection is there.
#[derive(Debug)]
pub(super) struct Connected(pub(super) Line);

impl<In: Transport> Connector<In> for Connected {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        self.0.reach(Phase::Sending);
        Ok(chained.map(|below| Watched { below, line: self.0.clone() }))
    }
}

/// A connection of which is noted how it ends: ureq takes a body that breaks off for a whole one where it has no length.
#[derive(Debug)]
pub(super) struct Watched<In> {
    below: In,
    line: Line,
}

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.below.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.below.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let has_room = !self.below.buffers().input_append_buf().is_empty();
        let received = self.below.await_input(timeout);
        match &received {
            Ok(false) if has_room => self.line.end(Ending::Closed),
            Err(Error::Io(error)) if self.line.stop().is_none() => {
                self.line.end(Ending::Broken(error.kind()));
            }
            _ => {}
        }
        received
    }

    fn is_open(&mut self) -> bool {
        self.below.is_open()
    }

    fn is_tls(&self) -> bool {
        self.below.is_tls()
    }
}
