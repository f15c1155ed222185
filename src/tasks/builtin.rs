//! The built-in methods of every server: fixtures of the first version, most of which only imitate work
//! (`delete` deletes nothing). They stay because existing clients rely on their names and results.
//!
//! They also show what a task can look like: any arguments and typed parameters, lists, maps and serde
//! types, sync, inline and async.

use std::fmt::Display;
use std::time::Duration;

use serde::Deserialize;
use task_macro::{async_task, sync_task};

use crate::models::ArgValue;
use crate::tasks::{Json, Rest, TaskError};

/// The largest n whose Fibonacci number fits in 64 bits.
const MAX_FIBONACCI: u32 = 93;

/// The sum of its arguments: `add(1, 2, 3)` is 6.
#[sync_task(inline)]
pub fn add(Rest(numbers): Rest<i32>) -> Result<i32, TaskError> {
    let sum = numbers.iter().try_fold(0_i32, |sum, number| sum.checked_add(*number));
    sum.ok_or_else(|| TaskError::permanent("the sum does not fit in 32 bits"))
}

/// The first argument minus all others: `remove(10, 3, 2)` is 5.
#[sync_task(inline)]
pub fn remove(Rest(numbers): Rest<i32>) -> Result<i32, TaskError> {
    let [first, others @ ..] = &numbers[..] else {
        return Err(TaskError::permanent("Need at least 2 arguments"));
    };
    if others.is_empty() {
        return Err(TaskError::permanent("Need at least 2 arguments"));
    }
    let difference = others.iter().try_fold(*first, |left, number| left.checked_sub(*number));
    difference.ok_or_else(|| TaskError::permanent("the difference does not fit in 32 bits"))
}

/// Its arguments, joined with commas.
#[sync_task(inline)]
pub fn echo_bool(Rest(values): Rest<bool>) -> String {
    joined(values, ",")
}

/// Its arguments, joined with commas.
#[sync_task(inline)]
pub fn echo_string(Rest(texts): Rest<String>) -> String {
    texts.join(",")
}

/// Its arguments as text, joined with commas; what is not UTF-8 is replaced by `�`.
#[sync_task(inline)]
pub fn echo_bytes(Rest(values): Rest<Vec<u8>>) -> String {
    joined(values.iter().map(|bytes| String::from_utf8_lossy(bytes)), ",")
}

/// The kind and size of each argument: `Array: 2 items, Map: 1 items`.
#[sync_task(inline)]
pub fn process_collection(Rest(collections): Rest<ArgValue>) -> Result<String, TaskError> {
    let described = collections.iter().map(|collection| match collection {
        ArgValue::Array(values) => Ok(format!("Array: {} items", values.len())),
        ArgValue::Map(entries) => Ok(format!("Map: {} items", entries.len())),
        other => {
            Err(TaskError::permanent(format!("expected lists and maps, got {}", other.kind_name())))
        }
    });
    Ok(described.collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// Describes a list of lists.
#[sync_task(inline)]
pub fn process_nested_list(lists: Vec<Vec<ArgValue>>) -> String {
    let inner = lists.iter().enumerate().map(|(index, list)| {
        format!("[List {index} ({} items): {}]", list.len(), joined(list, ", "))
    });
    format!("Received nested list with {} inner lists: {}", lists.len(), joined(inner, " "))
}

/// The argument of [`process_complex_map`]; other keys are ignored.
#[derive(Debug, Deserialize)]
pub struct Complex {
    id: Option<i64>,
    active: Option<bool>,
    metadata: Option<Metadata>,
    tags: Option<Vec<String>>,
}

/// The metadata of a [`Complex`].
#[derive(Debug, Deserialize)]
pub struct Metadata {
    source: Option<String>,
    timestamp: Option<String>,
}

/// The parts of a map that are there: id, active, metadata (source, timestamp) and tags.
#[sync_task(inline)]
pub fn process_complex_map(Json(map): Json<Complex>) -> String {
    let metadata = map.metadata.map(|metadata| {
        let parts = [part("source", metadata.source), part("timestamp", metadata.timestamp)];
        format!("Metadata={{ {} }}", joined(parts.into_iter().flatten(), ", "))
    });
    let tags = map.tags.map(|tags| format!("Tags=[{}]", tags.join(", ")));
    let parts = [part("ID", map.id), part("Active", map.active), metadata, tags];
    format!("Received complex map: {}", joined(parts.into_iter().flatten(), ", "))
}

/// The argument of [`process_person_map`]; other keys are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    name: String,
    age: i64,
    is_student: Option<bool>,
    scores: Option<Vec<f64>>,
}

/// Describes a person: `Processing person: Name=Alice, Age=30`.
#[sync_task(inline)]
pub fn process_person_map(Json(person): Json<Person>) -> String {
    let scores = person.scores.map(|scores| format!("Scores=[{}]", joined(scores, ", ")));
    let parts = [
        part("Name", Some(person.name)),
        part("Age", Some(person.age)),
        part("IsStudent", person.is_student),
        scores,
    ];
    format!("Processing person: {}", joined(parts.into_iter().flatten(), ", "))
}

/// `pong`, and the argument if there is one.
#[sync_task(inline)]
pub fn ping(message: Option<ArgValue>) -> String {
    match message {
        Some(message) => format!("pong: {message}"),
        None => "pong".into(),
    }
}

/// The sum of a list of integers.
#[sync_task(inline)]
pub fn sum_list(numbers: Vec<i64>) -> Result<i64, TaskError> {
    let sum = numbers.iter().try_fold(0_i64, |sum, number| sum.checked_add(*number));
    sum.ok_or_else(|| TaskError::permanent("the sum does not fit in 64 bits"))
}

/// Imitates a deletion: sleeps for 100 ms and returns the number of its arguments.
#[async_task]
pub async fn delete(Rest(items): Rest<ArgValue>) -> String {
    tokio::time::sleep(Duration::from_millis(100)).await;
    format!("Deleted {} items", items.len())
}

/// The n-th Fibonacci number, after 50 ms; n is at most 93.
#[async_task]
pub async fn fibonacci(n: u32) -> Result<u64, TaskError> {
    if n > MAX_FIBONACCI {
        let message = format!("expected n from 0 to {MAX_FIBONACCI}, got {n}");
        return Err(TaskError::permanent(message));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (mut this, mut last) = (0_u64, 1_u64);
    for _ in 0..n {
        (this, last) = (this + last, this);
    }
    Ok(this)
}

/// Imitates work: sleeps for a second and returns the number of its arguments.
#[async_task]
pub async fn long_running_task(args: Vec<ArgValue>) -> String {
    tokio::time::sleep(Duration::from_secs(1)).await;
    format!("Processed async task with {} args", args.len())
}

/// `name=value`, if there is a value.
fn part(name: &str, value: Option<impl Display>) -> Option<String> {
    value.map(|value| format!("{name}={value}"))
}

fn joined(values: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    let values: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
    values.join(separator)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tasks::collected;
    use crate::tasks::testing::{TestEnding, TestTask};

    /// The result as text, or the message of the error.
    async fn call(name: &str, args: &[ArgValue]) -> Result<String, String> {
        let test = args.iter().cloned().fold(TestTask::new(name), TestTask::arg);
        match test.run().await.ending {
            TestEnding::Succeeded(result) => Ok(result.to_string()),
            TestEnding::Failed(error) => Err(error.message().to_owned()),
            TestEnding::Refused(error) => Err(error.message),
            other => panic!("{name}: {other:?}"),
        }
    }

    fn list<T: Into<ArgValue>>(values: impl IntoIterator<Item = T>) -> ArgValue {
        ArgValue::Array(values.into_iter().map(Into::into).collect())
    }

    fn map<const N: usize>(entries: [(&str, ArgValue); N]) -> ArgValue {
        ArgValue::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    }

    #[tokio::test]
    async fn builtin_tasks_answer_as_existing_clients_expect() {
        let complex = map([
            ("id", 98_765_i64.into()),
            ("active", false.into()),
            ("metadata", map([("source", "client".into()), ("timestamp", "1700".into())])),
            ("tags", list(["a", "b"])),
        ]);
        let person = [("name", "Alice".into()), ("age", 30_i32.into())];
        let student = map([
            ("name", "Jane".into()),
            ("age", 28_i32.into()),
            ("isStudent", true.into()),
            ("scores", list([88.0, 95.5])),
            ("city", "Oslo".into()),
        ]);
        let rows: Vec<(&str, Vec<ArgValue>, &str)> = vec![
            ("add", vec![1.into(), 2.into(), 3.into()], "6"),
            ("add", vec![], "0"),
            ("remove", vec![10.into(), 3.into(), 2.into()], "5"),
            ("echo_bool", vec![true.into(), false.into()], "true,false"),
            ("echo_string", vec!["hello".into(), "world".into()], "hello,world"),
            ("echo_bytes", vec![b"abc".to_vec().into(), b"123".to_vec().into()], "abc,123"),
            (
                "process_collection",
                vec![list([10, 20]), map([("key", 42.into())])],
                "Array: 2 items, Map: 1 items",
            ),
            (
                "process_nested_list",
                vec![ArgValue::Array(vec![list(["a", "b"]), list(["c", "d"])])],
                "Received nested list with 2 inner lists: [List 0 (2 items): a, b] [List 1 (2 items): c, d]",
            ),
            (
                "process_complex_map",
                vec![complex],
                "Received complex map: ID=98765, Active=false, Metadata={ source=client, timestamp=1700 }, Tags=[a, b]",
            ),
            (
                "process_complex_map",
                vec![map([("key1", "value1".into())])],
                "Received complex map: ",
            ),
            ("process_person_map", vec![map(person)], "Processing person: Name=Alice, Age=30"),
            (
                "process_person_map",
                vec![student],
                "Processing person: Name=Jane, Age=28, IsStudent=true, Scores=[88, 95.5]",
            ),
            ("ping", vec![], "pong"),
            ("ping", vec!["x".into()], "pong: x"),
            ("sum_list", vec![list([1, 2, 3])], "6"),
            ("delete", vec![1.into(), "a".into()], "Deleted 2 items"),
            ("fibonacci", vec![0.into()], "0"),
            ("fibonacci", vec![10.into()], "55"),
            ("fibonacci", vec![93.into()], "12200160415121876738"),
            ("long_running_task", vec![1.into(), 2.into()], "Processed async task with 2 args"),
        ];
        for (name, args, expected) in rows {
            assert_eq!(call(name, &args).await.as_deref(), Ok(expected), "{name}");
        }
    }

    #[tokio::test]
    async fn builtin_tasks_refuse_bad_arguments_with_a_message() {
        let rows: Vec<(&str, Vec<ArgValue>, &str)> = vec![
            ("remove", vec![1.into()], "Need at least 2 arguments"),
            ("add", vec![i32::MAX.into(), 1.into()], "the sum does not fit in 32 bits"),
            ("remove", vec![i32::MIN.into(), 1.into()], "the difference does not fit in 32 bits"),
            ("sum_list", vec![list([i64::MAX, 1])], "the sum does not fit in 64 bits"),
            ("fibonacci", vec![94.into()], "expected n from 0 to 93, got 94"),
            ("process_collection", vec![1.into()], "expected lists and maps, got integer"),
            (
                "process_person_map",
                vec![ArgValue::Map(BTreeMap::new())],
                "args[0]: missing field `name` (parameter `person`)",
            ),
            (
                "process_nested_list",
                vec![],
                "args[0]: missing; expected list of list of anything (parameter `lists`)",
            ),
        ];
        for (name, args, expected) in rows {
            assert_eq!(call(name, &args).await, Err(expected.to_owned()), "{name}");
        }
    }

    #[test]
    fn the_list_of_builtin_tasks_is_complete() {
        let here = collected()
            .into_iter()
            .filter(|method| method.declared_at.file.ends_with("builtin.rs"));
        let names: Vec<_> = here.map(|method| method.name).collect();
        assert_eq!(
            names,
            [
                "add",
                "remove",
                "echo_bool",
                "echo_string",
                "echo_bytes",
                "process_collection",
                "process_nested_list",
                "process_complex_map",
                "process_person_map",
                "ping",
                "sum_list",
                "delete",
                "fibonacci",
                "long_running_task",
            ]
        );
    }
}
