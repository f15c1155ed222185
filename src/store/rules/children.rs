//! Children: spawned by a running attempt, or expanded from a task before its handler runs.

use super::{Parent, Rows, Transition};
use crate::error::Code;
use crate::models::{Ending, Failure, Fence, Sequence, State, TaskFact, TaskId};
use crate::store::{ChangeResult, Insert};

impl<R: Rows> Transition<'_, R> {
    /// Inserts a child of a running attempt, or joins the child of an earlier one. The child is
    /// kept until its parent ends.
    pub(super) fn spawn(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        child: &Insert,
    ) -> Result<(), R::Error> {
        if !self.runs_under(sequence, fence)? {
            self.refuse_as_stale();
            return Ok(());
        }
        if let Some(known) = self.rows.sequence_of(&child.task.id)?
            && known != child.sequence
        {
            let row = self.row(known)?;
            let own = row.child_of == Some(sequence) && row.task.digest == child.task.digest;
            if own {
                if let Some(refusal) = self.retry_child(sequence, known)? {
                    self.applied.result = refusal;
                    return Ok(());
                }
                self.notify_dependants()?;
                self.retain_child(sequence, known)?;
            }
            let snapshot = self.row(known)?.snapshot();
            self.applied.result = ChangeResult::IdConflict(Box::new(snapshot));
            return Ok(());
        }
        self.applied.result = self.insert(child, Some(sequence))?;
        if let ChangeResult::Inserted(_) = self.applied.result {
            self.retain_child(sequence, child.sequence)?;
        }
        Ok(())
    }

    /// Retries a failed child of this parent. Returns why it may not run again, if so.
    fn retry_child(
        &mut self,
        parent: Sequence,
        child: Sequence,
    ) -> Result<Option<ChangeResult>, R::Error> {
        let row = self.row(child)?;
        let ended_badly = row.state.has_ended() && row.state != State::Succeeded;
        if row.child_of != Some(parent) || !ended_badly {
            return Ok(None);
        }
        if let Some(refusal) = self.refuse_retry(child)? {
            return Ok(Some(refusal));
        }
        self.retry_ended(child, "its parent was retried")?;
        Ok(None)
    }

    /// Keeps a child until its parent ends: the parent may read its outcome, and a later attempt
    /// joins it.
    fn retain_child(&mut self, parent: Sequence, child: Sequence) -> Result<(), R::Error> {
        if !self.row(parent)?.parents.contains(&child) {
            self.rows.update(parent, |row| row.parents.push(child))?;
            self.rows.update(child, |row| row.needed_by += 1)?;
        }
        Ok(())
    }

    /// Inserts the children that a handler needs first, and makes the task wait for them.
    pub(super) fn expand(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        children: &[Insert],
    ) -> Result<(), R::Error> {
        // A task with other contents is no child, even if it has the id of one; nor is the task its
        // own child.
        for child in children {
            let Some(known) = self.rows.sequence_of(&child.task.id)? else { continue };
            if known == sequence || self.row(known)?.task.digest != child.task.digest {
                let message =
                    format!("task {} exists, and is no child of this task", child.task.id);
                let failure = Failure { code: Code::IdTaken, message };
                self.end_attempt(sequence, fence, Ending::Failed(failure))?;
                return Ok(());
            }
        }
        if !self.runs_once_more(sequence, fence)? {
            return Ok(());
        }
        let now = self.now;
        let ids: Vec<TaskId> = children.iter().map(|child| child.task.id.clone()).collect();
        self.rows.update(sequence, |row| {
            row.fence = None;
            row.attempts -= 1;
            row.children = ids.clone();
            row.transition_to(State::Pending, now, None);
        })?;
        // Its children may need the same key, or the quarantine slot.
        self.leave_slots(sequence)?;
        let expanded = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        self.emit_for(sequence, TaskFact::Expanded { children: expanded })?;
        let mut joined = Vec::new();
        for child in children {
            // An existing child comes from an earlier attempt of the parent: it is joined.
            match self.insert(child, Some(sequence))? {
                ChangeResult::Inserted(_) => continue,
                ChangeResult::IdConflict(known) => {
                    if let Some(known) = known.sequence {
                        self.retry_child(sequence, known)?;
                    }
                }
                _ => {}
            }
            joined.push(child.task.options.queue.clone());
        }
        let retained = self.retain(&ids)?;
        let mut unmet = 0;
        for child in &retained {
            if !self.row(*child)?.state.has_ended() {
                self.rows.wait(Parent::Local(*child), sequence)?;
                unmet += 1;
            }
        }
        self.rows.update(sequence, |row| {
            row.unmet += unmet;
            row.parents.extend(retained);
        })?;
        if unmet == 0 {
            self.queue(sequence, None, TaskFact::Queued)?;
        }
        self.notify_dependants()?;
        self.applied.result = ChangeResult::Expanded { joined };
        Ok(())
    }
}
