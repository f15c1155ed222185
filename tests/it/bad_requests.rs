//! Invalid requests: the server refuses each with its reason, and keeps serving.

use prost::Message as _;
use prost_types::Any;
use task_scheduler::models::{ArgValue, TaskId};
use task_scheduler::pb;
use tonic::Code;

use crate::client::{Client, Failed, NOTHING, Refused, after, named, retries, task, with};
use crate::server::{stock, with_methods};

const INT32: &str = "type.googleapis.com/google.protobuf.Int32Value";
const LIST: &str = "type.googleapis.com/taskscheduler.ListValue";

fn any(type_url: &str, value: impl Into<Vec<u8>>) -> Any {
    Any { type_url: type_url.into(), value: value.into() }
}

/// The refusal of these arguments by a method that accepts any.
async fn refused(client: &Client, args: Vec<Any>) -> Refused {
    client.refused(pb::TaskRequest { args, ..task("process_collection", NOTHING) }).await
}

#[tokio::test]
async fn a_refusal_names_the_argument_that_cannot_be_decoded() {
    let server = stock();
    let client = server.client().await;
    let good = any(INT32, [8, 1]);
    let malformed = refused(&client, vec![good.clone(), any(INT32, [0xff])]).await;
    assert_eq!(
        (malformed.code, &*malformed.fields),
        (Code::InvalidArgument, &["args[1]".into()][..])
    );
    let why = "args[1]: these bytes are no google.protobuf.Int32Value: ";
    assert!(malformed.message.starts_with(why), "{}", malformed.message);

    let inner = any(LIST, pb::ListValue { values: vec![good, any(INT32, [0x0a])] }.encode_to_vec());
    let list = any(LIST, pb::ListValue { values: vec![inner] }.encode_to_vec());
    let malformed = refused(&client, vec![list]).await;
    assert_eq!(malformed.fields, ["args[0].values[0].values[1]"]);

    for garbage in
        [&[0x0a][..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0b], &[0x00], &[0x0a, 1, 0xff]]
    {
        let malformed = refused(&client, vec![any(LIST, garbage)]).await;
        assert_eq!(malformed.code, Code::InvalidArgument, "{garbage:?}");
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_refusal_of_an_unknown_type_names_the_known_types() {
    let server = stock();
    let client = server.client().await;
    for url in ["type.googleapis.com/shop.Order", "", "/", "google.protobuf", "Int32Value"] {
        let unknown = refused(&client, vec![any(url, [])]).await;
        assert_eq!(
            (unknown.code, &*unknown.fields),
            (Code::InvalidArgument, &["args[0]".into()][..])
        );
        let why =
            format!("args[0]: unknown type URL {url:?}; expected google.protobuf.{{Int32Value");
        assert!(unknown.message.starts_with(&why), "{}", unknown.message);
    }
    let long = refused(&client, vec![any(&"x".repeat(100_000), [])]).await;
    assert!(long.message.len() < 1_100, "{}", long.message.len());
    // The host before the name does not matter.
    let elsewhere = any("example.com/a/b/google.protobuf.Int32Value", [8, 5]);
    let request = pb::TaskRequest { args: vec![elsewhere], ..task("add", NOTHING) };
    assert_eq!(client.run(request).await, "5");
}

/// A list in a list in a list, `depth` levels deep.
fn nested(depth: usize) -> ArgValue {
    (0..depth).fold(ArgValue::from(1), |inner, _| ArgValue::Array(vec![inner]))
}

/// The same as protobuf's own lists, written from the inside without copying, so that `depth` is
/// limited only by the message size.
fn nested_json(depth: usize) -> Any {
    let mut backwards = Vec::new();
    let prepend = |backwards: &mut Vec<u8>, tag: u8| {
        let mut head = vec![tag];
        prost::encoding::encode_varint(backwards.len() as u64, &mut head);
        backwards.extend(head.iter().rev());
    };
    for level in 0..depth {
        if level > 0 {
            // `Value.list_value`
            prepend(&mut backwards, 0x32);
        }
        // `ListValue.values`
        prepend(&mut backwards, 0x0a);
    }
    backwards.reverse();
    any("type.googleapis.com/google.protobuf.ListValue", backwards)
}

#[tokio::test]
async fn lists_that_nest_too_deep_are_refused() {
    let server = stock();
    let client = server.client().await;
    assert_eq!(client.run(task("process_collection", [nested(64)])).await, "Array: 1 items");
    let deep = [
        Any::from(&nested(65)),
        Any::from(&nested(200)),
        nested_json(65),
        nested_json(200),
        // Nearly 4 MiB.
        nested_json(400_000),
    ];
    for (n, arg) in deep.into_iter().enumerate() {
        let deep = refused(&client, vec![arg]).await;
        let why = "lists and maps nest deeper than 64, the most that is accepted";
        assert_eq!(deep.code, Code::InvalidArgument);
        assert!(deep.message.starts_with("args[0].values[0].values[0]"), "{n}: {}", deep.message);
        assert!(deep.message.ends_with(why), "{n}: {}", deep.message);
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn too_many_values_are_refused() {
    let server = stock();
    let client = server.client().await;
    // Four bytes each: an element, a `Value`, a boolean.
    let json = |count: usize| {
        any("type.googleapis.com/google.protobuf.ListValue", [0x0a, 2, 0x20, 1].repeat(count))
    };
    let most =
        pb::TaskRequest { args: vec![json((1 << 18) - 1)], ..task("process_collection", NOTHING) };
    assert_eq!(client.run(most).await, "Array: 262143 items");
    let many = refused(&client, vec![json(1 << 18)]).await;
    let why = "the request has more than 262144 values, the most that is accepted";
    assert!(many.message.ends_with(why), "{}", many.message);
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_message_above_the_size_limit_is_refused() {
    let server = stock();
    let client = server.client().await;
    let request = task("echo_string", ["x".repeat(5_000_000)]);
    let status = client.submit(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange), "{status:?}");
    assert!(status.message().contains("4194304"), "{status:?} names the limit");
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn an_invalid_method_name_is_refused() {
    let server = stock();
    let client = server.client().await;
    let check = async |method: &str, description: &str| {
        let refused = client.refused(task(method, [1])).await;
        assert_eq!(refused, Refused::invalid("method", description), "{method:?}");
    };
    check("", "empty; expected [namespace/]name[@version]").await;
    let long = "m".repeat(10_000);
    check(&long, "10000 bytes long; at most 255 are accepted").await;
    for odd in ["a b", "add\0", "/add", "add/", "a/b/c", "@1", "naïve"] {
        let refused = client.refused(task(odd, [1])).await;
        assert_eq!(refused.fields, ["method"], "{odd:?}: {refused:?}");
    }
    for odd in ["add@", "add@x", "add@1.2.3.4", "add@-1", "add@99999999999999999999"] {
        let refused = client.refused(task(odd, [1])).await;
        assert_eq!(refused.fields, ["method"], "{odd:?}: {refused:?}");
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn an_invalid_task_id_is_refused_in_every_call() {
    let server = stock();
    let client = server.client().await;
    let control = "contains the control character '\\0'; printable text is accepted";
    let long = "10000 bytes long; at most 255 are accepted";
    for (id, description) in [("a\0b".to_owned(), control), ("i".repeat(10_000), long)] {
        let expected = Refused::invalid("task_id", description);
        assert_eq!(client.refused(named(&id, "add", [1])).await, expected);
        let status = client.enqueue(named(&id, "add", [1])).await.unwrap_err();
        assert_eq!(Refused::from(status), expected);
        assert_eq!(Refused::from(client.result(&id).await.unwrap_err()), expected);
        assert_eq!(Refused::from(client.task(&id).await.unwrap_err()), expected);
        let request = pb::TaskRequest { deps: vec!["a".into(), id.clone()], ..task("add", [1]) };
        assert_eq!(client.refused(request).await, Refused::invalid("deps[1]", description));
        let cancel = pb::CancelTasksRequest { task_ids: vec![id], ..Default::default() };
        let status = client.cancel(cancel).await.unwrap_err();
        assert_eq!(Refused::from(status), Refused::invalid("task_ids[0]", description));
    }
    let empty = Refused::invalid("task_id", "empty; expected 1 to 255 bytes");
    assert_eq!(Refused::from(client.result("").await.unwrap_err()), empty);
    // The longest that is one.
    let longest = "ü".repeat(127);
    assert_eq!(client.run(named(&longest, "add", [1])).await, "1");
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn too_many_dependencies_and_a_dependency_on_itself_are_refused() {
    let server = stock();
    let client = server.client().await;
    let deps = (0..100_000).map(|n| format!("d{n}")).collect();
    let many = client.refused(pb::TaskRequest { deps, ..task("add", [1]) }).await;
    assert_eq!(many, Refused::invalid("deps", "100000 ids; at most 1000 are accepted"));
    let deps = vec!["other".into(), "me".into()];
    let own = pb::TaskRequest { deps, ..named("me", "add", [1]) };
    let own = with(own, |o| o.wait_for_dependencies = true);
    let why = "the task's own id; a task cannot wait for itself";
    assert_eq!(client.refused(own).await, Refused::invalid("deps[1]", why));
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn invalid_durations_are_refused() {
    let server = stock();
    let client = server.client().await;
    let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let check = async |set: &dyn Fn(&mut pb::TaskOptions), field: &str, shown: &str| {
        let refused = client.refused(with(task("add", [1]), set)).await;
        let why =
            format!("{shown} is not a duration; expected 0 s or more, with 0 to 999999999 ns");
        assert_eq!(refused, Refused::invalid(field, &why));
    };
    check(&|o| o.timeout = span(-5, 0), "options.timeout", "-5 s and 0 ns").await;
    check(&|o| o.delay = span(0, -1), "options.delay", "0 s and -1 ns").await;
    check(
        &|o| o.ttl = span(i64::MIN, i32::MIN),
        "options.ttl",
        "-9223372036854775808 s and -2147483648 ns",
    )
    .await;
    check(
        &|o| o.delay = span(i64::MAX, i32::MAX),
        "options.delay",
        "9223372036854775807 s and 2147483647 ns",
    )
    .await;
    let before = prost_types::Timestamp { seconds: -1, nanos: 0 };
    let refused = client.refused(with(task("add", [1]), |o| o.run_at = Some(before))).await;
    assert_eq!(refused.fields, ["options.run_at"]);
    // The longest valid delay is accepted.
    let ages = span(315_576_000_000, 999_999_999);
    let request = with(named("ages", "add", [1]), |o| (o.delay, o.ttl) = (ages, ages));
    client.enqueue(request).await.unwrap();
    assert_eq!(client.task("ages").await.unwrap().state(), pb::TaskState::Pending);
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn invalid_progress_is_refused_and_changes_nothing() {
    let server = with_methods();
    let client = server.client().await;
    let refused = |odd: &str| format!("progress must be a number from 0 to 1, not {odd}");
    let errors = [refused("NaN"), refused("inf"), refused("-0.1"), refused("1.1")].join("; ");
    assert_eq!(
        client.run(task("bad_progress", NOTHING)).await,
        format!("{errors}; still 0.5 half")
    );
    let args = [ArgValue::from(f64::NAN), "odd".into(), server.path("gate").into()];
    let failed = client.fail(with(task("progress", args), |o| o.retry = retries(0))).await;
    assert_eq!((failed.code.as_str(), failed.message), ("HANDLER_FAILED", refused("NaN")));
}

#[tokio::test]
async fn a_large_result_as_thousands_of_arguments_is_refused() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("large", "text", [4_000_000])).await.unwrap();
    client.once("large", pb::TaskState::Succeeded).await;
    let mentions = vec![ArgValue::ResultOf(TaskId::parse("large", "").unwrap()); 50_000];
    let request = after(["large"], task("process_collection", [ArgValue::Array(mentions)]));
    let failed = client.fail(with(request, |o| o.retry = retries(9))).await;
    let why = "the results that are used as arguments have more than 16515072 bytes together";
    assert_eq!(failed, Failed::new("INVALID_ARGUMENT", why, 1));
    client.assert_served(server.addr()).await;
}
