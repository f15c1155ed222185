//! Those who are told of every event: a list that only ever grows, and is read without a lock.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Tap;

/// A list of taps. There are a handful in one process.
#[derive(Default)]
pub(super) struct Taps(OnceLock<(Arc<dyn Tap>, Box<Taps>)>);

impl Taps {
    /// One more, who is told of what happens from now on.
    pub(super) fn add(&self, tap: Arc<dyn Tap>) {
        let (mut end, mut link) = (self, (tap, Box::default()));
        // Whoever added another meanwhile stands before this one.
        while let Err(taken) = end.0.set(link) {
            link = taken;
            end = &end.0.get().expect("it was taken").1;
        }
    }

    /// In the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tap>> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let (tap, next) = rest.0.get()?;
            rest = next;
            Some(tap)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none()
    }
}

impl fmt::Debug for Taps {
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
        let taps = Taps::default();
        assert!(taps.is_empty());
        for number in 0..3 {
            let heard = heard.clone();
            taps.add(Arc::new(move |_: &Event| heard.lock().push(number)));
            assert!(!taps.is_empty());
        }
        let event = Event { at: Timestamp::EPOCH, fact: Fact::Node(NodeFact::Draining) };
        taps.iter().for_each(|tap| tap.hear(&event));
        assert_eq!(*heard.lock(), [0, 1, 2]);
    }

    #[test]
    fn taps_that_come_at_once_are_all_there() {
        let taps = Taps::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| taps.add(Arc::new(|_: &Event| {}))));
            }
        });
        assert_eq!(taps.iter().count(), 400);
    }
}
