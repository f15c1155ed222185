#![allow(unused)]

use task_macro::subscriber;
use task_scheduler::events::Announced;

#[subscriber]
async fn no_events(event: &Announced) {}

#[subscriber(events())]
async fn no_events_either(event: &Announced) {}

#[subscriber(events = "task.completed")]
async fn not_a_list(event: &Announced) {}

#[subscriber(events(task.completed))]
async fn not_text(event: &Announced) {}

#[subscriber(events("task.completed", ""))]
async fn empty(event: &Announced) {}

#[subscriber(events("task.completed", "task.completed"))]
async fn twice(event: &Announced) {}

#[subscriber(events("*"), events("*"))]
async fn given_twice(event: &Announced) {}

#[subscriber(events("*"), named = "mail")]
async fn unknown_key(event: &Announced) {}

#[subscriber(events("*"), name = "my mail")]
async fn bad_name(event: &Announced) {}

#[subscriber(events("*"))]
async fn prüfung(event: &Announced) {}

#[subscriber(events("*"), replace = "yes")]
async fn not_a_flag(event: &Announced) {}

#[subscriber(events("*"), manual)]
async fn nothing_to_hand_over(event: &Announced) {}

struct Handed;

#[subscriber(events("*"), manual, replace)]
impl Handed {
    async fn handle(&self, event: &Announced) {}
}

fn main() {}
