//! Every shape that a task can have, in a crate that denies what a constructor is made of.

#![deny(unsafe_code, warnings, missing_docs, unused)]

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;

use task_macro::{async_task, sync_task};
use task_scheduler::models::ArgValue;
use task_scheduler::tasks::{self, Handler, Json, Rest, TaskContext, TaskError, collected};

/// Any arguments.
#[sync_task]
pub fn any(args: Vec<ArgValue>) -> String {
    args.len().to_string()
}

#[sync_task]
fn seed_with_context(_: tasks::TaskContext, args: std::vec::Vec<tasks_models::ArgValue>) -> String {
    args.len().to_string()
}

use task_scheduler::models as tasks_models;

#[sync_task]
fn typed(
    ctx: TaskContext,
    mut a: i64,
    r#type: bool,
    note: Option<String>,
) -> Result<String, TaskError> {
    let _ = ctx.clone();
    a += 1;
    Ok(format!("{a} {type} {note:?}", type = r#type))
}

#[sync_task(inline)]
fn wrapped(Json(_flag): Json<bool>, _: Vec<ArgValue>, Rest(numbers): Rest<i64>) -> i64 {
    numbers.iter().sum()
}

#[sync_task(inline = true, replace = true, priority = -2147483648, retries = 1000, backoff = "24h", timeout = "168h",)]
fn limits() -> &'static str {
    "limits"
}

#[sync_task(
    name = "other.name-1",
    namespace = "space",
    version = "1.2.3-rc.1+b",
    durability = "durable"
)]
fn named() -> Vec<String> {
    vec![]
}

#[sync_task]
fn fails() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("disk full"))
}

#[sync_task]
#[deprecated = "use `any`"]
fn deprecated() {}

#[sync_task]
#[cfg(any())]
fn left_out() {}

#[async_task]
async fn asynchronous(
    ctx: TaskContext,
    text: String,
) -> Result<Json<BTreeMap<String, i64>>, TaskError> {
    let _ = (ctx, text, ready(()).await);
    Err(TaskError::permanent("no"))
}

#[async_task]
fn future(text: String) -> impl Future<Output = String> + Send {
    ready(text)
}

#[async_task]
fn boxed(_args: Vec<ArgValue>) -> Pin<Box<dyn Future<Output = Result<String, TaskError>> + Send>> {
    Box::pin(ready(Ok("boxed".to_owned())))
}

#[expect(dead_code, non_upper_case_globals)]
mod names_that_might_clash {
    use task_macro::sync_task;

    pub struct Vec;
    pub struct Result;
    pub struct Option;
    pub struct Box;
    pub struct String;
    pub const args: i64 = 1;

    #[sync_task]
    pub fn check(body: i64, register: bool) -> i64 {
        if register { body } else { 0 }
    }
}

macro_rules! doubled {
    ($name:ident, $ty:ty) => {
        #[sync_task]
        fn $name(value: Option<$ty>) -> Option<$ty> {
            value
        }
    };
}

doubled!(from_a_macro, i64);

fn main() {
    let methods = collected();
    let call = |name: &str, args: Vec<ArgValue>| {
        let method = methods.iter().find(|method| method.name == name).expect(name);
        (method.signature.check)(&args).map_err(|error| error.message)?;
        match method.handler {
            Handler::Sync(body) | Handler::Inline(body) => {
                body(TaskContext, args).map_err(|error| error.to_string())
            }
            Handler::Async(_) => Err("async".into()),
        }
    };
    assert_eq!(call("any", vec![1_i64.into(), true.into()]), Ok("2".into()));
    assert_eq!(call("seed_with_context", vec![]), Ok("0".into()));
    assert_eq!(call("typed", vec![1_i64.into(), true.into()]), Ok("2 true None".into()));
    assert_eq!(
        call("typed", vec![1_i64.into(), 2_i64.into()]),
        Err("args[1]: expected boolean, got value (parameter `type`)".into())
    );
    assert_eq!(
        call("wrapped", vec![true.into(), vec![1_i64].into(), 2_i64.into(), 3_i64.into()]),
        Ok(5_i64.into())
    );
    assert_eq!(call("fails", vec![]), Err("disk full".into()));
    assert_eq!(call("check", vec![4_i64.into(), true.into()]), Ok(4_i64.into()));
    assert_eq!(call("from_a_macro", vec![]), Ok(ArgValue::Null));
    assert_eq!(any(vec![]), "0", "a task is still a function");

    let named = methods.iter().find(|method| method.name == "other.name-1").expect("is registered");
    assert_eq!((named.namespace, named.version), (Some("space"), Some("1.2.3-rc.1+b")));
    assert_eq!(
        methods.iter().find(|method| method.name == "any").expect("it").description,
        "Any arguments."
    );
    assert!(!methods.iter().any(|method| method.name == "left_out"));
}
