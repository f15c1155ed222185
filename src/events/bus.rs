//! Named channels: whoever publishes into one reaches everybody who is subscribed to it.
//!
//! Owns the channels and what their capacity means; what is sent is for others to say. A channel is
//! fixed when its bus is made, so that a name that nobody declared is an error and not silence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::broadcast;

/// The most messages that a channel may keep for whoever is slow.
pub const MAX_CHANNEL_CAPACITY: usize = 1 << 16;
/// The most channels of one bus.
pub const MAX_CHANNELS: usize = 1_024;

/// What a channel is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// How many messages are kept for a subscriber that is slow, from 1 to
    /// [`MAX_CHANNEL_CAPACITY`]; the next power of two counts. The oldest is lost first, and the
    /// subscriber is told how many were.
    pub capacity: usize,
    /// What it is for.
    pub description: String,
}

/// What is wrong with a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not one of this bus.
    #[error("there is no channel {channel}")]
    NoSuchChannel {
        /// What was asked for.
        channel: String,
    },
    /// It would keep nothing, or too much.
    #[error("channel {channel} cannot keep {capacity} messages; from 1 to {MAX_CHANNEL_CAPACITY}")]
    Capacity {
        /// The channel.
        channel: String,
        /// What was asked for.
        capacity: usize,
    },
    /// Two have one name.
    #[error("channel {channel} is declared twice")]
    DeclaredTwice {
        /// The channel.
        channel: String,
    },
    /// A bus has no more than [`MAX_CHANNELS`].
    #[error("a bus has at most {MAX_CHANNELS} channels")]
    TooManyChannels,
}

struct Channel<M> {
    sender: broadcast::Sender<M>,
    config: ChannelConfig,
}

/// Channels by name. `E` names them, `M` is what is sent. Cheap to clone; all clones are the same bus.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use task_scheduler::events::{ChannelConfig, EventBus};
///
/// let config = ChannelConfig { capacity: 16, description: "what people ordered".to_owned() };
/// let bus: EventBus<&str> = EventBus::new([("orders", config)])?;
/// let mut orders = bus.subscribe(&"orders")?;
/// bus.publish(&"orders", "a bicycle".to_owned())?;
/// assert_eq!(orders.recv().await.unwrap(), "a bicycle");
/// assert!(bus.subscribe(&"refunds").is_err());
/// # Ok::<(), task_scheduler::events::bus::Error>(()) }).unwrap();
/// ```
pub struct EventBus<E, M = String>(Arc<HashMap<E, Channel<M>>>);

impl<E: Debug + Eq + Hash, M: Clone> EventBus<E, M> {
    /// A bus with these channels.
    ///
    /// # Errors
    /// A channel that is declared twice or would keep nothing or too much; too many of them.
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

    /// Tells everybody who is subscribed, and answers how many that are. Never blocks: whoever is too
    /// slow loses the oldest.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`]. That nobody listens is none.
    pub fn publish(&self, channel: &E, message: M) -> Result<usize, Error> {
        // It refuses when nobody listens, and only then.
        Ok(self.channel(channel)?.sender.send(message).unwrap_or(0))
    }

    /// A way into one channel, for whoever publishes much.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn clone_sender(&self, channel: &E) -> Result<broadcast::Sender<M>, Error> {
        Ok(self.channel(channel)?.sender.clone())
    }

    /// What is published from now on. A subscriber that is too slow is told how many it missed, once,
    /// and goes on with the oldest that is kept.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn subscribe(&self, channel: &E) -> Result<broadcast::Receiver<M>, Error> {
        Ok(self.channel(channel)?.sender.subscribe())
    }

    /// What a channel was declared as.
    ///
    /// # Errors
    /// [`Error::NoSuchChannel`].
    pub fn config(&self, channel: &E) -> Result<&ChannelConfig, Error> {
        Ok(&self.channel(channel)?.config)
    }

    /// The names of all channels, in no order.
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
