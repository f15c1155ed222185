//! What happened: told to whoever asked for the change, and put aside for webhooks.
//!
//! Each transition is announced once, by the rule that makes it; a write that is stale, refused or
//! repeated announces nothing. `task.queued` is said of a task that becomes `QUEUED` later than it came
//! in, whether or not its key lets it be claimed at once; that it becomes free of its key later is no
//! change of its state, and is not announced.
//!
//! Rows without webhooks (those of ephemeral tasks live in the engine) put nothing aside: webhooks are
//! told of durable tasks only.

use std::sync::Arc;

use super::{Rows, Transition};
use crate::models::{Custom, Event, Fact, Fence, Name, Sequence, TaskFact};

impl<R: Rows> Transition<'_, R> {
    /// Announces something that happens now.
    pub(super) fn emit(&mut self, fact: Fact) -> Result<(), R::Error> {
        self.announce(Event { at: self.now, fact })
    }

    /// Announces what happens now to a task that is there.
    pub(super) fn emit_for(&mut self, sequence: Sequence, fact: TaskFact) -> Result<(), R::Error> {
        let task = self.row(sequence)?.task.clone();
        self.emit(Fact::Task(task, fact))
    }

    /// Announces an event, and puts it aside for every webhook that wants it.
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

    /// A running body announces something.
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
