//! Every shape that a subscriber can have, in a crate that denies what a constructor is made of.

#![deny(unsafe_code, warnings, missing_docs, unused)]

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use task_macro::subscriber;
use task_scheduler::events::{Announced, Registration, collected};

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn heard(by: &str, event: &Announced) {
    HEARD.lock().unwrap().push(format!("{by} {}", event.name()));
}

#[derive(Default)]
struct NotificationSubscriber;

#[subscriber(events("task.completed", "task.failed", "custom.order-paid"))]
impl NotificationSubscriber {
    async fn handle_task_completed(&self, event: &Announced) {
        heard("completed", event);
    }

    async fn handle_task_failed(&self, event: &Announced) -> Result<(), std::io::Error> {
        self.help(event);
        ready(()).await;
        Err(std::io::Error::other("no mail"))
    }

    async fn handle_custom_order_paid(&self, event: &Announced) -> Result<(), String> {
        heard("paid", event);
        Ok(())
    }

    fn help(&self, event: &Announced) {
        heard("failed", event);
    }
}

#[derive(Default)]
struct Audit(u8);

#[subscriber(events("task.*", "node.started"), name = "audit.log-1", replace = true)]
impl Audit {
    const NAME: &str = "rest";

    async fn handle(&self, event: &Announced) -> Result<(), &'static str> {
        assert_eq!(self.0, 0);
        heard(Self::NAME, event);
        Ok(())
    }

    async fn handle_task_started(&self, event: &Announced) {
        heard("started", event);
    }
}

/// Every event.
#[subscriber(events("*"), replace)]
pub async fn all(event: &Announced) -> Result<(), String> {
    heard("all", event);
    Ok(())
}

struct Stateful(Vec<u8>);

#[subscriber(events("task.failed"), manual)]
impl Stateful {
    async fn handle(&self, _event: &Announced) {
        drop(self.0.clone());
    }
}

#[derive(Default)]
struct Conditional;

#[subscriber(events("task.*", "node.started"))]
impl Conditional {
    #[cfg(any())]
    async fn handle_task_started(&self, event: &Announced) {
        heard("never", event);
    }

    #[cfg(all())]
    async fn handle_node_started(&self, event: &Announced) {
        heard("node", event);
    }

    #[cfg(any())]
    async fn handle(&self, event: &Announced) {
        heard("never", event);
    }

    #[cfg(all())]
    async fn handle(&self, event: &Announced) {
        heard("conditional", event);
    }
}

#[subscriber(events("*"))]
#[cfg(any())]
async fn left_out(_event: &Announced) {}

#[expect(dead_code)]
mod names_that_might_clash {
    use task_macro::subscriber;

    pub struct Result;
    pub struct Box;
    pub struct Arc;
    pub struct Default;
    pub struct Subscriber;

    #[subscriber(events("task.queued"))]
    pub async fn register(event: &task_scheduler::events::Announced) {
        let _ = event.name();
    }
}

fn tell(registration: &Registration, event: &'static str) -> Result<(), String> {
    let subscriber = (registration.make)();
    let event = Announced(event);
    let mut handled = pin!(subscriber.handle(&event));
    match handled.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(handled) => handled.map_err(|error| error.to_string()),
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn main() {
    let all = collected();
    let mut names: Vec<_> = all.iter().map(|one| (one.make)().name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["all", "audit.log-1", "conditional", "notification_subscriber", "register"]);
    let find = |name: &str| all.iter().find(|one| (one.make)().name() == name).expect(name);

    let mail = find("notification_subscriber");
    let events = (mail.make)().filter().0;
    assert_eq!(events, ["task.completed", "task.failed", "custom.order-paid"]);
    assert!(!mail.replace && mail.declared_at.file.ends_with("subscribers.rs"));
    assert_eq!(tell(mail, "task.completed"), Ok(()));
    assert_eq!(tell(mail, "task.failed"), Err("no mail".into()));
    assert_eq!(tell(mail, "custom.order-paid"), Ok(()));
    assert_eq!(tell(mail, "task.queued"), Ok(()));

    let audit = find("audit.log-1");
    assert!(audit.replace);
    for event in ["task.started", "task.completed", "node.started"] {
        assert_eq!(tell(audit, event), Ok(()));
    }
    assert_eq!(tell(find("all"), "queue.paused"), Ok(()));
    assert_eq!((mail.make)().routes(), ["task_completed", "task_failed", "custom_order_paid"]);
    assert_eq!((find("conditional").make)().routes(), ["node_started"]);
    for event in ["task.started", "node.started"] {
        assert_eq!(tell(find("conditional"), event), Ok(()));
    }
    let heard = HEARD.lock().unwrap();
    assert_eq!(
        *heard,
        [
            "completed task.completed",
            "failed task.failed",
            "paid custom.order-paid",
            "started task.started",
            "rest task.completed",
            "rest node.started",
            "all queue.paused",
            "conditional task.started",
            "node node.started"
        ]
    );
    drop(Stateful(Vec::new()));
}
