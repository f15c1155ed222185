//! `#[sync_task]` and `#[async_task]`: a function becomes a method of the task-scheduler;
//! `#[subscriber]`: a function or a type is told of its events.
//!
//! `attribute` reads what stands in the brackets, `signature` what stands after `fn`, `expand` writes
//! the registration. What a type may be is left to traits (`FromArg`, `IntoReturn`), which carry
//! their own messages: a macro sees names, not types.

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

/// Makes a plain function a method.
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
/// | `name = "charge"` | what callers ask for | the function's name |
/// | `namespace = "payments"` | stands before it: `payments/charge` | `default` |
/// | `version = "2.1.0"` | stands after it: `charge@2.1.0` | none |
/// | `queue = "billing"` | where its tasks wait | the server's |
/// | `priority = 5` | higher first | 0 |
/// | `retries = 5` | attempts after the first, at most 1000 | the server's |
/// | `backoff = "2s"` | the delay after the first attempt, at most `24h` | the server's |
/// | `timeout = "30s"` | the bound on one attempt, at most `168h` | the server's |
/// | `durability = "ephemeral"` | tasks live in memory only; or `"durable"` | the server's |
/// | `inline` | takes microseconds and never blocks: runs on the thread that serves the call | no |
/// | `replace` | takes the place of a method with this name and version | no |
/// | `description = "…"` | for people | the doc comment |
///
/// Durations are written `500ms`, `30s`, `5m`, `2h`.
///
/// The parameters are `Vec<ArgValue>` alone, or one for each argument, of any type that is `FromArg`;
/// a `TaskContext` may come first. It returns anything that is `IntoReturn`.
#[proc_macro_attribute]
pub fn sync_task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    task(Flavour::Sync, attribute, item)
}

/// Makes an `async fn`, or a function that returns `impl Future + Send`, a method.
///
/// Takes the same attributes as [`macro@sync_task`], except `inline`.
#[proc_macro_attribute]
pub fn async_task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    task(Flavour::Async, attribute, item)
}

/// Has an async function, or a type with a method for each kind of event, told of events.
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
/// `handle`. `task.*` means all that begin like this, `*` all.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `events("task.failed", "custom.*")` | which | must be given |
/// | `name = "mail"` | what people see, and what another one replaces | `notification_subscriber`; the function's name |
/// | `replace` | takes the place of one with this name | no |
/// | `by_hand` | is not registered by itself: hand a value to `TaskSystem`'s builder | no |
///
/// A type is made with `Default`, once, before the server starts. What a handler returns is nothing, or
/// a `Result` with any error that can be shown: errors and panics are counted and logged, and the next
/// event comes.
#[proc_macro_attribute]
pub fn subscriber(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    let beside = subscriber::expand(attribute.into(), &item);
    let beside = beside.unwrap_or_else(Error::into_compile_error);
    quote!(#item #beside).into()
}

fn task(flavour: Flavour, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    let registration = match &item {
        Item::Fn(function) => registration(flavour, function, attribute.into()),
        other => Err(Error::new_spanned(
            other,
            "a task is a function with a body: put the attribute on one",
        )),
    };
    let registration = registration.unwrap_or_else(Error::into_compile_error);
    // The function stays usable, also when it cannot be a method: one mistake, one error.
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
