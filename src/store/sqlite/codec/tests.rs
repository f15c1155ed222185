use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::error::Code;
use crate::models::{
    ArgValue, BlockedBy, CatchUp, Digest, Durability, Ended, Ending, Failure, Fence, HistoryEntry,
    Keys, Labels, Name, OnConflict, OnDependencyFailure, Options, Outcome, Overlap, QueueLimits,
    QueueName, QueueSettings, Rate, RetryPolicy, Rule, Schedule, Sequence, Task, TaskId, Unique,
};
use crate::store::rules::Row;

fn leaf() -> impl Strategy<Value = ArgValue> {
    prop_oneof![
        Just(ArgValue::Null),
        any::<bool>().prop_map(ArgValue::Bool),
        any::<i32>().prop_map(ArgValue::Int32),
        any::<i64>().prop_map(ArgValue::Int64),
        any::<u32>().prop_map(ArgValue::UInt32),
        any::<u64>().prop_map(ArgValue::UInt64),
        any::<u32>().prop_map(|bits| ArgValue::Float(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| ArgValue::Double(f64::from_bits(bits))),
        any::<String>().prop_map(ArgValue::String),
        any::<Vec<u8>>().prop_map(ArgValue::Bytes),
        any::<(i64, i32)>().prop_map(|(seconds, nanos)| {
            ArgValue::Timestamp(prost_types::Timestamp { seconds, nanos })
        }),
        any::<(i64, i32)>().prop_map(|(seconds, nanos)| {
            ArgValue::Duration(prost_types::Duration { seconds, nanos })
        }),
        id().prop_map(ArgValue::ResultOf),
    ]
}

fn value() -> impl Strategy<Value = ArgValue> {
    leaf().prop_recursive(8, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(ArgValue::Array),
            btree_map(any::<String>(), inner, 0..6).prop_map(ArgValue::Map),
        ]
    })
}

fn id() -> impl Strategy<Value = TaskId> {
    "[a-zäß/ -]{1,40}".prop_map(|text| TaskId::parse(&text, "").expect("a good id"))
}

fn at() -> impl Strategy<Value = Timestamp> {
    (0..=253_402_300_799_999_999_u64)
        .prop_map(|micros| Timestamp::from_micros(micros).expect("before the year 10000"))
}

fn length() -> impl Strategy<Value = Duration> {
    (0..1_u64 << 60).prop_map(Duration::from_nanos)
}

prop_compose! {
    fn labels()(tags in vec(any::<String>(), 0..4), words in any::<[String; 4]>()) -> Box<Labels> {
        let [initiator, reason, source_system, correlation_id] = words;
        Box::new(Labels { tags, initiator, reason, source_system, correlation_id })
    }
}

prop_compose! {
    fn keys()(
        concurrency in option::of(any::<String>()),
        unique in option::of((any::<String>(), option::of(length()), 0..3)),
    ) -> Box<Keys> {
        let clashes = [OnConflict::ReturnFirst, OnConflict::Replace, OnConflict::Refuse];
        let unique = unique.map(|(key, window, at)| {
            Unique { key, window, on_conflict: clashes[at as usize] }
        });
        Box::new(Keys { concurrency, unique })
    }
}

fn retry() -> impl Strategy<Value = RetryPolicy> {
    prop_oneof![
        any::<u32>().prop_map(RetryPolicy::with_retries),
        (any::<u32>(), length(), any::<f64>(), length(), any::<f64>()).prop_map(
            |(retries, base, multiplier, max, jitter)| RetryPolicy {
                retries,
                base,
                multiplier,
                max,
                jitter
            }
        ),
    ]
}

prop_compose! {
    fn options()(
        priority in any::<i32>(),
        times in any::<(bool, bool)>(), run_at in at(), expires_at in at(),
        timeout in length(), retry in retry(), flags in any::<[bool; 3]>(),
        labels in option::of(labels()), keys in option::of(keys()),
    ) -> Options {
        let [ephemeral, waits, runs] = flags;
        Options {
            queue: QueueName::default(),
            priority,
            run_at: times.0.then_some(run_at),
            expires_at: times.1.then_some(expires_at),
            timeout,
            retry,
            durability: if ephemeral { Durability::Ephemeral } else { Durability::Durable },
            wait_for_dependencies: waits,
            on_dependency_failure:
                if runs { OnDependencyFailure::Run } else { OnDependencyFailure::Fail },
            labels,
            keys,
        }
    }
}

prop_compose! {
    fn task()(
        id in id(), method in any::<String>(), args in vec(value(), 0..4), deps in vec(id(), 0..3),
        submitted_at in at(), parent in option::of(id()), options in options(),
    ) -> Task {
        let digest = Digest::of(&method, &args, &deps);
        Task { id, method: method.into(), args, deps, digest, submitted_at, parent, options }
    }
}

fn ending() -> impl Strategy<Value = Ending> {
    let codes = [Code::HandlerFailed, Code::DependencyFailed, Code::Quarantined, Code::Stuck];
    prop_oneof![
        value().prop_map(|value| Ending::Succeeded(Arc::new(value))),
        Just(Ending::Skipped),
        (0..codes.len(), any::<String>())
            .prop_map(move |(at, message)| Ending::Failed(Failure { code: codes[at], message })),
        any::<String>().prop_map(Ending::Cancelled),
        Just(Ending::Expired),
    ]
}

prop_compose! {
    fn entry()(at in at(), state in 0..8_i64, attempt in any::<u32>(),
               error in option::of(any::<String>())) -> HistoryEntry {
        let state = state_of(state).expect("one of eight");
        HistoryEntry { state, at, attempt, error }
    }
}

prop_compose! {
    fn row()(
        task in task(), numbers in any::<[u32; 9]>(), flags in any::<[bool; 10]>(),
        ending in option::of(ending()), ended_at in at(), some_time in at(),
        history in vec(entry(), 0..6), ids in vec(id(), 0..3), parents in vec(any::<u64>(), 0..4),
        text in any::<String>(), fraction in any::<f64>(),
    ) -> Row {
        let mut row = Row::new(Sequence(7), Arc::new(task));
        let [attempts, attempts_before_retry, rescues, crash_count, unmet, needed_by, log_lines, dropped, other] = numbers;
        let [fence, started, due, wished, keeps, failed, same, child, blocked_by, dependants_pending] = flags;
        row.fence = fence.then_some(Fence { epoch: u64::from(attempts), counter: u64::MAX });
        (row.attempts, row.attempts_before_retry, row.rescues) = (attempts, attempts_before_retry, rescues);
        (row.crash_count, row.unmet, row.needed_by) = (crash_count, unmet, needed_by);
        (row.log_lines, row.history_dropped) = (log_lines, dropped);
        row.started_at = started.then_some(some_time);
        row.due = due.then_some(some_time);
        row.cancel_requested = wished.then(|| text.clone());
        row.keep_until = keeps.then_some(some_time);
        row.failed_for = failed.then_some(Sequence(u64::MAX));
        row.child_of = child.then_some(Sequence(3));
        row.blocked_by = blocked_by.then_some(if same { BlockedBy::ConcurrencyKey } else { BlockedBy::Quarantine });
        (row.dependants_pending, row.resolved, row.holds_key, row.quarantine_candidate) = (dependants_pending, fence, started, due);
        (row.quarantine_slot, row.suspended) = (wished, keeps);
        row.progress = (fraction, text);
        (row.children, row.foreign) = (ids.clone(), ids);
        row.parents = parents.into_iter().map(Sequence).collect();
        row.history = history;
        row.ended = ending.map(|ending| {
            let outcome = Outcome {
                ending,
                attempts: if same { attempts } else { other },
                started_at: if same { row.started_at } else { None },
                ended_at,
            };
            Arc::new(Ended { task: row.task.clone(), outcome })
        });
        row.state = row.ended.as_ref().map_or(State::Running, |ended| ended.outcome.state());
        row
    }
}

fn columns(task: &Task) -> Columns<'_> {
    Columns {
        id: task.id.as_str(),
        method: task.method.clone(),
        queue: task.options.queue.clone(),
        submitted: task.submitted_at,
        parent: task.parent.as_ref().map(TaskId::as_str),
    }
}

/// Compares the debug text: NaN is not equal to itself.
fn same(one: &impl std::fmt::Debug, other: &impl std::fmt::Debug) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

proptest! {
    #[test]
    fn values_survive_a_round_trip(values in vec(value(), 0..4)) {
        let mut bytes = Vec::new();
        write_values(&values, &mut bytes);
        let read = read_values(&bytes).expect("it reads");
        prop_assert!(same(&read, &values), "{read:?}");
        let mut again = Vec::new();
        write_values(&read, &mut again);
        prop_assert_eq!(again, bytes, "to the bit");
    }

    #[test]
    fn rows_survive_a_round_trip(row in row()) {
        let (mut request, mut bytes) = (Vec::new(), Vec::new());
        write_task(&row.task, &mut request);
        write_row(&row, &mut bytes);
        let task = read_task(columns(&row.task), &request).expect("it reads");
        prop_assert!(same(&task, &row.task), "{task:?}");
        let (read, _) = read_row(row.sequence, Arc::new(task), row.state, &bytes).expect("it reads");
        prop_assert!(same(&read, &row), "{read:?}");
    }

    #[test]
    fn schedules_survive_a_round_trip(
        row in row(), anchor in at(), interval in length(), jitter in length(), cron in option::of("[a-z*/ ]{0,20}"),
    ) {
        let rule = match cron {
            Some(expression) => Rule::Cron { time_zone: expression.clone(), expression },
            None => Rule::Every { interval, anchor },
        };
        let schedule = Schedule {
            name: called(),
            description: "counts".into(),
            rule,
            task: row.task,
            overlap: Overlap::Replace,
            catch_up: CatchUp::All(7),
            jitter,
        };
        let bytes = write_schedule(&schedule);
        let read = read_schedule(called(), Overlap::Replace, &bytes).expect("it reads");
        prop_assert!(same(&read, &schedule), "{read:?}");
    }

    #[test]
    fn random_bytes_are_refused(bytes in any::<Vec<u8>>()) {
        let task = Arc::new(Task { args: Vec::new(), ..any_task() });
        drop(read_values(&bytes));
        drop(read_task(columns(&task), &bytes));
        drop(read_row(Sequence(1), task, State::Queued, &bytes));
        drop(read_settings(&bytes));
        drop(read_schedule_state(called(), None, &bytes));
        drop(read_schedule(called(), Overlap::Skip, &bytes));
        drop(read_webhook(called(), &bytes));
    }
}

fn called() -> Name {
    Name::parse("s", "name").expect("a good name")
}

fn any_task() -> Task {
    let mut row = row().new_tree(&mut proptest::test_runner::TestRunner::deterministic());
    let row = row.as_mut().map(|tree| tree.current()).expect("a row");
    Task::clone(&row.task)
}

#[test]
fn values_of_the_deepest_accepted_nesting_are_decoded() {
    let depth = crate::models::wrappers::MAX_DEPTH;
    let deep = (0..depth).fold(ArgValue::Null, |inner, _| ArgValue::Array(vec![inner]));
    let mut bytes = Vec::new();
    write_values([&deep], &mut bytes);
    assert_eq!(read_values(&bytes).expect("it reads"), [deep]);
}

#[test]
fn values_nested_too_deep_are_refused() {
    // A list with one list with one list…
    let bytes = [13, 1].repeat(100_000);
    assert!(read_values(&bytes).is_err());
}

#[test]
fn a_count_without_items_reserves_little_memory() {
    let mut bytes = vec![13];
    prost::encoding::encode_varint(u64::MAX >> 1, &mut bytes);
    assert!(read_values(&bytes).is_err());
}

#[test]
fn settings_survive_a_round_trip() {
    let rate = Rate { count: 7, per: Duration::from_millis(1_500) };
    let limits = QueueLimits {
        weight: 9,
        concurrency: Some(4),
        max_length: Some(u64::MAX),
        rate: Some(rate),
        concurrency_per_key: 3,
        rate_per_key: Some(Rate { count: 1, ..rate }),
    };
    for settings in [QueueSettings::default(), QueueSettings { limits, paused: true }] {
        assert_eq!(read_settings(&write_settings(&settings)).expect("it reads"), settings);
    }
}

#[test]
fn a_task_with_default_options_takes_few_bytes() {
    let mut task = any_task();
    task.args = vec![ArgValue::Int32(1), ArgValue::Int32(2)];
    task.deps.clear();
    task.options.labels = None;
    task.options.keys = None;
    task.options.run_at = None;
    task.options.expires_at = None;
    task.options.priority = 0;
    task.options.timeout = Duration::from_secs(300);
    task.options.retry = RetryPolicy::with_retries(3);
    let mut bytes = Vec::new();
    write_task(&task, &mut bytes);
    assert!(bytes.len() < 40, "{} bytes", bytes.len());
}
