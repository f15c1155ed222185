//! Why a task is not running now: what the core knows that bears on it, and what all of that together
//! means.

use super::active::Phase;
use super::{Core, Pauses, Waiter, Workers, resolve};
use crate::clock::{Now, Timestamp};
use crate::models::{
    BlockedBy, Durability, Explanation, MAX_NAMED, Obstacle, ObstacleKind, QueueLimits, QueueName,
    Snapshot, State, Task, TaskId,
};
use crate::tasks::HandlerKind;

/// What bears on one task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Situation {
    pub(crate) now: Timestamp,
    pub(crate) task: Known,
    /// What the core knows; `None` of a task that does not wait.
    pub(crate) stance: Option<Stance>,
    /// Dependencies and children that have not ended, as far as they were found.
    pub(crate) dependencies: Vec<TaskId>,
    pub(crate) children: Vec<TaskId>,
    /// How its concurrency key stands, if that matters.
    pub(crate) key: Option<KeyStance>,
    /// How many claimable tasks stand before it in its queue; those beyond [`MAX_BEFORE`] are not
    /// counted.
    pub(crate) before: usize,
    /// What a caller would be told of its method, if there is no such method.
    pub(crate) missing: Option<String>,
    /// The store did not answer.
    pub(crate) store_fails: bool,
}

/// How far into a queue those before a task are counted.
pub(crate) const MAX_BEFORE: usize = 1_000;

/// What is known of the task itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// What was read.
    Found(Box<Snapshot>),
    /// It could not be read.
    Unread(Fate),
}

/// What the core alone knows of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is on its way to the store.
    Entering,
    /// Its body runs.
    Running,
    /// Somebody waits for it.
    Awaited,
}

/// What the core knows that bears on one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stance {
    pub(crate) pauses: Pauses,
    pub(crate) paused: bool,
    pub(crate) limits: QueueLimits,
    /// How many of its queue run, and which.
    pub(crate) running: u32,
    pub(crate) running_ids: Vec<TaskId>,
    /// When the queue's rate allows the next start, if not at once.
    pub(crate) rate_free_at: Option<Timestamp>,
    /// The slots for bodies of its kind, if none is free.
    pub(crate) full: Option<Full>,
    /// Its body waits for its children.
    pub(crate) suspended: bool,
}

/// Every slot for bodies of one kind is taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Full {
    pub(crate) kind: HandlerKind,
    pub(crate) slots: usize,
    pub(crate) taken: usize,
    /// By these.
    pub(crate) ids: Vec<TaskId>,
}

/// How a concurrency key stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeyStance {
    /// Others that hold a place of it, as many as are named, and how many there are.
    pub(crate) holders: Vec<TaskId>,
    pub(crate) count: u32,
    /// When its rate allows the next start, if not at once.
    pub(crate) free_at: Option<Timestamp>,
}

impl Situation {
    /// That of a task of which this was read.
    pub(crate) fn of(found: Snapshot, now: Timestamp) -> Self {
        Self::new(Known::Found(Box::new(found)), now)
    }

    /// That of a task which could not be read.
    pub(crate) fn unread(fate: Fate, now: Timestamp) -> Self {
        Self::new(Known::Unread(fate), now)
    }

    fn new(task: Known, now: Timestamp) -> Self {
        Self {
            now,
            task,
            stance: None,
            dependencies: Vec::new(),
            children: Vec::new(),
            key: None,
            before: 0,
            missing: None,
            store_fails: false,
        }
    }
}

impl<W: Waiter> Core<W> {
    /// What is known here that bears on a task.
    pub(crate) fn stance(&self, task: &Task, now: Now) -> Stance {
        let name = &task.options.queue;
        let queue = self.dispatch.get(name);
        let settings =
            queue.map_or_else(|| self.dispatch.settings_of(name), |queue| queue.settings);
        let kind = resolve(&self.registry, &task.method).map(|method| method.handler.kind());
        let full = kind.filter(|kind| !self.slots.has_free(*kind)).map(|kind| {
            let Workers { async_slots, async_active, sync_slots, sync_active, .. } = self.workers();
            let (slots, taken) = match kind {
                HandlerKind::Async => (async_slots, async_active),
                _ => (sync_slots, sync_active),
            };
            let ids = self.attempts.ids_of(|it| it.slot == kind && !it.suspended && !it.gone);
            Full { kind, slots, taken, ids }
        });
        let rate_free_at = queue
            .and_then(|queue| queue.wait_for_rate(now))
            .map(|at| now.wall.plus(at.saturating_sub(now.steady)));
        let own = self.active.get(&task.id).and_then(|active| active.fence);
        Stance {
            pauses: self.pauses(),
            paused: settings.paused,
            limits: settings.limits,
            running: queue.map_or(0, |queue| queue.running),
            running_ids: self.attempts.ids_of(|it| it.task.options.queue == *name),
            rate_free_at,
            full,
            suspended: own.and_then(|own| self.attempts.get(&own)).is_some_and(|it| it.suspended),
        }
    }

    /// What is known here of a task that the store could not tell of.
    pub(crate) fn fate(&self, id: &TaskId) -> Option<Fate> {
        let active = self.active.get(id)?;
        match active.phase {
            Phase::Reserved => None,
            _ if active.fence.is_some() => Some(Fate::Running),
            Phase::Inserting => Some(Fate::Entering),
            Phase::Accepted => Some(Fate::Awaited),
        }
    }

    /// What keeps everything from starting.
    pub(crate) fn pauses(&self) -> Pauses {
        Pauses { draining: self.shutdown.is_draining(), store: self.store.is_paused() }
    }

    /// What bodies run in.
    pub(crate) fn workers(&self) -> Workers {
        let (async_slots, sync_slots) = (self.settings.async_slots, self.settings.sync_slots);
        Workers {
            async_slots,
            async_active: self.slots.taken(HandlerKind::Async, async_slots),
            sync_slots,
            sync_active: self.slots.taken(HandlerKind::Sync, sync_slots),
            stuck: self.attempts.stuck(),
        }
    }
}

/// What all of that means.
pub(crate) fn explain(situation: &Situation) -> Explanation {
    let found = match &situation.task {
        Known::Found(found) => found,
        Known::Unread(fate) => return unread(*fate),
    };
    let (state, now) = (found.state, situation.now);
    let said = |summary| Explanation { state, summary, obstacles: Vec::new(), runs_at: None };
    if let Some(outcome) = &found.outcome {
        let why = outcome.failure().map_or_else(String::new, |it| format!(", {}", it.code));
        return said(format!("it ended {state} at {}{why}", outcome.ended_at));
    }
    if state == State::Running {
        return said(running(found, situation.stance.as_ref()));
    }
    let obstacles = obstacles(situation, found);
    if obstacles.is_empty() {
        let summary = format!("it is {state}, and nothing keeps it from starting in a moment");
        return Explanation { runs_at: Some(now), ..said(summary) };
    }
    let reasons: Vec<&str> = obstacles.iter().map(|obstacle| &*obstacle.description).collect();
    Explanation {
        state,
        summary: format!("it is {state}: {}", reasons.join("; ")),
        runs_at: obstacles.iter().filter_map(|obstacle| obstacle.until).max(),
        obstacles,
    }
}

fn running(found: &Snapshot, stance: Option<&Stance>) -> String {
    let mut summary = format!("attempt {} runs", found.attempts);
    if let Some(at) = found.started_at {
        summary += &format!(" since {at}");
    }
    if stance.is_some_and(|stance| stance.suspended) {
        summary += ", and waits for its children";
    }
    if found.cancel_requested {
        summary += ", and was asked to stop";
    }
    summary
}

fn unread(fate: Fate) -> Explanation {
    let waits = |why: &str| Explanation {
        state: State::Pending,
        summary: why.to_owned(),
        obstacles: vec![obstacle(ObstacleKind::Store, why.to_owned())],
        runs_at: None,
    };
    match fate {
        Fate::Entering => waits("it is on its way to the store, which has not taken it yet"),
        Fate::Awaited => waits("the store does not answer, so nobody knows how it stands"),
        Fate::Running => Explanation {
            state: State::Running,
            summary: "it runs".to_owned(),
            obstacles: Vec::new(),
            runs_at: None,
        },
    }
}

fn obstacle(kind: ObstacleKind, description: String) -> Obstacle {
    Obstacle { kind, description, tasks: Vec::new(), until: None, count: 0, limit: 0 }
}

/// What keeps a task that waits from running: what is about itself first, then what is about its queue,
/// then what is about the server.
fn obstacles(situation: &Situation, found: &Snapshot) -> Vec<Obstacle> {
    let unknown = Stance::default();
    let stance = situation.stance.as_ref().unwrap_or(&unknown);
    let queue = &found.task.options.queue;
    [
        time(found, situation.now),
        dependencies(situation, found),
        method(situation),
        key(situation, stance, found),
        suspect(found),
        paused(stance, queue),
        concurrency(stance, queue),
        rate(stance, queue),
        behind(situation, queue),
        capacity(stance),
        store(situation, stance, found),
        draining(stance),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn time(found: &Snapshot, now: Timestamp) -> Option<Obstacle> {
    let due = found.due_at.filter(|due| *due > now)?;
    let (kind, description) = match (found.state, found.attempts) {
        (State::Retrying, attempt) => (
            ObstacleKind::Backoff,
            format!("attempt {attempt} ended badly, and the next may start at {due}"),
        ),
        (_, 0) => (ObstacleKind::Time, format!("it may not start before {due}")),
        _ => (ObstacleKind::Time, format!("its body asked to be called again at {due}")),
    };
    Some(Obstacle { until: Some(due), ..obstacle(kind, description) })
}

fn dependencies(situation: &Situation, found: &Snapshot) -> Option<Obstacle> {
    if found.unmet == 0 || found.state != State::Pending {
        return None;
    }
    let Situation { dependencies, children, .. } = situation;
    let whom = match (dependencies.is_empty(), children.is_empty()) {
        (_, true) => "it depends on",
        (true, false) => "it was expanded into",
        (false, false) => "it depends on, or was expanded into,",
    };
    let description = format!("{} that {whom} {} not ended", tasks(found.unmet), has(found.unmet));
    let tasks = dependencies.iter().chain(children).take(MAX_NAMED).cloned().collect();
    let waits = obstacle(ObstacleKind::Dependencies, description);
    Some(Obstacle { tasks, count: found.unmet.into(), ..waits })
}

fn method(situation: &Situation) -> Option<Obstacle> {
    let missing = situation.missing.as_ref()?;
    Some(obstacle(ObstacleKind::Method, format!("no body for it is here: {missing}")))
}

fn key(situation: &Situation, stance: &Stance, found: &Snapshot) -> Option<Obstacle> {
    let KeyStance { holders, count, free_at } = situation.key.as_ref()?;
    let key = found.task.options.concurrency_key()?;
    let limit = stance.limits.concurrency_per_key;
    let count = *count;
    let full = count >= limit;
    let description = match free_at {
        _ if full => format!(
            "{} with the concurrency key {key:?} {} the {} that the queue allows it",
            tasks(count),
            if count == 1 { "holds" } else { "hold" },
            if limit == 1 { "place".to_owned() } else { format!("{limit} places") },
        ),
        Some(at) => format!(
            "as many with the concurrency key {key:?} have started as may in a time, and the next may \
             start at {at}"
        ),
        None if found.blocked_by == Some(BlockedBy::ConcurrencyKey) => {
            format!("another with the concurrency key {key:?} comes first")
        }
        None => return None,
    };
    let crowded = obstacle(ObstacleKind::ConcurrencyKey, description);
    let (count, limit) = (count.into(), limit.into());
    Some(Obstacle { tasks: holders.clone(), until: *free_at, count, limit, ..crowded })
}

fn suspect(found: &Snapshot) -> Option<Obstacle> {
    let held = found.blocked_by == Some(BlockedBy::Quarantine);
    held.then(|| {
        let why = "it ran at so many ends of the process that it may be their cause, and another such \
                   task runs";
        obstacle(ObstacleKind::Suspect, why.to_owned())
    })
}

fn paused(stance: &Stance, queue: &QueueName) -> Option<Obstacle> {
    let why = || obstacle(ObstacleKind::Paused, format!("queue {queue} is paused"));
    stance.paused.then(why)
}

fn concurrency(stance: &Stance, queue: &QueueName) -> Option<Obstacle> {
    let Stance { running, running_ids, .. } = stance;
    let limit = stance.limits.concurrency.filter(|limit| running >= limit)?;
    let are = if *running == 1 { "runs" } else { "run" };
    let why = format!("{} of queue {queue} {are}, and {limit} may at once", tasks(*running));
    Some(Obstacle {
        tasks: running_ids.clone(),
        count: (*running).into(),
        limit: limit.into(),
        ..obstacle(ObstacleKind::QueueConcurrency, why)
    })
}

fn rate(stance: &Stance, queue: &QueueName) -> Option<Obstacle> {
    let (at, rate) = (stance.rate_free_at?, stance.limits.rate?);
    let why = format!(
        "queue {queue} may start {} in {:?}, and the next may start at {at}",
        tasks(rate.count),
        rate.per
    );
    let limit = rate.count.into();
    Some(Obstacle { until: Some(at), limit, ..obstacle(ObstacleKind::QueueRate, why) })
}

fn behind(situation: &Situation, queue: &QueueName) -> Option<Obstacle> {
    let count = u32::try_from(situation.before).unwrap_or(u32::MAX);
    if count == 0 {
        return None;
    }
    let more = if situation.before >= MAX_BEFORE { "at least " } else { "" };
    let stand = if count == 1 { "stands" } else { "stand" };
    let why = format!("{more}{} of queue {queue} {stand} before it", tasks(count));
    Some(Obstacle { count: count.into(), ..obstacle(ObstacleKind::QueuePosition, why) })
}

fn capacity(stance: &Stance) -> Option<Obstacle> {
    let Full { kind, slots, taken, ids } = stance.full.as_ref()?;
    let of = if *kind == HandlerKind::Async { "async" } else { "sync" };
    let why = format!("all {slots} slots for {of} bodies are taken");
    let taken = u64::try_from(*taken).unwrap_or(u64::MAX);
    let limit = u64::try_from(*slots).unwrap_or(u64::MAX);
    let full = obstacle(ObstacleKind::Capacity, why);
    Some(Obstacle { tasks: ids.clone(), count: taken, limit, ..full })
}

fn store(situation: &Situation, stance: &Stance, found: &Snapshot) -> Option<Obstacle> {
    let durable = found.task.options.durability == Durability::Durable;
    let fails = situation.store_fails || stance.pauses.store;
    (durable && fails).then(|| {
        obstacle(
            ObstacleKind::Store,
            "the store failed a moment ago, and is asked again".to_owned(),
        )
    })
}

fn draining(stance: &Stance) -> Option<Obstacle> {
    let why = "the server is shutting down, and starts nothing any more";
    stance.pauses.draining.then(|| obstacle(ObstacleKind::Draining, why.to_owned()))
}

fn tasks(count: u32) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

fn has(count: u32) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

#[cfg(test)]
mod tests;
