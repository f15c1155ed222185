//! Performs the calls that running handlers make through their [`TaskContext`](crate::tasks::TaskContext).

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::core::{Answer, HostCall, WatchKey, unmet};
use super::{Caller, Shared, attempt, gate};
use crate::clock::{self, Now};
use crate::error::{Code, Error};
use crate::models::{Custom, Fence, Outcome, Request, TaskId};
use crate::store::ChangeResult;
use crate::tasks::{Host, HostError};

/// How long the output of a handler is collected before it is stored: at most four writes a second for
/// each attempt.
const WRITE_EVERY: Duration = Duration::from_millis(250);

/// The engine as its handlers see it. Does not keep the engine alive.
pub(super) struct EngineHost(Weak<Shared>);

impl EngineHost {
    pub(super) fn of(shared: &Weak<Shared>) -> Arc<dyn Host> {
        Arc::new(Self(shared.clone()))
    }

    fn shared(&self) -> Result<Arc<Shared>, HostError> {
        self.0.upgrade().ok_or(HostError::Stale)
    }
}

#[async_trait]
impl Host for EngineHost {
    async fn checkpoint(&self, fence: Fence, data: Option<Arc<[u8]>>) -> Result<(), HostError> {
        match host_call(&self.shared()?, fence, HostCall::Checkpoint(data)).await? {
            ChangeResult::Stale => Err(HostError::Stale),
            _ => Ok(()),
        }
    }

    async fn spawn(&self, fence: Fence, child: Request) -> Result<TaskId, HostError> {
        let shared = self.shared()?;
        let Some(parent) = shared.running.lock().get(&fence).map(|it| it.context.task().clone())
        else {
            return Err(HostError::Stale);
        };
        let mut child = child;
        let options = child.options.get_or_insert_default();
        // One transaction ends a task and notifies its relatives, so one store must have both.
        options.durability = Some(parent.options.durability);
        options.wait_for_dependencies = true;
        let task = gate::check_child(child, &parent.id, &shared)?;
        let (id, digest) = (task.id.clone(), task.digest);
        match host_call(&shared, fence, HostCall::Spawn(task)).await? {
            ChangeResult::Inserted(_) => Ok(id),
            ChangeResult::IdConflict(known)
                if known.task.digest == digest
                    && known.task.parent.as_ref() == Some(&parent.id) =>
            {
                Ok(id)
            }
            ChangeResult::IdConflict(_) => Err(HostError::Refused(id_taken(&id))),
            // A parent cannot wait for the existing task: it is not its child.
            ChangeResult::UniqueConflict { .. } | ChangeResult::UniqueRefused => {
                let why = format!("the unique key of child {id} is held by another task");
                Err(HostError::Refused(Error::new(Code::UniqueTaken, why)))
            }
            ChangeResult::Unmet { dependency, problem } => {
                Err(HostError::Refused(unmet(&dependency, problem)))
            }
            _ => Err(HostError::Stale),
        }
    }

    async fn join(&self, fence: Fence, children: Vec<TaskId>) -> Result<Vec<Outcome>, HostError> {
        let shared = self.shared()?;
        let parent = shared.running.lock().get(&fence).map(|it| it.context.task_id().clone());
        let parent = parent.ok_or(HostError::Stale)?;
        let is_child = |id: &TaskId| {
            id.as_str().strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some(other) = children.iter().find(|id| !is_child(id)) {
            let why = format!("{other} is no child of {parent}");
            return Err(HostError::Refused(Error::invalid("children", why)));
        }
        let _suspension = Suspension::begin(&shared, fence);
        let mut outcomes = Vec::with_capacity(children.len());
        for id in &children {
            outcomes.push(shared.outcome(id).await?.outcome.clone());
        }
        Ok(outcomes)
    }

    async fn emit(&self, fence: Fence, custom: Arc<Custom>) -> Result<(), HostError> {
        match host_call(&self.shared()?, fence, HostCall::Emit(custom)).await? {
            ChangeResult::Stale => Err(HostError::Stale),
            _ => Ok(()),
        }
    }

    fn output_available(&self, fence: Fence) {
        let Some(shared) = self.0.upgrade() else { return };
        // The output of an inline handler is stored with its end.
        if !shared.wake_watchers(fence) {
            return;
        }
        let service_thread = shared.service_thread.clone();
        let shared = self.0.clone();
        service_thread.spawn(async move {
            tokio::time::sleep(WRITE_EVERY).await;
            if let Some(shared) = shared.upgrade() {
                shared.store_output(fence);
            }
        });
    }

    fn now(&self) -> Now {
        clock::now()
    }
}

impl Shared {
    /// Stores the output of a running handler. The report of its end stores the last output.
    fn store_output(self: &Arc<Self>, fence: Fence) {
        let context = self.running.lock().get(&fence).map(|it| it.context.clone());
        if let Some(context) = context {
            // Taken while the core is held, so that the attempt cannot end in between.
            self.act(|core, now, out| core.output(fence, attempt::take_output(&context), now, out));
        }
    }

    /// Wakes the watchers of a running task, which see its output before it is stored. Returns whether the
    /// attempt is registered as running.
    fn wake_watchers(&self, fence: Fence) -> bool {
        let id = self.running.lock().get(&fence).map(|it| it.context.task_id().clone());
        let runs = id.is_some();
        if let Some(id) = id {
            self.watches.wake(&WatchKey::Id(id));
        }
        runs
    }
}

/// An attempt that waits for its children without a slot. Resumes when it is dropped, also when the
/// handler is dropped while it waits.
struct Suspension {
    shared: Arc<Shared>,
    fence: Fence,
}

impl Suspension {
    fn begin(shared: &Arc<Shared>, fence: Fence) -> Self {
        shared.act(|core, now, out| core.suspend(fence, now, out));
        Self { shared: shared.clone(), fence }
    }
}

impl Drop for Suspension {
    fn drop(&mut self) {
        self.shared.act(|core, now, out| core.resume(self.fence, now, out));
    }
}

async fn host_call(
    shared: &Arc<Shared>,
    fence: Fence,
    call: HostCall,
) -> Result<ChangeResult, HostError> {
    let (sender, receiver) = Caller::new();
    shared.act(|core, now, out| core.host_call(fence, call, sender, now, out));
    match receiver.await {
        Ok(Answer::Result(result)) => Ok(result),
        Ok(Answer::Refused(error)) => Err(HostError::Refused(error)),
        Ok(answer) => unreachable!("{answer:?} does not answer a host call"),
        // The engine stopped.
        Err(_) => Err(HostError::Stale),
    }
}

fn id_taken(id: &TaskId) -> Error {
    Error::new(
        Code::IdTaken,
        format!("the id {id} belongs to a task of another parent, or with other content"),
    )
}
