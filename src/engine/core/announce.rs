//! What happened, on its way to whoever listens: told once, after the commit that holds it and before
//! anything that follows from it.

use super::{Command, Core, Waiter, WakeTarget};
use crate::models::Event;

impl<W: Waiter> Core<W> {
    /// Whether anybody listens to what happens.
    pub(crate) fn listened_to(&mut self, any: bool) {
        self.listened = any;
    }

    /// What came of a change or a claim happened. Whoever calls this goes on with what follows from it
    /// only afterwards.
    pub(super) fn announce(
        &self,
        events: Vec<Event>,
        outbox_written: bool,
        out: &mut Vec<Command<W>>,
    ) {
        if self.listened && !events.is_empty() {
            out.push(Command::Announce(events));
        }
        if outbox_written {
            out.push(Command::Wake(WakeTarget::Outbox));
        }
    }
}
