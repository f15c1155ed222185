//! `#[sync_task]` and `#[async_task]` register a function as a method of task-scheduler; `#[subscriber]`
//! subscribes a function or a type to events.
//!
//! `attribute` reads the options, `signature` the function's signature, `expand` writes the registration.
//! Traits (`FromArg`, `IntoReturn`) decide which types are allowed, with messages of their own, because a
//! macro sees names, not types.

mod attribute;
mod duration;
mod expand;
mod signature;
mod subscriber;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{Error, Item, ItemFn, Result, parse_macro_input};

use crate::attribute::Attribute;
use crate::signature::{Flavour, Signature};

/// Registers a function as a method that runs on a blocking thread.
///
/// ```text
/// #[sync_task]                                     // any number of arguments of any type
/// fn add(args: Vec<ArgValue>) -> String { … }
///
/// #[sync_task(queue = "mail", retries = 5, timeout = "30s")]
/// fn send(ctx: TaskContext, to: String, copies: Option<u32>) -> Result<(), TaskError> { … }
/// ```
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `name = "charge"` | the method's name | the function's name |
/// | `namespace = "payments"` | the namespace: `payments/charge` | `default` |
/// | `version = "2.1.0"` | the version: `charge@2.1.0` | `0.0.0` |
/// | `queue = "billing"` | the queue of its tasks | the server's |
/// | `priority = 5` | higher runs first | 0 |
/// | `retries = 5` | retries after the first attempt, at most 1000 | the server's |
/// | `backoff = "2s"` | the delay before the first retry, at most `24h`; it grows exponentially | the server's |
/// | `timeout = "30s"` | the timeout of one attempt, at most `168h` | the server's |
/// | `durability = "ephemeral"` | keeps tasks in memory only; or `"durable"` | the server's |
/// | `inline` | runs on the thread that serves the call: only for handlers that take microseconds and never block | no |
/// | `replace` | replaces a method with the same name and version | no |
/// | `description = "…"` | the description in listings | the doc comment |
///
/// Durations are written `500ms`, `30s`, `5m`, `2h`.
///
/// The parameters are one `Vec<ArgValue>`, or one parameter for each argument, of any type that implements
/// `FromArg`. A `TaskContext` may come first. The return type implements `IntoReturn`.
#[proc_macro_attribute]
pub fn sync_task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    task(Flavour::Sync, attribute, item)
}

/// Registers an `async fn`, or a function that returns `impl Future + Send`, as a method that runs on the
/// async runtime.
///
/// Accepts the same options as [`macro@sync_task`], except `inline`.
#[proc_macro_attribute]
pub fn async_task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    task(Flavour::Async, attribute, item)
}

/// Subscribes an async function, or a type with a method for each kind of event, to events.
///
/// ```text
/// #[subscriber(events("task.completed", "task.failed"))]
/// impl NotificationSubscriber {
///     async fn handle_task_completed(&self, event: &Announced) { … }
///     async fn handle_task_failed(&self, event: &Announced) -> Result<(), MailError> { … }
/// }
///
/// #[subscriber(events("custom.*", "node.crashed"), name = "audit")]
/// async fn write_down(event: &Announced) -> Result<(), std::io::Error> { … }
/// ```
///
/// `task.completed` goes to `handle_task_completed`; events without a method of their own go to
/// `handle`. `task.*` matches every event whose name starts with `task.`, `*` every event.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `events("task.failed", "custom.*")` | the events to receive | required |
/// | `name = "mail"` | the subscriber's name | the type's name, as in `notification_subscriber`; the function's name |
/// | `replace` | replaces a subscriber with the same name | no |
/// | `manual` | does not register it: pass a value to the builder of `TaskSystem` | no |
///
/// The server makes one value of the type with `Default` before it starts. A handler returns nothing, or a
/// `Result` with any error that implements `Error`. Errors and panics are counted and logged, and the
/// subscriber continues with the next event.
#[proc_macro_attribute]
pub fn subscriber(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    let expansion = subscriber::expand(attribute.into(), &item);
    let expansion = expansion.unwrap_or_else(Error::into_compile_error);
    quote!(#item #expansion).into()
}

fn task(flavour: Flavour, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    let registration = match &item {
        Item::Fn(function) => registration(flavour, function, attribute.into()),
        other => Err(Error::new_spanned(
            other,
            "a task is a function: put the attribute on a function with a body",
        )),
    };
    let registration = registration.unwrap_or_else(Error::into_compile_error);
    // The function is kept also after an error, so that one mistake causes one error.
    quote!(#item #registration).into()
}

fn registration(
    flavour: Flavour,
    function: &ItemFn,
    attribute: TokenStream2,
) -> Result<TokenStream2> {
    let attribute = Attribute::parse(flavour, function, attribute)?;
    let signature = Signature::of(flavour, &function.sig)?;
    Ok(expand::registration(&attribute, &signature, function))
}
