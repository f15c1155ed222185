//! How tasks come in.

use super::{Row, Rows, Transition};
use crate::error::Code;
use crate::models::{
    Ending, Fact, Failure, Fence, OnConflict, Sequence, State, Task, TaskFact, TaskId, Unique,
};
use crate::store::{ChangeResult, Insert, RELEASE_SLICE};

impl<R: Rows> Transition<'_, R> {
    /// Takes a task in; `child_of` is whose child it is.
    pub(super) fn enter(
        &mut self,
        insert: &Insert,
        child_of: Option<Sequence>,
    ) -> Result<ChangeResult, R::Error> {
        let task = &insert.task;
        if let Some(known) = self.rows.sequence_of(&task.id)? {
            let row = self.row(known)?;
            return Ok(match known == insert.sequence {
                true => ChangeResult::Inserted(row.state),
                false => ChangeResult::IdConflict(Box::new(row.snapshot())),
            });
        }
        if let Some(unique) = task.options.unique()
            && let Some(clash) = self.clash(unique, task)?
        {
            return Ok(clash);
        }
        let parents = match self.unfinished_parents(task, &insert.deps)? {
            Ok(parents) => parents,
            Err(unmet) => return Ok(unmet),
        };
        let mut row = Row::new(insert.sequence, task.clone());
        row.child_of = child_of;
        row.foreign = insert.foreign.clone();
        row.foreign.sort_unstable();
        row.foreign.dedup();
        row.unmet = u32::try_from(parents.len() + row.foreign.len()).unwrap_or(u32::MAX);
        for parent in &parents {
            self.rows.wait(*parent, insert.sequence)?;
        }
        for parent in &row.foreign {
            self.rows.wait_abroad(parent, insert.sequence)?;
        }
        row.parents = self.hold(&task.deps)?;
        if row.due.is_some_and(|due| due <= self.now) {
            row.due = None;
        }
        if let (Some(fence), 0) = (insert.claim, row.unmet) {
            row.fence = Some(fence);
            row.attempts = 1;
            row.due = None;
            // Whoever lets a task start at once has looked: it has a place like any other.
            row.holds_key = task.options.concurrency_key().is_some();
            row.enter(State::Running, self.now, None);
            row.started_at = Some(self.now);
        } else if row.unmet == 0 && row.due.is_none() {
            let stand = self.stand(&row)?;
            row.take(stand);
            row.enter(State::Queued, self.now, None);
            if row.is_claimable() {
                self.applied.ready.push(row.ready());
            }
        } else {
            row.enter(State::Pending, self.now, None);
        }
        if let Some(unique) = task.options.unique() {
            self.rows.set_unique(&unique.key, Some(insert.sequence))?;
        }
        let (state, started) = (row.state, row.fence);
        self.rows.insert(row)?;
        self.happened(Fact::Task(task.clone(), TaskFact::Accepted(state)))?;
        if let Some(fence) = started {
            self.happened(Fact::Task(task.clone(), TaskFact::Started { attempt: 1, fence }))?;
        }
        Ok(ChangeResult::Inserted(state))
    }

    /// What becomes of a newcomer whose unique key is somebody else's; `None`: it may come in.
    fn clash(
        &mut self,
        unique: &Unique,
        newcomer: &Task,
    ) -> Result<Option<ChangeResult>, R::Error> {
        let Some(first) = self.unique_holder(unique)? else { return Ok(None) };
        let row = self.row(first)?;
        let waits = !row.started() && !row.state.has_ended();
        let clash = |row: &Row, replaced| {
            Ok(Some(ChangeResult::UniqueConflict { first: Box::new(row.snapshot()), replaced }))
        };
        match unique.on_conflict {
            OnConflict::ReturnFirst => clash(row, false),
            OnConflict::Refuse => Ok(Some(ChangeResult::UniqueRefused)),
            OnConflict::Replace if row.state.has_ended() => clash(row, false),
            // Its latest arguments are to be used: those of whoever runs cannot be changed.
            OnConflict::Replace if !waits => Ok(None),
            OnConflict::Replace => {
                let alike = row.task.method == newcomer.method
                    && row.task.deps.is_empty()
                    && newcomer.deps.is_empty();
                if !alike {
                    return Ok(Some(ChangeResult::UniqueRefused));
                }
                // Whoever asked for the first and asks again is still to find it: its digest stays.
                let args = newcomer.args.clone();
                self.rows.update(first, |row| {
                    row.task = Task { args, ..Task::clone(&row.task) }.into();
                })?;
                self.happened_to(first, TaskFact::Replaced)?;
                clash(self.row(first)?, true)
            }
        }
    }

    /// Who keeps others with that key out.
    pub(super) fn unique_holder(&mut self, unique: &Unique) -> Result<Option<Sequence>, R::Error> {
        let Some(holder) = self.rows.unique(&unique.key)? else { return Ok(None) };
        let now = self.now;
        let blocked_by = self.rows.get(holder)?.is_some_and(|row| {
            !row.state.has_ended() || row.keep_until.is_some_and(|until| until > now)
        });
        Ok(blocked_by.then_some(holder))
    }

    /// A running body asks for a child. It is kept for as long as its parent has not ended.
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
                if let Some(refusal) = self.revive_child(sequence, known)? {
                    self.applied.result = refusal;
                    return Ok(());
                }
                self.release(RELEASE_SLICE)?;
                self.hold_child(sequence, known)?;
            }
            let snapshot = self.row(known)?.snapshot();
            self.applied.result = ChangeResult::IdConflict(Box::new(snapshot));
            return Ok(());
        }
        self.applied.result = self.enter(child, Some(sequence))?;
        if let ChangeResult::Inserted(_) = self.applied.result {
            self.hold_child(sequence, child.sequence)?;
        }
        Ok(())
    }

    /// A child of that parent that ended badly runs again, as the parent does; or why it may not.
    fn revive_child(
        &mut self,
        parent: Sequence,
        child: Sequence,
    ) -> Result<Option<ChangeResult>, R::Error> {
        let row = self.row(child)?;
        let ended_badly = row.state.has_ended() && row.state != State::Succeeded;
        if row.child_of != Some(parent) || !ended_badly {
            return Ok(None);
        }
        if let Some(refusal) = self.refuse_to_revive(child)? {
            return Ok(Some(refusal));
        }
        self.revive(child, "its parent runs again")?;
        Ok(None)
    }

    /// A child is kept for as long as its parent has not ended: the parent may ask what became of it,
    /// and a later attempt joins it.
    fn hold_child(&mut self, parent: Sequence, child: Sequence) -> Result<(), R::Error> {
        if !self.row(parent)?.parents.contains(&child) {
            self.rows.update(parent, |row| row.parents.push(child))?;
            self.rows.update(child, |row| row.needed_by += 1)?;
        }
        Ok(())
    }

    /// What a handler wants done first comes in, and the task waits for it.
    pub(super) fn expand(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        children: &[Insert],
    ) -> Result<(), R::Error> {
        // A task of somebody else is no child, whatever it is called; nor is the task its own.
        for child in children {
            let Some(known) = self.rows.sequence_of(&child.task.id)? else { continue };
            if known == sequence || self.row(known)?.task.digest != child.task.digest {
                let message = format!("a task that is no child of it is called {}", child.task.id);
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
            row.enter(State::Pending, now, None);
        })?;
        // Its children may have the same key, or be suspects, too.
        self.leave_places(sequence)?;
        let expanded = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        self.happened_to(sequence, TaskFact::Expanded { children: expanded })?;
        let mut joined = Vec::new();
        for child in children {
            // A child that is there already came from an earlier run of the parent: it is joined.
            match self.enter(child, Some(sequence))? {
                ChangeResult::Inserted(_) => continue,
                ChangeResult::IdConflict(known) => {
                    if let Some(known) = known.sequence {
                        self.revive_child(sequence, known)?;
                    }
                }
                _ => {}
            }
            joined.push(child.task.options.queue.clone());
        }
        let blocked_by = self.hold(&ids)?;
        let mut unmet = 0;
        for child in &blocked_by {
            if !self.row(*child)?.state.has_ended() {
                self.rows.wait(*child, sequence)?;
                unmet += 1;
            }
        }
        self.rows.update(sequence, |row| {
            row.unmet += unmet;
            row.parents.extend(blocked_by);
        })?;
        if unmet == 0 {
            self.queue(sequence, None, TaskFact::Queued)?;
        }
        self.release(RELEASE_SLICE)?;
        self.applied.result = ChangeResult::Expanded { joined };
        Ok(())
    }
}
