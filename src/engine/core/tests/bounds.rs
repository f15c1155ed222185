//! The bounds on new tasks and on queues, met through the inputs of the core.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::settings;
use crate::cache::ResultsCache;
use crate::clock::{Now, Timestamp};
use crate::engine::core::{
    Admission, Admittable, Command, Core, QueueChange, Submission, WaitFor, Waiter,
};
use crate::error::Code;
use crate::models::{Durability, MethodName, QueueLimits, QueueName, Sequence, TaskMaker};
use crate::store::OpenReport;
use crate::tasks::{Handler, Location, Method, MethodDefaults, Signature, TaskRegistry};

const NOW: Now = Now { wall: Timestamp::EPOCH, steady: Duration::ZERO };

#[derive(Debug)]
struct Caller;

impl Waiter for Caller {
    fn is_gone(&self) -> bool {
        false
    }
}

struct Given {
    core: Core<Caller>,
    out: Vec<Command<Caller>>,
    tasks: usize,
}

impl Given {
    fn new() -> Self {
        let opened = OpenReport {
            epoch: 1,
            next_sequence: Sequence(1),
            queues: Vec::new(),
            rescued: 0,
            notify_slice: 1_000,
            quarantined: 0,
            events: Vec::new(),
            due: None,
        };
        let cache = Arc::new(ResultsCache::new(NonZeroUsize::MIN, 1_000));
        let registry = Arc::new(TaskRegistry::default());
        let core = Core::new(settings(), registry, cache, &opened, 1, NOW);
        Self { core, out: Vec::new(), tasks: 0 }
    }

    /// Submits a task that waits for its time; returns the code of its refusal.
    fn submit(&mut self, durability: Durability) -> Option<Code> {
        self.tasks += 1;
        let task = TaskMaker::new(&format!("t{}", self.tasks)).with(|options| {
            options.durability = durability;
            options.run_at = Some(Timestamp::EPOCH.plus(Duration::from_secs(60)));
        });
        let task = Arc::new(task.make());
        let method = Arc::new(Method {
            name: MethodName {
                namespace: "default".into(),
                name: "add".into(),
                version: semver::Version::new(1, 0, 0),
            },
            handler: Handler::Inline(|_, _| Ok(crate::models::ArgValue::Null)),
            signature: Signature::ANY,
            defaults: MethodDefaults::default(),
            description: String::new(),
            declared_at: Location { file: file!(), line: line!() },
        });
        let submission = Submission {
            id: task.id.clone(),
            fresh: false,
            digest: task.digest,
            wait_for: WaitFor::Acceptance,
            must_read: false,
            looked_up: None,
            reservation: 0,
            inserting: Vec::new(),
            gate: Ok(Admittable { task, method, deps: Vec::new() }),
        };
        match self.core.submit(submission, NOW, || Caller, &mut self.out) {
            Admission::Refused(error) => Some(error.code),
            Admission::Wait => None,
            _ => panic!("a new task is refused, or waits"),
        }
    }
}

#[test]
fn the_core_refuses_ephemeral_tasks_at_their_bound() {
    let mut given = Given::new();
    for _ in 0..settings().limits.ephemeral_tasks {
        assert_eq!(given.submit(Durability::Ephemeral), None);
    }
    assert_eq!(given.submit(Durability::Ephemeral), Some(Code::QueueFull));
    assert_eq!(given.submit(Durability::Durable), None);
}

#[test]
fn the_core_refuses_durable_tasks_while_the_store_is_behind() {
    let mut given = Given::new();
    let most = settings().limits.unstored_tasks;
    for _ in 0..most {
        assert_eq!(given.submit(Durability::Durable), None);
    }
    assert_eq!(given.submit(Durability::Durable), Some(Code::QueueFull));
    assert_eq!(given.submit(Durability::Ephemeral), None);
    let writes = given.out.drain(..).filter_map(|command| match command {
        Command::Write(change, tag) => Some((change, tag)),
        _ => None,
    });
    let writes: Vec<_> = writes.collect();
    let error = crate::error::Error::new(Code::StoreUnavailable, "the disk is full");
    let retry = given.core.commit_failed(writes, &error, NOW, &mut Vec::new());
    assert!(retry.is_empty(), "{retry:?}");
    for _ in 0..most {
        assert_eq!(given.submit(Durability::Durable), None, "there is room again");
    }
}

#[test]
fn the_core_refuses_settings_for_more_queues_than_its_bound() {
    let mut given = Given::new();
    let queue = |number| QueueName::parse(&format!("q{number}"), "").expect("a name");
    let most = settings().limits.configured_queues;
    let limits = QueueChange::Limits(QueueLimits { weight: 7, ..QueueLimits::default() });
    for change in [QueueChange::Paused(true), limits] {
        for number in 0..=most {
            let changed = given.core.change_queue(queue(number), change, Caller, &mut given.out);
            if number == most {
                assert_eq!(changed.expect_err("there is no room").code, Code::QueueFull);
                continue;
            }
            changed.expect("there is room");
            let tag = match given.out.pop() {
                Some(Command::Write(_, tag)) => tag,
                _ => panic!("a change of a queue is written"),
            };
            let applied = crate::store::Applied::default();
            let commit = crate::store::Commit { applied: vec![applied], due: None };
            given.core.committed(vec![tag], commit, NOW, &mut Vec::new());
        }
    }
}
