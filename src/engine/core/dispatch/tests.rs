use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::engine::core::tests::settings;
use crate::models::{QueueLimits, Sequence};

const NOW: Now = Now { wall: Timestamp::EPOCH, steady: Duration::ZERO };

fn name(queue: usize) -> QueueName {
    QueueName::parse(&format!("q{queue}"), "").expect("a name")
}

struct Given {
    dispatch: Dispatch,
    slots: Slots,
    timers: Timers,
}

impl Given {
    /// Queues with these weights, numbered from 0.
    fn new(weights: &[u32]) -> Self {
        let limits = |weight: &u32| QueueLimits { weight: *weight, ..QueueLimits::default() };
        let queue = |weight: &u32| QueueSettings { limits: limits(weight), paused: false };
        let queues =
            weights.iter().enumerate().map(|(at, weight)| (name(at), queue(weight))).collect();
        let settings = Settings { queues, ..settings() };
        Self {
            dispatch: Dispatch::new(&settings),
            slots: Slots::new(&settings),
            timers: Timers::default(),
        }
    }

    fn push(&mut self, queue: usize, priority: i32, sequence: u64, kind: HandlerKind) {
        let position = Position { priority, sequence: Sequence(sequence) };
        let ready = ClaimableTask { position, queue: name(queue), method: "any".into() };
        self.dispatch.push(ready, kind, Durability::Durable);
    }

    fn pick(&mut self) -> Option<(QueueName, Candidate)> {
        self.dispatch.pick(NOW, &self.slots, &mut self.timers)
    }

    /// The queue whose turn it is; the task that is taken is replaced.
    fn turn(&mut self) -> Option<usize> {
        let (picked, candidate) = self.pick()?;
        let queue = picked.as_str()[1..].parse().expect("numbered");
        self.push(queue, 0, candidate.position.sequence.0, candidate.kind);
        Some(queue)
    }
}

#[test]
fn queues_with_work_take_turns_by_their_weights() {
    let weights = [1, 2, 5];
    let mut given = Given::new(&weights);
    for queue in 0..weights.len() {
        given.push(queue, 0, 1, HandlerKind::Inline);
    }
    let turns: Vec<usize> = (0..80).map(|_| given.turn().expect("there is work")).collect();
    for (queue, weight) in weights.into_iter().enumerate() {
        let own: Vec<usize> = (0..80).filter(|at| turns[*at] == queue).collect();
        assert_eq!(own.len(), 10 * weight as usize);
        let longest = own.windows(2).map(|pair| pair[1] - pair[0] - 1).max();
        assert!(longest <= Some(8_usize.div_ceil(weight as usize)), "{queue}: {longest:?}");
    }
}

#[test]
fn a_queue_that_always_has_work_is_not_starved_by_queues_that_come_and_go() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let weights: Vec<u32> = (0..rng.usize(2..6)).map(|_| rng.u32(1..6)).collect();
        let total: u32 = weights.iter().sum();
        let mut given = Given::new(&weights);
        given.push(0, 0, 1, HandlerKind::Inline);
        let mut others = 0;
        for sequence in 2..400 {
            let queue = rng.usize(0..weights.len());
            if rng.bool() {
                given.push(queue, 0, sequence, HandlerKind::Inline);
            }
            let (picked, candidate) = given.pick().expect("there is always work");
            if picked == name(0) {
                others = 0;
                given.push(0, 0, candidate.position.sequence.0, HandlerKind::Inline);
            } else {
                others += 1;
            }
            let bound = 2 * total.div_ceil(weights[0]);
            assert!(others <= bound, "seed {seed}: {others} {weights:?}");
        }
    }
}

#[test]
fn inside_a_queue_priority_comes_before_age() {
    let mut given = Given::new(&[1]);
    for (priority, sequence) in [(0, 1), (5, 2), (0, 3), (5, 4), (-1, 5)] {
        given.push(0, priority, sequence, HandlerKind::Inline);
    }
    let taken: Vec<u64> = std::iter::from_fn(|| given.pick())
        .map(|(_, candidate)| candidate.position.sequence.0)
        .collect();
    assert_eq!(taken, [2, 4, 1, 3, 5]);
}

#[test]
fn a_queue_at_its_limit_is_skipped_and_saves_no_credit() {
    let mut given = Given::new(&[1, 1]);
    given.dispatch.queue(&name(0)).settings.limits.concurrency = Some(1);
    given.dispatch.queue(&name(0)).running = 1;
    given.push(0, 0, 1, HandlerKind::Inline);
    given.push(1, 0, 1, HandlerKind::Inline);
    for _ in 0..20 {
        assert_eq!(given.turn(), Some(1));
    }
    given.dispatch.queue(&name(0)).running = 0;
    let turns: Vec<_> = (0..6).map(|_| given.turn().expect("there is work")).collect();
    assert_eq!(turns.iter().filter(|queue| **queue == 0).count(), 3);
}

#[test]
fn tasks_without_a_free_slot_do_not_hold_up_others() {
    let mut given = Given::new(&[1]);
    given.push(0, 9, 1, HandlerKind::Sync);
    given.push(0, 0, 2, HandlerKind::Async);
    given.slots.take(HandlerKind::Sync);
    let sequence =
        |picked: Option<(QueueName, Candidate)>| picked.map(|it| it.1.position.sequence.0);
    assert_eq!(sequence(given.pick()), Some(2));
    assert_eq!(sequence(given.pick()), None);
    given.slots.free(HandlerKind::Sync);
    assert_eq!(sequence(given.pick()), Some(1));
}

#[test]
fn empty_queues_are_forgotten_when_there_are_many() {
    let mut given = Given::new(&[]);
    let most = settings().limits.idle_queues;
    for queue in 0..100 {
        given.push(queue, 0, 1, HandlerKind::Inline);
        let (picked, _) = given.pick().expect("there is work");
        given.dispatch.queue(&picked).start(NOW);
        given.dispatch.task_left(&picked);
    }
    assert_eq!(given.dispatch.queues.len(), most);
    assert!(given.dispatch.ready_queues.len() <= most);
}

#[test]
fn only_so_many_queues_have_settings_of_their_own() {
    let mut given = Given::new(&[]);
    let most = settings().limits.configured_queues;
    let paused = QueueSettings { paused: true, ..QueueSettings::default() };
    for queue in 0..most {
        given.dispatch.check_configure(&name(queue)).expect("there is room");
        given.dispatch.configure(&name(queue), paused, NOW);
    }
    let error = given.dispatch.check_configure(&name(most)).expect_err("there is no room");
    let why = format!("{most} queues have settings of their own, the most allowed");
    assert_eq!((error.code, error.message), (Code::QueueFull, why));
    // A queue that has some may change or lose them, and then another one may have some.
    given.dispatch.check_configure(&name(0)).expect("it has some");
    given.dispatch.configure(&name(0), QueueSettings::default(), NOW);
    given.dispatch.check_configure(&name(most)).expect("there is room again");
}
