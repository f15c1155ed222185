//! Those who are told of every event: a list that only ever grows, and is read without a lock.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Observer;

/// A list of taps. There are a handful in one process.
#[derive(Default)]
pub(super) struct Observers(OnceLock<(Arc<dyn Observer>, Box<Observers>)>);

impl Observers {
    /// One more, who is told of what happens from now on.
    pub(super) fn add(&self, observer: Arc<dyn Observer>) {
        let (mut end, mut link) = (self, (observer, Box::default()));
        // Whoever added another meanwhile stands before this one.
        while let Err(taken) = end.0.set(link) {
            link = taken;
            end = &end.0.get().expect("it was taken").1;
        }
    }

    /// In the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Observer>> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let (observer, next) = rest.0.get()?;
            rest = next;
            Some(observer)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none()
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.iter().count())
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::clock::Timestamp;
    use crate::models::{Event, Fact, NodeFact};

    #[test]
    fn every_tap_is_told_in_the_order_in_which_they_came() {
        let heard: Arc<Mutex<Vec<usize>>> = Arc::default();
        let observers = Observers::default();
        assert!(observers.is_empty());
        for number in 0..3 {
            let heard = heard.clone();
            observers.add(Arc::new(move |_: &Event| heard.lock().push(number)));
            assert!(!observers.is_empty());
        }
        let event = Event { at: Timestamp::EPOCH, fact: Fact::Node(NodeFact::Draining) };
        observers.iter().for_each(|observer| observer.hear(&event));
        assert_eq!(*heard.lock(), [0, 1, 2]);
    }

    #[test]
    fn taps_that_come_at_once_are_all_there() {
        let observers = Observers::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| observers.add(Arc::new(|_: &Event| {}))));
            }
        });
        assert_eq!(observers.iter().count(), 400);
    }
}
