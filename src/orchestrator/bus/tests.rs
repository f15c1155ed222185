use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::{ChannelConfig, Error, EventBus, MAX_CHANNEL_CAPACITY, MAX_CHANNELS};

fn config(capacity: usize) -> ChannelConfig {
    ChannelConfig { capacity, description: format!("buffers {capacity}") }
}

fn bus(channels: &[(&'static str, usize)]) -> Result<EventBus<&'static str>, Error> {
    EventBus::new(channels.iter().map(|&(name, capacity)| (name, config(capacity))))
}

#[test]
fn every_subscriber_receives_every_message_in_order() {
    let bus = bus(&[("orders", 8), ("refunds", 8)]).unwrap();
    let mut first = bus.subscribe(&"orders").unwrap();
    let mut second = bus.subscribe(&"orders").unwrap();
    let mut elsewhere = bus.subscribe(&"refunds").unwrap();
    assert_eq!(bus.publish(&"orders", "a bicycle".to_owned()), Ok(2));
    bus.clone_sender(&"orders").unwrap().send("a bell".to_owned()).unwrap();
    for subscriber in [&mut first, &mut second] {
        assert_eq!(subscriber.try_recv(), Ok("a bicycle".to_owned()));
        assert_eq!(subscriber.try_recv(), Ok("a bell".to_owned()));
        assert_eq!(subscriber.try_recv(), Err(TryRecvError::Empty));
    }
    assert_eq!(elsewhere.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn publishing_without_subscribers_is_no_error() {
    let bus = bus(&[("orders", 8)]).unwrap();
    assert_eq!(bus.publish(&"orders", "a bicycle".to_owned()), Ok(0));
    let mut late = bus.subscribe(&"orders").unwrap();
    assert_eq!(late.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_clone_is_the_same_bus() {
    let bus = bus(&[("orders", 8)]).unwrap();
    let mut subscriber = bus.subscribe(&"orders").unwrap();
    assert_eq!(bus.clone().publish(&"orders", "a bicycle".to_owned()), Ok(1));
    assert_eq!(subscriber.try_recv(), Ok("a bicycle".to_owned()));
}

#[tokio::test]
async fn a_slow_subscriber_receives_the_number_of_dropped_messages_and_continues() {
    let bus = bus(&[("orders", 4)]).unwrap();
    let mut slow = bus.subscribe(&"orders").unwrap();
    for number in 0..10 {
        assert_eq!(bus.publish(&"orders", number.to_string()), Ok(1));
    }
    assert_eq!(slow.recv().await, Err(RecvError::Lagged(6)));
    assert_eq!(slow.recv().await, Ok("6".to_owned()));
}

#[test]
fn an_unknown_channel_is_an_error_for_every_operation() {
    let bus = bus(&[("orders", 4)]).unwrap();
    let missing = Error::NoSuchChannel { channel: "\"refunds\"".to_owned() };
    assert_eq!(bus.publish(&"refunds", String::new()).unwrap_err(), missing);
    assert_eq!(bus.clone_sender(&"refunds").unwrap_err(), missing);
    assert_eq!(bus.subscribe(&"refunds").unwrap_err(), missing);
    assert_eq!(bus.config(&"refunds").unwrap_err(), missing);
    assert_eq!(missing.to_string(), "no channel \"refunds\"");
}

#[test]
fn invalid_channels_are_refused() {
    let channel = || "\"orders\"".to_owned();
    for capacity in [0, MAX_CHANNEL_CAPACITY + 1, usize::MAX] {
        let refused = Error::Capacity { channel: channel(), capacity };
        assert_eq!(bus(&[("orders", capacity)]).unwrap_err(), refused);
    }
    let twice = Error::DeclaredTwice { channel: channel() };
    assert_eq!(bus(&[("orders", 1), ("orders", 1)]).unwrap_err(), twice);
    let many = |count| EventBus::<usize>::new((0..count).map(|name| (name, config(1))));
    assert_eq!(many(MAX_CHANNELS + 1).unwrap_err(), Error::TooManyChannels);
    assert_eq!(many(MAX_CHANNELS).unwrap().channels().count(), MAX_CHANNELS);
}

#[test]
fn a_channel_has_the_configuration_that_it_was_declared_with() {
    let bus = bus(&[("orders", MAX_CHANNEL_CAPACITY)]).unwrap();
    assert_eq!(bus.config(&"orders"), Ok(&config(MAX_CHANNEL_CAPACITY)));
}

#[test]
fn messages_may_have_any_type_that_can_be_cloned() {
    #[derive(Clone, Debug, PartialEq)]
    struct Order(u32);
    let bus: EventBus<u8, Order> = EventBus::new([(1, config(1))]).unwrap();
    let mut subscriber = bus.subscribe(&1).unwrap();
    bus.publish(&1, Order(7)).unwrap();
    assert_eq!(subscriber.try_recv(), Ok(Order(7)));
}
