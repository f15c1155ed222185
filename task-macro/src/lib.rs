//! `#[sync_task]` and `#[async_task]`: a function becomes a method of the task-scheduler.
//!
//! `attribute` reads what stands in the brackets, `signature` what stands after `fn`, `expand` writes
//! the registration. What a type may be is left to traits (`FromArg`, `IntoReturn`), which carry
//! their own messages: a macro sees names, not types.

mod attribute;
mod duration;
mod expand;
mod signature;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

use crate::attribute::Attribute;
use crate::signature::{Flavour, Signature};

/// Makes a plain function a method.
///
/// ```ignore
/// #[sync_task]                                     // seed shape: any number of arguments, any type
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

fn task(flavour: Flavour, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let registration = Attribute::parse(flavour, &function, attribute.into())
        .and_then(|attribute| Ok((attribute, Signature::of(flavour, &function.sig)?)))
        .map(|(attribute, signature)| expand::registration(&attribute, &signature, &function))
        .unwrap_or_else(|error| error.into_compile_error());
    // The function stays usable, also when it cannot be a method: one mistake, one error.
    quote!(#function #registration).into()
}
