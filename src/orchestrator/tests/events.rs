//! Services that are told of events.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Listener, Tell, brisk, telling};
use crate::orchestrator::{
    ChannelConfig, EventBus, EventTask, Executable, ExecutionStatus, Scheduler, SchedulerError,
};

fn scheduler(capacity: usize) -> Scheduler<&'static str> {
    let config = ChannelConfig { capacity, description: "a test's".to_owned() };
    let channels = ["orders", "refunds"].map(|name| (name, config.clone()));
    Scheduler::new(EventBus::new(channels).unwrap()).pace(brisk())
}

#[tokio::test]
async fn each_service_is_told_of_the_events_of_its_channel_in_order() {
    let (tell, mut told) = telling();
    let (tell_other, mut told_other) = telling();
    let scheduler = scheduler(8);
    for (channel, tell) in [("orders", &tell), ("orders", &tell), ("refunds", &tell_other)] {
        let listener = Listener { channel, tell: tell.clone(), begins: None };
        scheduler.register_event_task(listener).unwrap();
    }
    scheduler.start().await.unwrap();
    let bus = scheduler.event_bus();
    assert_eq!(bus.publish(&"orders", "a bicycle".to_owned()), Ok(2));
    assert_eq!(told.many(2).await, ["orders: a bicycle"; 2]);
    assert_eq!(bus.publish(&"refunds", "a bell".to_owned()), Ok(1));
    assert_eq!(bus.publish(&"refunds", "a horn".to_owned()), Ok(1));
    assert_eq!(told_other.many(2).await, ["refunds: a bell", "refunds: a horn"]);
    assert!(scheduler.shutdown().await.is_clean());
    // Nobody is left who listens.
    assert_eq!(bus.publish(&"orders", "a lamp".to_owned()), Ok(0));
    assert_eq!(told.rest(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_published_between_registration_and_beginning_is_not_lost() {
    let (tell, mut told) = telling();
    let scheduler = scheduler(8);
    let listener = Listener { channel: "orders", tell, begins: None };
    scheduler.register_event_task(listener).unwrap();
    scheduler.event_bus().publish(&"orders", "a bicycle".to_owned()).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(told.next().await, "orders: a bicycle");
}

#[tokio::test]
async fn a_service_that_is_too_slow_is_told_how_many_it_missed_and_goes_on() {
    let (tell, mut told) = telling();
    let scheduler = scheduler(4);
    let begins = Arc::new(Notify::new());
    let listener = Listener { channel: "orders", tell, begins: Some(begins.clone()) };
    let task = scheduler.register_event_task(listener).unwrap();
    for number in 0..10 {
        scheduler.event_bus().publish(&"orders", number.to_string()).unwrap();
    }
    begins.notify_one();
    scheduler.start().await.unwrap();
    let expected = ["orders: missed 6", "orders: 6", "orders: 7", "orders: 8", "orders: 9"];
    assert_eq!(told.many(5).await, expected);
    scheduler.event_bus().publish(&"orders", "another".to_owned()).unwrap();
    assert_eq!(told.next().await, "orders: another");
    // That is no failure.
    assert_eq!((task.status(), task.last_error()), (ExecutionStatus::Running, None));
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_is_a_failure_and_the_next_one_comes() {
    let (tell, mut told) = telling();
    let scheduler = scheduler(8);
    let listener = Listener { channel: "orders", tell, begins: None };
    let task = scheduler.register_event_task(listener).unwrap();
    scheduler.start().await.unwrap();
    for event in ["a bad one", "a good one"] {
        scheduler.event_bus().publish(&"orders", event.to_owned()).unwrap();
    }
    assert_eq!(told.many(2).await, ["orders: a bad one", "orders: a good one"]);
    let state = task.wait_for(|state| state.failures == 0).await;
    let error = SchedulerError::TaskExecution("cannot read it".to_owned());
    assert_eq!(state.last_error, Some(error));
}

#[tokio::test]
async fn one_who_fails_at_every_event_is_not_well_because_he_misses_some_in_between() {
    let (tell, _told) = telling();
    let (failed, mut failures) = telling();
    let scheduler = scheduler(2);
    let bus = scheduler.event_bus().clone();
    let more =
        move || (0..4).try_for_each(|_| bus.publish(&"orders", "a bad one".into()).map(drop));
    let again = more.clone();
    let scheduler = scheduler.on_failure(move |failure| {
        // Nothing is left in the channel that he has not missed something before.
        again().unwrap();
        failed.tell(failure.failures.to_string());
    });
    let listener = Listener { channel: "orders", tell, begins: None };
    scheduler.register_event_task(listener).unwrap();
    scheduler.start().await.unwrap();
    more().unwrap();
    assert_eq!(failures.many(4).await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_channel_that_is_not_there_cannot_be_listened_to() {
    let (tell, _told) = telling();
    let scheduler = scheduler(8);
    let listener = Listener { channel: "returns", tell, begins: None };
    let error = scheduler.register_event_task(listener).unwrap_err();
    assert_eq!(error.to_string(), "Invalid channel: there is no channel \"returns\"");
    assert!(scheduler.tasks().is_empty());
}

/// Events need not be text.
#[derive(Clone)]
struct Order {
    bicycles: u32,
}

struct Count(Tell);

#[async_trait]
impl Executable for Count {
    fn name(&self) -> &str {
        "count"
    }
}

#[async_trait]
impl EventTask<u8, Arc<Order>> for Count {
    fn subscribed_event(&self) -> &u8 {
        &7
    }

    async fn handle_event(&mut self, order: Arc<Order>) -> Result<(), SchedulerError> {
        self.0.tell(format!("{} bicycles", order.bicycles));
        Ok(())
    }
}

#[tokio::test]
async fn events_are_of_any_type_that_can_be_cloned() {
    let (tell, mut told) = telling();
    let config = ChannelConfig { capacity: 1, description: String::new() };
    let scheduler = Scheduler::new(EventBus::new([(7, config)]).unwrap());
    scheduler.register_event_task(Count(tell)).unwrap();
    scheduler.start().await.unwrap();
    scheduler.event_bus().publish(&7, Arc::new(Order { bicycles: 3 })).unwrap();
    assert_eq!(told.next().await, "3 bicycles");
}
