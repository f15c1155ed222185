//! What running bodies ask of the engine.

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

/// How long what a body says may wait to be stored: however much it says, it is four writes a second.
const WRITE_EVERY: Duration = Duration::from_millis(250);

/// The engine, as its bodies see it. Does not keep it alive.
pub(super) struct ForBodies(Weak<Shared>);

impl ForBodies {
    pub(super) fn of(shared: &Weak<Shared>) -> Arc<dyn Host> {
        Arc::new(Self(shared.clone()))
    }

    fn shared(&self) -> Result<Arc<Shared>, HostError> {
        self.0.upgrade().ok_or(HostError::Stale)
    }
}

#[async_trait]
impl Host for ForBodies {
    async fn checkpoint(&self, fence: Fence, data: Option<Arc<[u8]>>) -> Result<(), HostError> {
        match ask(&self.shared()?, fence, HostCall::Checkpoint(data)).await? {
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
        // They are told of each other's ends in one transaction, so one store has both.
        options.durability = Some(parent.options.durability);
        options.wait_for_dependencies = true;
        let task = gate::check_child(child, &parent.id, &shared)?;
        let (id, digest) = (task.id.clone(), task.digest);
        match ask(&shared, fence, HostCall::Spawn(task)).await? {
            ChangeResult::Inserted(_) => Ok(id),
            ChangeResult::IdConflict(known)
                if known.task.digest == digest
                    && known.task.parent.as_ref() == Some(&parent.id) =>
            {
                Ok(id)
            }
            ChangeResult::IdConflict(_) => Err(HostError::Refused(taken(&id))),
            // It would be somebody else's task that the parent waits for, and its children are its own.
            ChangeResult::UniqueConflict { .. } | ChangeResult::UniqueRefused => {
                let why = "the child's unique key belongs to another task";
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
        if let Some(stranger) = children.iter().find(|id| !is_child(id)) {
            let why = format!("{stranger} is no child of {parent}");
            return Err(HostError::Refused(Error::invalid("children", why)));
        }
        let _rest = Rest::begin(&shared, fence);
        let mut outcomes = Vec::with_capacity(children.len());
        for id in &children {
            outcomes.push(shared.outcome(id).await?.outcome.clone());
        }
        Ok(outcomes)
    }

    async fn emit(&self, fence: Fence, custom: Arc<Custom>) -> Result<(), HostError> {
        match ask(&self.shared()?, fence, HostCall::Emit(custom)).await? {
            ChangeResult::Stale => Err(HostError::Stale),
            _ => Ok(()),
        }
    }

    fn output_available(&self, fence: Fence) {
        let Some(shared) = self.0.upgrade() else { return };
        // What an inline body says goes with its end.
        if !shared.touch_running(fence) {
            return;
        }
        let loops = shared.on_loops.clone();
        let shared = self.0.clone();
        loops.spawn(async move {
            tokio::time::sleep(WRITE_EVERY).await;
            if let Some(shared) = shared.upgrade() {
                shared.take_words(fence);
            }
        });
    }

    fn now(&self) -> Now {
        clock::now()
    }
}

impl Shared {
    /// Has stored what a body said.
    fn take_words(self: &Arc<Self>, fence: Fence) {
        let context = self.running.lock().get(&fence).map(|it| it.context.clone());
        // What it says at its end goes with its end.
        if let Some(context) = context {
            // Taken while the core is held, so that the end of the body does not come in between.
            self.act(|core, now, out| core.output(fence, attempt::said(&context), now, out));
        }
    }

    /// Whoever watches a running task sees what its body says as it says it. Answers whether it runs.
    fn touch_running(&self, fence: Fence) -> bool {
        let id = self.running.lock().get(&fence).map(|it| it.context.task_id().clone());
        let runs = id.is_some();
        if let Some(id) = id {
            self.watches.touch(&WatchKey::Id(id));
        }
        runs
    }
}

/// A body waits for its children and has no slot meanwhile; also when it is dropped while it waits.
struct Rest {
    shared: Arc<Shared>,
    fence: Fence,
}

impl Rest {
    fn begin(shared: &Arc<Shared>, fence: Fence) -> Self {
        shared.act(|core, now, out| core.suspend(fence, now, out));
        Self { shared: shared.clone(), fence }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.shared.act(|core, now, out| core.resume(self.fence, now, out));
    }
}

async fn ask(
    shared: &Arc<Shared>,
    fence: Fence,
    asked: HostCall,
) -> Result<ChangeResult, HostError> {
    let (sender, receiver) = Caller::new();
    shared.act(|core, now, out| core.host_call(fence, asked, sender, now, out));
    match receiver.await {
        Ok(Answer::Result(verdict)) => Ok(verdict),
        Ok(Answer::Refused(error)) => Err(HostError::Refused(error)),
        Ok(answer) => unreachable!("{answer:?} is no answer to a running body"),
        // The engine stopped.
        Err(_) => Err(HostError::Stale),
    }
}

fn taken(id: &TaskId) -> Error {
    Error::new(
        Code::IdTaken,
        format!("{id} is another task already: another's, or with other content"),
    )
}
