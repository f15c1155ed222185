//! An index of live streams by their filters: finds the streams that want an event without checking
//! every filter.
//!
//! Streams with equal filters form one group, whose filter is checked once. A group is indexed by a hash
//! of what its filter requires: the task, the tag and the queue, and the event's name, a prefix of it or
//! its category. The *shape* of a key says which of these it has. For each shape in use (of ten thousand
//! streams, usually one or two) the index computes the event's own key and checks the groups under it.
//! Streams that want other events therefore cost next to nothing.

use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::Arc;
use std::task::Waker;

use ahash::{HashMap, RandomState};

use super::Announced;
use super::stream::Queue;
use crate::models::{Event, EventFilter, NamePattern};

#[derive(Default)]
pub(super) struct Index {
    groups: HashMap<u64, Group>,
    by_filter: HashMap<EventFilter, u64>,
    /// Groups by key.
    places: HashMap<u64, Vec<u64>>,
    /// The shapes of those keys, and how many keys each has.
    shapes: Vec<(Shape, usize)>,
    last_group: u64,
    hash: RandomState,
}

/// The streams with one filter.
struct Group {
    filter: EventFilter,
    queues: HashMap<u64, Arc<Queue>>,
    places: Vec<(Shape, u64)>,
    /// The position of the last event that was checked: two keys of an event can lead here.
    last_checked: u64,
}

/// Which parts a key has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    task: bool,
    tag: bool,
    queue: bool,
    name: NameShape,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum NameShape {
    Any,
    Category,
    /// A prefix of this many bytes.
    Prefix(usize),
    Whole,
}

impl Index {
    pub(super) fn insert(&mut self, id: u64, filter: &EventFilter, queue: Arc<Queue>) {
        let group = match self.by_filter.entry(filter.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                self.last_group += 1;
                let group = *vacant.insert(self.last_group);
                let places = places(&self.hash, filter);
                for (shape, key) in &places {
                    self.places.entry(*key).or_default().push(group);
                    match self.shapes.iter_mut().find(|(known, _)| known == shape) {
                        Some((_, count)) => *count += 1,
                        None => self.shapes.push((*shape, 1)),
                    }
                }
                let filter = filter.clone();
                let new = Group { filter, queues: HashMap::default(), places, last_checked: 0 };
                self.groups.insert(group, new);
                group
            }
        };
        if let Some(group) = self.groups.get_mut(&group) {
            group.queues.insert(id, queue);
        }
    }

    /// Removes a stream, if it is indexed.
    pub(super) fn remove(&mut self, id: u64, filter: &EventFilter) {
        let Some(number) = self.by_filter.get(filter).copied() else { return };
        let Some(group) = self.groups.get_mut(&number) else { return };
        group.queues.remove(&id);
        if !group.queues.is_empty() {
            return;
        }
        let places = std::mem::take(&mut group.places);
        self.groups.remove(&number);
        self.by_filter.remove(filter);
        for (shape, key) in places {
            if let Entry::Occupied(mut place) = self.places.entry(key) {
                place.get_mut().retain(|group| *group != number);
                if place.get().is_empty() {
                    place.remove();
                }
            }
            if let Some(at) = self.shapes.iter().position(|(known, _)| *known == shape) {
                self.shapes[at].1 -= 1;
                if self.shapes[at].1 == 0 {
                    self.shapes.swap_remove(at);
                }
            }
        }
    }

    /// Pushes an event into the queues of the streams that want it, and collects the wakers of their
    /// readers.
    pub(super) fn deliver(&mut self, event: &Arc<Announced>, wakers: &mut Vec<Waker>) {
        let Self { groups, places, shapes, hash, .. } = self;
        for (shape, _) in shapes {
            each_key(hash, *shape, event, |key| {
                for group in places.get(&key).into_iter().flatten() {
                    let Some(group) = groups.get_mut(group) else { continue };
                    if std::mem::replace(&mut group.last_checked, event.position) != event.position
                        && group.filter.matches(event)
                    {
                        wakers.extend(group.queues.values().filter_map(|queue| queue.push(event)));
                    }
                }
            });
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
            && self.by_filter.is_empty()
            && self.places.is_empty()
            && self.shapes.is_empty()
    }

    /// The queues of all live streams.
    pub(super) fn queues(&self) -> Vec<Arc<Queue>> {
        self.groups.values().flat_map(|group| group.queues.values().cloned()).collect()
    }
}

/// The keys under which a filter is indexed: one for each of its names or categories.
fn places(hash: &RandomState, filter: &EventFilter) -> Vec<(Shape, u64)> {
    let mut names: Vec<(NameShape, &str)> = Vec::new();
    names.extend(filter.names.iter().map(|pattern| match pattern {
        NamePattern::Exactly(name) => (NameShape::Whole, &**name),
        NamePattern::StartingWith(start) if start.is_empty() => (NameShape::Any, ""),
        NamePattern::StartingWith(start) => (NameShape::Prefix(start.len()), &**start),
    }));
    if names.is_empty() {
        let categories = filter.categories.iter();
        names.extend(categories.map(|category| (NameShape::Category, category.as_str())));
    }
    if names.is_empty() {
        names.push((NameShape::Any, ""));
    }
    let task = filter.task.as_ref().map(|id| id.as_str());
    let tag = filter.tag.as_deref();
    let queue = filter.queue.as_ref().map(|queue| queue.as_str());
    let mut places: Vec<(Shape, u64)> = Vec::new();
    for (name, text) in names {
        let shape =
            Shape { task: task.is_some(), tag: tag.is_some(), queue: queue.is_some(), name };
        let place = (shape, key(hash, shape, [task, tag, queue], text.as_bytes()));
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Calls `with` for each key of this shape that the event has: none, one, or one for each tag.
fn each_key(hash: &RandomState, shape: Shape, event: &Event, mut with: impl FnMut(u64)) {
    let name = match shape.name {
        NameShape::Any => &b""[..],
        NameShape::Category => event.category().as_str().as_bytes(),
        NameShape::Whole => event.name().as_bytes(),
        NameShape::Prefix(bytes) => match event.name().as_bytes().get(..bytes) {
            Some(prefix) => prefix,
            None => return,
        },
    };
    let task = event.task_id().filter(|_| shape.task).map(|id| id.as_str());
    let queue = event.queue().filter(|_| shape.queue).map(|queue| queue.as_str());
    if task.is_some() != shape.task || queue.is_some() != shape.queue {
        return;
    }
    if !shape.tag {
        return with(key(hash, shape, [task, None, queue], name));
    }
    for tag in event.task().map_or(&[][..], |task| task.options.tags()) {
        with(key(hash, shape, [task, Some(tag), queue], name));
    }
}

fn key(hash: &RandomState, shape: Shape, words: [Option<&str>; 3], name: &[u8]) -> u64 {
    let mut hasher = hash.build_hasher();
    shape.hash(&mut hasher);
    words.into_iter().flatten().for_each(|word| word.hash(&mut hasher));
    hasher.write(name);
    hasher.finish()
}
