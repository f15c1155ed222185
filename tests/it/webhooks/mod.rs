//! Webhooks, from a task to a real HTTP server that is told of it: one that takes what comes, and
//! ones that do not.

mod bounds;
mod filters;
mod given;
#[expect(unreachable_pub, reason = "it is what a page shows to others")]
mod is_genuine;
mod killed;
mod page;
mod receiver;
mod refused;
mod told;
