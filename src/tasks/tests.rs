//! What the attributes register.

use std::future::Future;
use std::time::Duration;

use task_macro::{async_task, sync_task};

use crate::models::{ArgValue, Durability, QueueName};
use crate::tasks::testing::TestTask;
use crate::tasks::{
    Handler, MethodDefaults, Parameter, Registration, Rest, TaskContext, TaskError, collected,
};

fn registered(name: &str) -> Registration {
    collected().into_iter().find(|method| method.name == name).expect("is registered")
}

/// Charges an order.
///
/// Twice, if asked twice.
#[async_task(
    name = "charge.order",
    namespace = "payments",
    version = "2.1.0-rc.1",
    queue = "billing",
    priority = -5,
    retries = 5,
    backoff = "500ms",
    timeout = "2h",
    durability = "ephemeral",
    replace
)]
async fn charge(ctx: TaskContext, order: i64, notes: Option<String>) -> Result<String, TaskError> {
    Ok(format!("{order} {notes:?} {}", ctx.attempt()))
}

#[sync_task(inline = false, replace = false, description = "Adds")]
fn with_context_and_seed_shape(_ctx: TaskContext, args: Vec<ArgValue>) -> String {
    args.len().to_string()
}

#[async_task]
#[expect(clippy::manual_async_fn, reason = "a shape that the attribute takes")]
fn returns_a_future(Rest(parts): Rest<String>) -> impl Future<Output = String> + Send {
    async move { parts.concat() }
}

#[sync_task]
fn nothing_in_and_out() {}

#[test]
fn the_options_of_an_attribute_are_in_the_registration() {
    let method = registered("charge.order");
    assert_eq!((method.namespace, method.version), (Some("payments"), Some("2.1.0-rc.1")));
    assert_eq!(
        method.defaults,
        MethodDefaults {
            queue: QueueName::parse("billing", "queue").ok(),
            priority: Some(-5),
            retries: Some(5),
            backoff: Some(Duration::from_millis(500)),
            timeout: Some(Duration::from_secs(7_200)),
            durability: Some(Durability::Ephemeral),
        }
    );
    assert_eq!(method.description, "Charges an order.\n\nTwice, if asked twice.");
    assert!(method.replace);
    assert!(matches!(method.handler, Handler::Async(_)));
    assert!(method.declared_at.file.ends_with("tests.rs"), "{}", method.declared_at);
    let parameter = |name, expects: &str, optional| Parameter {
        name,
        expects: expects.into(),
        optional,
        rest: false,
    };
    assert_eq!(
        method.signature.parameters,
        Some(vec![
            parameter("order", "integer of 64 bits", false),
            parameter("notes", "text or nothing", true)
        ])
    );
}

#[test]
fn an_attribute_without_options_leaves_everything_to_the_server() {
    let method = registered("with_context_and_seed_shape");
    assert_eq!((method.namespace, method.version), (None, None));
    assert_eq!(method.defaults, MethodDefaults::default());
    assert_eq!(method.description, "Adds");
    assert!(!method.replace);
    assert!(matches!(method.handler, Handler::Sync(_)));
    assert_eq!(method.signature.parameters, None);
}

#[tokio::test]
async fn handlers_are_called_with_their_arguments() {
    async fn check(name: &str, args: Vec<ArgValue>, expected: ArgValue) {
        let test = args.into_iter().fold(TestTask::new(name), TestTask::arg);
        assert_eq!(test.run().await.result(), &expected, "{name}");
    }
    check("payments/charge.order", vec![7.into()], "7 None 1".into()).await;
    check("payments/charge.order", vec![7.into(), "x".into()], "7 Some(\"x\") 1".into()).await;
    check("with_context_and_seed_shape", vec![7.into(), true.into()], "2".into()).await;
    check("returns_a_future", vec!["a".into(), "b".into()], "ab".into()).await;
    check("nothing_in_and_out", vec![], ArgValue::Null).await;
}

#[tokio::test]
async fn an_annotated_function_can_still_be_called() {
    nothing_in_and_out();
    assert_eq!(returns_a_future(Rest(vec!["a".into()])).await, "a");
}

#[test]
fn the_check_refuses_arguments_that_do_not_fit() {
    let check = registered("charge.order").signature.check;
    assert_eq!(check(&[7.into()]), Ok(()));
    let error = check(&["seven".into()]).unwrap_err();
    assert_eq!(error.violations[0].field, "args[0]");
    let error = check(&[7.into(), ArgValue::Null, true.into()]).unwrap_err();
    assert_eq!(error.message, "args[2]: at most 2 arguments are accepted, got 3");
}
