//! Claims, writes of running attempts, and the ends of attempts.

use std::sync::Arc;

use super::{Row, Rows, Transition};
use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Ending, Fact, Failure, Fence, LogLine, MAX_LOG_LINES, Sequence, State, TaskFact,
};
use crate::store::{ClaimRequest, Claimed};

impl<R: Rows> Transition<'_, R> {
    /// Claims a task, if it is claimable.
    pub(super) fn claim(&mut self, request: &ClaimRequest) -> Result<Option<Claimed>, R::Error> {
        let now = self.now;
        let Some(row) = self.rows.get(request.sequence)? else { return Ok(None) };
        if row.state == State::Running && row.fence == Some(request.fence) {
            // A repeated claim: the first reply was lost.
            return Ok(Some(claimed(row, request.fence)));
        }
        // The next promotion expires an overdue task and notifies its dependants.
        if !row.is_claimable() || row.expiry().is_some_and(|expiry| expiry <= now) {
            return Ok(None);
        }
        let task = row.task.clone();
        let queue = &task.options.queue;
        let settings = self.rows.settings(queue)?;
        if settings.paused {
            return Ok(None);
        }
        if let Some(limit) = settings.limits.concurrency
            && self.rows.slots_taken(queue)? >= limit
        {
            return Ok(None);
        }
        let claimed = self.rows.update(request.sequence, |row| {
            row.fence = Some(request.fence);
            row.attempts += 1;
            row.started_at = Some(now);
            row.transition_to(State::Running, now, None);
            claimed(row, request.fence)
        })?;
        let started = TaskFact::Started { attempt: claimed.attempt, fence: request.fence };
        self.emit(Fact::Task(task.clone(), started))?;
        if let Some(key) = task.options.concurrency_key()
            && let Some(rate) = settings.limits.rate_per_key
        {
            self.advance_pace(queue, key, rate)?;
        }
        Ok(Some(claimed))
    }

    /// Whether the task runs under this fence.
    pub(super) fn runs_under(
        &mut self,
        sequence: Sequence,
        fence: Fence,
    ) -> Result<bool, R::Error> {
        let row = self.rows.get(sequence)?;
        Ok(row.is_some_and(|row| row.fence == Some(fence) && row.state == State::Running))
    }

    /// Whether the task runs under this fence and may run again. If a cancel was requested
    /// meanwhile, the task is cancelled instead.
    pub(super) fn runs_once_more(
        &mut self,
        sequence: Sequence,
        fence: Fence,
    ) -> Result<bool, R::Error> {
        if !self.runs_under(sequence, fence)? {
            self.repeat_or_stale(sequence, fence)?;
            return Ok(false);
        }
        if let Some(reason) = self.row(sequence)?.cancel_requested.clone() {
            self.end(sequence, Ending::Cancelled(reason))?;
            self.notify_dependants()?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Refuses a stale write, and accepts a repetition of the write that ended the task.
    fn repeat_or_stale(&mut self, sequence: Sequence, fence: Fence) -> Result<(), R::Error> {
        match self.rows.get(sequence)?.filter(|row| row.fence == Some(fence)) {
            Some(row) => {
                let ended = row.ended.clone();
                self.applied.ended.extend(ended);
            }
            None => self.refuse_as_stale(),
        }
        Ok(())
    }

    pub(super) fn end_attempt(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        ending: Ending,
    ) -> Result<(), R::Error> {
        if !self.runs_under(sequence, fence)? {
            return self.repeat_or_stale(sequence, fence);
        }
        self.end(sequence, ending)?;
        self.notify_dependants()?;
        Ok(())
    }

    pub(super) fn retry(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        failure: &Failure,
        due: Timestamp,
    ) -> Result<(), R::Error> {
        if !self.runs_once_more(sequence, fence)? {
            return Ok(());
        }
        let now = self.now;
        self.rows.update(sequence, |row| {
            row.fence = None;
            row.due = Some(due);
            row.transition_to(State::Retrying, now, Some(failure.message.clone()));
        })?;
        let due = self.wait_for_retry(sequence)?;
        let attempt = self.row(sequence)?.attempts;
        let failure = Arc::new(failure.clone());
        self.emit_for(sequence, TaskFact::Retrying { attempt, failure, due })
    }

    pub(super) fn snooze(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        due: Timestamp,
    ) -> Result<(), R::Error> {
        if !self.runs_once_more(sequence, fence)? {
            return Ok(());
        }
        let now = self.now;
        self.rows.update(sequence, |row| {
            row.fence = None;
            row.attempts -= 1;
            row.due = Some(due);
            row.transition_to(State::Pending, now, None);
        })?;
        let due = self.wait_for_retry(sequence)?;
        self.emit_for(sequence, TaskFact::Snoozed { due })
    }

    /// `RUNNING` → `QUEUED`: a drain, or a claim that the engine could not use.
    pub(super) fn requeue(&mut self, sequence: Sequence, fence: Fence) -> Result<(), R::Error> {
        if !self.runs_once_more(sequence, fence)? {
            return Ok(());
        }
        self.rows.update(sequence, |row| {
            row.fence = None;
            row.attempts -= 1;
        })?;
        self.queue(sequence, None, TaskFact::Requeued)
    }

    /// Queues a task, claimable as far as its keys allow. `why` goes into its history, `fact` into
    /// the event.
    pub(super) fn queue(
        &mut self,
        sequence: Sequence,
        why: Option<String>,
        fact: TaskFact,
    ) -> Result<(), R::Error> {
        let row = self.row(sequence)?.clone();
        let key_claim = self.key_claim(&row)?;
        let now = self.now;
        let (ready, is_suspicious) = self.rows.update(sequence, |row| {
            row.due = None;
            row.apply_key_claim(key_claim);
            row.transition_to(State::Queued, now, why);
            (row.is_claimable().then(|| row.ready()), row.quarantine_slot)
        })?;
        self.applied.ready.extend(ready);
        self.emit(Fact::Task(row.task, fact))?;
        let gave_way = row.quarantine_slot && !is_suspicious;
        if gave_way { self.give_quarantine_slot() } else { Ok(()) }
    }

    pub(super) fn set_args(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        args: &[ArgValue],
    ) -> Result<(), R::Error> {
        self.write(sequence, fence, |row| row.resolved_args = Some(Arc::new(args.to_vec())))?;
        Ok(())
    }

    /// Suspends or resumes an attempt: while its handler waits for children, these may need its
    /// slot.
    pub(super) fn suspend(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        suspended: bool,
    ) -> Result<(), R::Error> {
        if !self.runs_under(sequence, fence)? {
            self.refuse_as_stale();
            return Ok(());
        }
        self.rows.update(sequence, |row| {
            row.suspended = suspended;
            if !suspended {
                // It resumes in any case; no other task takes a slot until the excess is gone.
                row.holds_key = row.task.options.concurrency_key().is_some();
                row.quarantine_slot = row.quarantine_candidate;
            }
        })?;
        if suspended { self.leave_slots(sequence) } else { Ok(()) }
    }

    pub(super) fn progress(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        progress: (f64, String),
    ) -> Result<(), R::Error> {
        let (fraction, message) = (progress.0, progress.1.as_str().into());
        if self.write(sequence, fence, |row| row.progress = progress)? {
            self.emit_for(sequence, TaskFact::Progressed { fraction, message })?;
        }
        Ok(())
    }

    /// A new checkpoint is progress: the task is no quarantine candidate any more.
    pub(super) fn checkpoint(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        data: &Option<Arc<[u8]>>,
    ) -> Result<(), R::Error> {
        let mut was_suspect = false;
        self.write(sequence, fence, |row| {
            row.checkpoint = data.clone();
            if data.is_some() {
                row.crash_count = 0;
                row.quarantine_candidate = false;
                was_suspect = std::mem::take(&mut row.quarantine_slot);
            }
        })?;
        if was_suspect { self.give_quarantine_slot() } else { Ok(()) }
    }

    pub(super) fn log(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        lines: &[LogLine],
    ) -> Result<(), R::Error> {
        if !self.runs_under(sequence, fence)? {
            self.refuse_as_stale();
            return Ok(());
        }
        let mut last = self.row(sequence)?.log_lines;
        let mut new = Vec::new();
        for line in lines {
            if line.number > last && line.number <= MAX_LOG_LINES {
                last = line.number;
                new.push(line.clone());
            }
        }
        if !new.is_empty() {
            self.rows.add_log(sequence, &new)?;
            self.rows.update(sequence, |row| row.log_lines = last)?;
        }
        Ok(())
    }

    /// Applies a write of a running attempt. Returns whether the fence was right.
    fn write(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        change: impl FnOnce(&mut Row),
    ) -> Result<bool, R::Error> {
        let runs = self.runs_under(sequence, fence)?;
        if runs {
            self.rows.update(sequence, change)?;
        } else {
            self.refuse_as_stale();
        }
        Ok(runs)
    }
}

fn claimed(row: &Row, fence: Fence) -> Claimed {
    Claimed {
        sequence: row.sequence,
        fence,
        task: row.task.clone(),
        attempt: row.attempts,
        resolved_args: row.resolved_args.as_deref().cloned(),
        children: row.children.clone(),
        checkpoint: row.checkpoint.clone(),
        log_lines: row.log_lines,
        attempts_before_retry: row.attempts_before_retry,
    }
}
