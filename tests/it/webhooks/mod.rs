//! Webhooks, from a task to a real HTTP server: one that accepts every request, and servers that
//! misbehave.

mod bounds;
mod deliveries;
mod failures;
mod filters;
mod given;
#[expect(unreachable_pub, reason = "docs/webhooks.md shows it as a public function")]
mod is_genuine;
mod killed;
mod page;
mod receiver;
