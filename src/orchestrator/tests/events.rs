//! Event tasks.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{EventRecorder, Recorder, brisk, recording};
use crate::orchestrator::{
    ChannelConfig, EventBus, EventTask, Executable, ExecutionStatus, Scheduler, SchedulerError,
};

fn scheduler(capacity: usize) -> Scheduler<&'static str> {
    let config = ChannelConfig { capacity, description: "for tests".to_owned() };
    let channels = ["orders", "refunds"].map(|name| (name, config.clone()));
    Scheduler::new(EventBus::new(channels).unwrap()).pace(brisk())
}

#[tokio::test]
async fn each_service_handles_the_events_of_its_channel_in_order() {
    let (recorder, mut recorded) = recording();
    let (recorder_of_other, mut recorded_by_other) = recording();
    let scheduler = scheduler(8);
    for (channel, recorder) in
        [("orders", &recorder), ("orders", &recorder), ("refunds", &recorder_of_other)]
    {
        let service = EventRecorder { channel, recorder: recorder.clone(), until: None };
        scheduler.register_event_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    let bus = scheduler.event_bus();
    assert_eq!(bus.publish(&"orders", "a bicycle".to_owned()), Ok(2));
    assert_eq!(recorded.many(2).await, ["orders: a bicycle"; 2]);
    assert_eq!(bus.publish(&"refunds", "a bell".to_owned()), Ok(1));
    assert_eq!(bus.publish(&"refunds", "a horn".to_owned()), Ok(1));
    assert_eq!(recorded_by_other.many(2).await, ["refunds: a bell", "refunds: a horn"]);
    assert!(scheduler.shutdown().await.is_clean());
    // No subscriber is left.
    assert_eq!(bus.publish(&"orders", "a lamp".to_owned()), Ok(0));
    assert_eq!(recorded.rest(), Vec::<String>::new());
}

#[tokio::test]
async fn events_between_registration_and_start_are_not_lost() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler(8);
    let service = EventRecorder { channel: "orders", recorder, until: None };
    scheduler.register_event_task(service).unwrap();
    scheduler.event_bus().publish(&"orders", "a bicycle".to_owned()).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(recorded.next().await, "orders: a bicycle");
}

#[tokio::test]
async fn a_slow_service_receives_the_number_of_missed_events_and_continues() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler(4);
    let until = Arc::new(Notify::new());
    let service = EventRecorder { channel: "orders", recorder, until: Some(until.clone()) };
    let task = scheduler.register_event_task(service).unwrap();
    for number in 0..10 {
        scheduler.event_bus().publish(&"orders", number.to_string()).unwrap();
    }
    until.notify_one();
    scheduler.start().await.unwrap();
    let expected = ["orders: missed 6", "orders: 6", "orders: 7", "orders: 8", "orders: 9"];
    assert_eq!(recorded.many(5).await, expected);
    scheduler.event_bus().publish(&"orders", "another".to_owned()).unwrap();
    assert_eq!(recorded.next().await, "orders: another");
    // Missing events is no failure.
    assert_eq!((task.status(), task.last_error()), (ExecutionStatus::Running, None));
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_is_a_failure_and_the_next_one_follows() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler(8);
    let service = EventRecorder { channel: "orders", recorder, until: None };
    let task = scheduler.register_event_task(service).unwrap();
    scheduler.start().await.unwrap();
    for event in ["bad", "good"] {
        scheduler.event_bus().publish(&"orders", event.to_owned()).unwrap();
    }
    assert_eq!(recorded.many(2).await, ["orders: bad", "orders: good"]);
    let state = task.wait_for(|state| state.failures == 0).await;
    let error = SchedulerError::TaskExecution("cannot read it".to_owned());
    assert_eq!(state.last_error, Some(error));
}

#[tokio::test]
async fn missed_events_do_not_reset_the_failures_of_a_service_that_fails_at_every_event() {
    let (recorder, _recorded) = recording();
    let (failed, mut failures) = recording();
    let scheduler = scheduler(2);
    let bus = scheduler.event_bus().clone();
    let more = move || (0..4).try_for_each(|_| bus.publish(&"orders", "bad".into()).map(drop));
    let again = more.clone();
    let scheduler = scheduler.on_failure(move |failure| {
        // Fills the channel again, so that the service misses events before the next one.
        again().unwrap();
        failed.record(failure.failures.to_string());
    });
    let service = EventRecorder { channel: "orders", recorder, until: None };
    scheduler.register_event_task(service).unwrap();
    scheduler.start().await.unwrap();
    more().unwrap();
    assert_eq!(failures.many(4).await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn an_event_task_for_an_unknown_channel_is_refused() {
    let (recorder, _recorded) = recording();
    let scheduler = scheduler(8);
    let service = EventRecorder { channel: "returns", recorder, until: None };
    let error = scheduler.register_event_task(service).unwrap_err();
    assert_eq!(error.to_string(), "Invalid channel: no channel \"returns\"");
    assert!(scheduler.tasks().is_empty());
}

/// An event that is no text.
#[derive(Clone)]
struct Order {
    bicycles: u32,
}

struct Count(Recorder);

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
        self.0.record(format!("{} bicycles", order.bicycles));
        Ok(())
    }
}

#[tokio::test]
async fn events_may_have_any_type_that_can_be_cloned() {
    let (recorder, mut recorded) = recording();
    let config = ChannelConfig { capacity: 1, description: String::new() };
    let scheduler = Scheduler::new(EventBus::new([(7, config)]).unwrap());
    scheduler.register_event_task(Count(recorder)).unwrap();
    scheduler.start().await.unwrap();
    scheduler.event_bus().publish(&7, Arc::new(Order { bicycles: 3 })).unwrap();
    assert_eq!(recorded.next().await, "3 bicycles");
}
