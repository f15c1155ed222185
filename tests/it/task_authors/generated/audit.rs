//! Handles `task.*`, `node.draining`, `custom.order-paid`.

use task_scheduler::events::{Announced, SubscriberError};
use task_scheduler::subscriber;

/// Created once, when the server starts. Handles one event after the other.
#[derive(Default)]
struct AuditSubscriber;

#[subscriber(events("task.*", "node.draining", "custom.order-paid"))]
impl AuditSubscriber {
    /// A server began its graceful shutdown and accepts no more tasks.
    async fn handle_node_draining(&self, event: &Announced) -> Result<(), SubscriberError> {
        println!("{} node.draining", event.at);
        Ok(())
    }

    /// A handler emitted a custom event.
    async fn handle_custom_order_paid(&self, event: &Announced) -> Result<(), SubscriberError> {
        let task_id = event.text("task_id").unwrap_or("unknown");
        println!("{} custom.order-paid: {task_id}", event.at);
        Ok(())
    }

    /// Handles every event without a method of its own.
    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError> {
        println!("{} {}: {:?}", event.at, event.name(), event.payload());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use task_scheduler::testing::deliver_event;

    use super::*;

    #[test]
    fn every_event_is_handled() {
        for name in ["task.accepted", "node.draining", "custom.order-paid"] {
            let event = Announced::example(name).expect("it is in the catalogue");
            deliver_event(&AuditSubscriber, &event).expect("it is handled");
        }
    }
}
