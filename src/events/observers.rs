//! The observers of an announcer: a list that only grows and is read without a lock.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Observer;

/// A linked list of observers; a process has a handful.
#[derive(Default)]
pub(super) struct Observers(OnceLock<(Arc<dyn Observer>, Box<Observers>)>);

impl Observers {
    /// Adds an observer at the end.
    pub(super) fn add(&self, observer: Arc<dyn Observer>) {
        let (mut end, mut link) = (self, (observer, Box::default()));
        // Another thread may have added one at this place: go on behind it.
        while let Err(rejected) = end.0.set(link) {
            link = rejected;
            end = &end.0.get().expect("the place is occupied").1;
        }
    }

    /// The observers in the order in which they were added.
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
    fn observers_are_called_in_the_order_in_which_they_were_added() {
        let calls: Arc<Mutex<Vec<usize>>> = Arc::default();
        let observers = Observers::default();
        assert!(observers.is_empty());
        for number in 0..3 {
            let calls = calls.clone();
            observers.add(Arc::new(move |_: &Event| calls.lock().push(number)));
            assert!(!observers.is_empty());
        }
        let event = Event { at: Timestamp::EPOCH, fact: Fact::Node(NodeFact::Draining) };
        observers.iter().for_each(|observer| observer.observe(&event));
        assert_eq!(*calls.lock(), [0, 1, 2]);
    }

    #[test]
    fn observers_that_threads_add_at_the_same_time_are_all_kept() {
        let observers = Observers::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| observers.add(Arc::new(|_: &Event| {}))));
            }
        });
        assert_eq!(observers.iter().count(), 400);
    }
}
