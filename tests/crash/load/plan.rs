//! What a client asks for next: a pure function of chance.

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use task_scheduler::models::ArgValue;
use task_scheduler::pb;

use crate::client::named;
use crate::ledger::{Ends, Entry, Need, wall_ms};

const QUEUES: [&str; 3] = ["default", "left", "right"];
const MAX_DELAY_MS: u64 = 500;
/// The bound on attempts of tasks that are to be late when the server stands still.
const HURRY: Duration = Duration::from_millis(250);

/// A task to ask for, and what is known about it in advance.
pub(super) struct Planned {
    pub(super) request: pb::TaskRequest,
    ends: Ends,
    retries: u32,
    due: u64,
    need: Need,
}

impl Planned {
    /// What is written down before it is asked for.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let id = || self.request.task_id.clone();
        let asked =
            Entry::Asked { id: id(), ends: self.ends, retries: self.retries, due: self.due };
        let needs = self.request.deps.iter().map(move |parent| Entry::Needs {
            id: id(),
            parent: parent.clone(),
            how: self.need,
        });
        std::iter::once(asked).chain(needs)
    }
}

/// What a body does, and how often it may.
struct Body {
    method: &'static str,
    args: Vec<ArgValue>,
    ends: Ends,
    retries: u32,
    timeout: Option<Duration>,
}

impl Body {
    fn new<const N: usize>(method: &'static str, args: [u64; N]) -> Self {
        let args = args.map(ArgValue::from).into();
        Self { method, args, ends: Ends::Well, retries: 2, timeout: None }
    }
}

/// The task with this id, after these parents; `later` if it may be one that nobody waits for.
pub(super) fn plan(rng: &mut Rng, id: String, parents: Vec<String>, later: bool) -> Planned {
    let Body { method, args, ends, retries, timeout } = body(rng, later);
    let mut request = named(&id, method, args);
    let need = if rng.u32(0..5) == 0 { Need::Anyhow } else { Need::Well };
    request.deps = parents;
    let options = request.options.get_or_insert_default();
    options.wait_for_dependencies = true;
    if need == Need::Anyhow {
        options.set_on_dependency_failure(pb::OnDependencyFailure::Run);
    }
    options.queue = rng.choice(QUEUES).expect("there are three").into();
    options.priority = Some(rng.i32(-2..=2));
    options.timeout = timeout.map(span);
    options.retry = Some(pb::RetryPolicy {
        retries: Some(retries),
        base: Some(span(Duration::from_millis(5))),
        ..Default::default()
    });
    let due = if later { time(rng, options) } else { 0 };
    Planned { request, ends, retries, due, need }
}

fn body(rng: &mut Rng, later: bool) -> Body {
    match rng.u32(0..if later { 100 } else { 70 }) {
        0..25 => Body::new("quick", []),
        25..35 => Body::new("quick_sync", []),
        35..45 => Body::new("quick_inline", []),
        45..58 => Body::new("work", [rng.u64(1..30)]),
        58..66 => {
            let wait = [0, 0, 10, 40][rng.usize(0..4)];
            Body { retries: 3, ..Body::new("fail", [rng.u64(1..=2), wait]) }
        }
        66..70 => {
            let retries = rng.u32(0..=2);
            Body { ends: Ends::Failed, retries, ..Body::new("fail", [1_000, 0]) }
        }
        70..77 => Body::new("snooze_once", [rng.u64(1..50)]),
        77..90 => Body::new("steps", [rng.u64(1..=6), rng.u64(1..=10)]),
        90..94 => Body { retries: 5, ..Body::new("parent", [rng.u64(1..=4)]) },
        94..97 => hurried("steps", rng),
        _ => hurried("stubborn_steps", rng),
    }
}

fn hurried(method: &'static str, rng: &mut Rng) -> Body {
    Body {
        ends: Ends::WellOrTimedOut,
        retries: rng.u32(0..=1),
        timeout: Some(HURRY),
        ..Body::new(method, [rng.u64(2..=8), 10])
    }
}

/// Sets a time for some; since when it may start.
fn time(rng: &mut Rng, options: &mut pb::TaskOptions) -> u64 {
    let delay = Duration::from_millis(rng.u64(1..=MAX_DELAY_MS));
    match rng.u32(0..10) {
        0..2 => {
            options.delay = Some(span(delay));
            wall_ms() + u64::try_from(delay.as_millis()).unwrap()
        }
        2 => {
            let at = SystemTime::now() + delay;
            options.run_at = Some(at.into());
            wall_ms() + u64::try_from(delay.as_millis()).unwrap()
        }
        _ => 0,
    }
}

fn span(length: Duration) -> prost_types::Duration {
    length.try_into().expect("a short time")
}
