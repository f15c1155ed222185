//! Events of changes, and the outbox.
//!
//! The rule that makes a transition emits its event, once; a stale, refused or repeated write emits
//! none. `task.queued` is for a task that becomes `QUEUED` after its insert, even if its key still
//! blocks it; a task that gets its key later changes no state and emits nothing.
//!
//! Stores without webhooks (such as that of ephemeral tasks) write no outbox entries: webhooks
//! deliver events of durable tasks only.

use std::sync::Arc;

use super::{Rows, Transition};
use crate::models::{Custom, Event, Fact, Fence, Name, Sequence, TaskFact};

impl<R: Rows> Transition<'_, R> {
    /// Emits an event, now.
    pub(super) fn emit(&mut self, fact: Fact) -> Result<(), R::Error> {
        self.announce(Event { at: self.now, fact })
    }

    /// Emits an event of a stored task, now.
    pub(super) fn emit_for(&mut self, sequence: Sequence, fact: TaskFact) -> Result<(), R::Error> {
        let task = self.row(sequence)?.task.clone();
        self.emit(Fact::Task(task, fact))
    }

    /// Emits an event, and writes it to the outbox of every webhook that matches.
    pub(super) fn announce(&mut self, event: Event) -> Result<(), R::Error> {
        let webhooks = self.rows.webhooks();
        if !webhooks.is_empty() && event.is_for_webhooks() {
            let wants = webhooks.values().filter(|it| it.enabled && it.filter.matches(&event));
            let wanted: Vec<Name> = wants.map(|webhook| webhook.name.clone()).collect();
            self.enqueue_outbox(&event, &wanted)?;
        }
        self.applied.events.push(event);
        Ok(())
    }

    fn enqueue_outbox(&mut self, event: &Event, wanted: &[Name]) -> Result<(), R::Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        self.applied.outbox_written = true;
        let payload = serde_json::Value::Object(event.payload()).to_string();
        for webhook in wanted {
            self.rows.enqueue_outbox(webhook, event, &payload)?;
        }
        Ok(())
    }

    /// Emits an event of a running attempt.
    pub(super) fn emit_custom(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        custom: &Arc<Custom>,
    ) -> Result<(), R::Error> {
        if !self.runs_under(sequence, fence)? {
            self.refuse_as_stale();
            return Ok(());
        }
        self.emit(Fact::Custom(custom.clone()))
    }
}
