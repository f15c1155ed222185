//! Plans a client's next request: a pure function of chance.

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use task_scheduler::models::ArgValue;
use task_scheduler::pb;

use crate::client::named;
use crate::ledger::{Condition, Entry, Expected, wall_ms};

const QUEUES: [&str; 3] = ["default", "left", "right"];
const MAX_DELAY_MS: u64 = 500;
/// The timeout of tasks that must time out while the server is suspended.
const SHORT_TIMEOUT: Duration = Duration::from_millis(250);

/// A request, and its expected outcome.
pub(super) struct Planned {
    pub(super) request: pb::TaskRequest,
    expected: Expected,
    retries: u32,
    due: u64,
    condition: Condition,
}

impl Planned {
    /// The ledger's entries for this request.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let id = || self.request.task_id.clone();
        let requested = Entry::Requested {
            id: id(),
            expected: self.expected,
            retries: self.retries,
            due: self.due,
        };
        let needs = self.request.deps.iter().map(move |parent| Entry::Needs {
            id: id(),
            parent: parent.clone(),
            how: self.condition,
        });
        std::iter::once(requested).chain(needs)
    }
}

/// A handler, its expected outcome, and its limits.
struct HandlerPlan {
    method: &'static str,
    args: Vec<ArgValue>,
    expected: Expected,
    retries: u32,
    timeout: Option<Duration>,
}

impl HandlerPlan {
    fn new<const N: usize>(method: &'static str, args: [u64; N]) -> Self {
        let args = args.map(ArgValue::from).into();
        Self { method, args, expected: Expected::Succeeded, retries: 2, timeout: None }
    }
}

/// Plans the task `id` with these parents; `later` allows tasks that take long.
pub(super) fn plan(rng: &mut Rng, id: String, parents: Vec<String>, later: bool) -> Planned {
    let HandlerPlan { method, args, expected, retries, timeout } = handler(rng, later);
    let mut request = named(&id, method, args);
    let condition = if rng.u32(0..5) == 0 { Condition::Ended } else { Condition::Succeeded };
    request.deps = parents;
    let options = request.options.get_or_insert_default();
    options.wait_for_dependencies = true;
    if condition == Condition::Ended {
        options.set_on_dependency_failure(pb::OnDependencyFailure::Run);
    }
    options.queue = rng.choice(QUEUES).expect("there are three").into();
    options.priority = Some(rng.i32(-2..=2));
    options.timeout = timeout.map(duration);
    options.retry = Some(pb::RetryPolicy {
        retries: Some(retries),
        base: Some(duration(Duration::from_millis(5))),
        ..Default::default()
    });
    let due = if later { time(rng, options) } else { 0 };
    Planned { request, expected, retries, due, condition }
}

fn handler(rng: &mut Rng, later: bool) -> HandlerPlan {
    match rng.u32(0..if later { 100 } else { 70 }) {
        0..25 => HandlerPlan::new("quick", []),
        25..35 => HandlerPlan::new("quick_sync", []),
        35..45 => HandlerPlan::new("quick_inline", []),
        45..58 => HandlerPlan::new("work", [rng.u64(1..30)]),
        58..66 => {
            let wait = [0, 0, 10, 40][rng.usize(0..4)];
            HandlerPlan { retries: 3, ..HandlerPlan::new("fail", [rng.u64(1..=2), wait]) }
        }
        66..70 => {
            let retries = rng.u32(0..=2);
            HandlerPlan {
                expected: Expected::Failed,
                retries,
                ..HandlerPlan::new("fail", [1_000, 0])
            }
        }
        70..77 => HandlerPlan::new("snooze_once", [rng.u64(1..50)]),
        77..90 => HandlerPlan::new("steps", [rng.u64(1..=6), rng.u64(1..=10)]),
        90..94 => HandlerPlan { retries: 5, ..HandlerPlan::new("parent", [rng.u64(1..=4)]) },
        94..97 => with_short_timeout("steps", rng),
        _ => with_short_timeout("stubborn_steps", rng),
    }
}

fn with_short_timeout(method: &'static str, rng: &mut Rng) -> HandlerPlan {
    HandlerPlan {
        expected: Expected::SucceededOrTimedOut,
        retries: rng.u32(0..=1),
        timeout: Some(SHORT_TIMEOUT),
        ..HandlerPlan::new(method, [rng.u64(2..=8), 10])
    }
}

/// Sets a start time for some tasks; returns it, 0 for none.
fn time(rng: &mut Rng, options: &mut pb::TaskOptions) -> u64 {
    let delay = Duration::from_millis(rng.u64(1..=MAX_DELAY_MS));
    match rng.u32(0..10) {
        0..2 => {
            options.delay = Some(duration(delay));
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

fn duration(length: Duration) -> prost_types::Duration {
    length.try_into().expect("a short time")
}
