//! Named broadcast channels: every subscriber of a channel receives every message.
//!
//! A bus has a fixed set of channels, so that a misspelt name is an error and not silence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::broadcast;

/// The maximum capacity of a channel, in messages.
pub const MAX_CHANNEL_CAPACITY: usize = 1 << 16;
/// The maximum number of channels of one bus.
pub const MAX_CHANNELS: usize = 1_024;

/// The configuration of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// The number of messages that the channel buffers for a slow subscriber, 1 to
    /// [`MAX_CHANNEL_CAPACITY`], rounded up to a power of two. On overflow the oldest messages are
    /// dropped, and the subscriber receives their number.
    pub capacity: usize,
    /// The purpose of the channel, for readers of the code.
    pub description: String,
}

/// Why a channel cannot be used or declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bus has no such channel.
    #[error("no channel {channel}")]
    NoSuchChannel {
        /// The name of the channel.
        channel: String,
    },
    /// The capacity is out of range.
    #[error("channel {channel} has capacity {capacity}; expected 1 to {MAX_CHANNEL_CAPACITY}")]
    Capacity {
        /// The name of the channel.
        channel: String,
        /// The capacity.
        capacity: usize,
    },
    /// Two channels have one name.
    #[error("channel {channel} is declared twice")]
    DeclaredTwice {
        /// The name of the channel.
        channel: String,
    },
    /// More than [`MAX_CHANNELS`] channels.
    #[error("a bus has at most {MAX_CHANNELS} channels")]
    TooManyChannels,
}

struct Channel<M> {
    sender: broadcast::Sender<M>,
    config: ChannelConfig,
}

/// Broadcast channels by name. `E` is the type of the names, `M` of the messages. Cheap to clone; all
/// clones are the same bus.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use task_scheduler::orchestrator::{ChannelConfig, EventBus};
///
/// let config = ChannelConfig { capacity: 16, description: "orders that were placed".to_owned() };
/// let bus: EventBus<&str> = EventBus::new([("orders", config)])?;
/// let mut orders = bus.subscribe(&"orders")?;
/// bus.publish(&"orders", "a bicycle".to_owned())?;
/// assert_eq!(orders.recv().await.unwrap(), "a bicycle");
/// assert!(bus.subscribe(&"refunds").is_err());
/// # Ok::<(), task_scheduler::orchestrator::bus::Error>(()) }).unwrap();
/// ```
pub struct EventBus<E, M = String>(Arc<HashMap<E, Channel<M>>>);

impl<E: Debug + Eq + Hash, M: Clone> EventBus<E, M> {
    /// A bus with these channels.
    ///
    /// # Errors
    /// [`Error::DeclaredTwice`], [`Error::Capacity`], [`Error::TooManyChannels`].
    pub fn new(declared: impl IntoIterator<Item = (E, ChannelConfig)>) -> Result<Self, Error> {
        let mut channels = HashMap::new();
        for (name, config) in declared {
            let capacity = config.capacity;
            if !(1..=MAX_CHANNEL_CAPACITY).contains(&capacity) {
                return Err(Error::Capacity { channel: format!("{name:?}"), capacity });
            }
            if channels.len() == MAX_CHANNELS {
                return Err(Error::TooManyChannels);
            }
            match channels.entry(name) {
                Entry::Occupied(taken) => {
                    return Err(Error::DeclaredTwice { channel: format!("{:?}", taken.key()) });
                }
                Entry::Vacant(free) => {
                    free.insert(Channel { sender: broadcast::Sender::new(capacity), config })
                }
            };
        }
        Ok(Self(Arc::new(channels)))
    }

    /// Sends a message to all subscribers and returns their number, which may be 0. Never blocks: a
    /// slow subscriber loses its oldest messages.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn publish(&self, channel: &E, message: M) -> Result<usize, Error> {
        // `send` fails only without subscribers.
        Ok(self.channel(channel)?.sender.send(message).unwrap_or(0))
    }

    /// A sender for one channel, which saves the lookup of each message.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn clone_sender(&self, channel: &E) -> Result<broadcast::Sender<M>, Error> {
        Ok(self.channel(channel)?.sender.clone())
    }

    /// Subscribes to messages from now on. A subscriber that is too slow receives the number of dropped
    /// messages once, and continues with the oldest buffered one.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn subscribe(&self, channel: &E) -> Result<broadcast::Receiver<M>, Error> {
        Ok(self.channel(channel)?.sender.subscribe())
    }

    /// The configuration of a channel.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn config(&self, channel: &E) -> Result<&ChannelConfig, Error> {
        Ok(&self.channel(channel)?.config)
    }

    /// The names of all channels, in no particular order.
    pub fn channels(&self) -> impl Iterator<Item = &E> {
        self.0.keys()
    }

    fn channel(&self, name: &E) -> Result<&Channel<M>, Error> {
        self.0.get(name).ok_or_else(|| Error::NoSuchChannel { channel: format!("{name:?}") })
    }
}

impl<E, M> Default for EventBus<E, M> {
    /// A bus without channels.
    fn default() -> Self {
        Self(Arc::new(HashMap::new()))
    }
}

impl<E, M> Clone for EventBus<E, M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: Debug, M> Debug for EventBus<E, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
