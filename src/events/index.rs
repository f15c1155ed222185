//! Which streams want an event: found without asking each of them.
//!
//! Streams with the same filter are one group, which is asked once. A group stands under what an event
//! must be for its filter to hold: the task, tag and queue that it names, and its name, the beginning
//! of it or its category, all hashed into one key. For every *shape* of such a key that is in use (of
//! ten thousand streams, usually one or two) an event's own key is looked up; whoever is found there is
//! asked. So streams that want nothing of what happens cost next to nothing.

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
    /// The shapes of those keys, and how many each has.
    shapes: Vec<(Shape, usize)>,
    last_group: u64,
    hash: RandomState,
}

/// Those with one filter.
struct Group {
    filter: EventFilter,
    queues: HashMap<u64, Arc<Queue>>,
    places: Vec<(Shape, u64)>,
    /// The position of the last event that it was asked about: an event can be found by two keys.
    asked: u64,
}

/// What a key is made of.
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
    /// So many bytes.
    Beginning(usize),
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
                let new = Group { filter, queues: HashMap::default(), places, asked: 0 };
                self.groups.insert(group, new);
                group
            }
        };
        if let Some(group) = self.groups.get_mut(&group) {
            group.queues.insert(id, queue);
        }
    }

    /// Takes a stream out, if it is there.
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

    /// Puts an event into the queues of those who want it, and gathers who is to be woken for that.
    pub(super) fn deliver(&mut self, told: &Arc<Announced>, wakers: &mut Vec<Waker>) {
        let Self { groups, places, shapes, hash, .. } = self;
        for (shape, _) in shapes {
            each_key(hash, *shape, told, |key| {
                for group in places.get(&key).into_iter().flatten() {
                    let Some(group) = groups.get_mut(group) else { continue };
                    if std::mem::replace(&mut group.asked, told.position) != told.position
                        && group.filter.matches(told)
                    {
                        wakers.extend(group.queues.values().filter_map(|queue| queue.push(told)));
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

    /// Everybody's.
    pub(super) fn queues(&self) -> Vec<Arc<Queue>> {
        self.groups.values().flat_map(|group| group.queues.values().cloned()).collect()
    }
}

/// Under which keys a filter stands: several where it has several names.
fn places(hash: &RandomState, filter: &EventFilter) -> Vec<(Shape, u64)> {
    let mut names: Vec<(NameShape, &str)> = Vec::new();
    names.extend(filter.names.iter().map(|pattern| match pattern {
        NamePattern::Exactly(name) => (NameShape::Whole, &**name),
        NamePattern::StartingWith(start) if start.is_empty() => (NameShape::Any, ""),
        NamePattern::StartingWith(start) => (NameShape::Beginning(start.len()), &**start),
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

/// The keys of that shape that an event has: one, or one for each tag, or none.
fn each_key(hash: &RandomState, shape: Shape, event: &Event, mut with: impl FnMut(u64)) {
    let name = match shape.name {
        NameShape::Any => &b""[..],
        NameShape::Category => event.category().as_str().as_bytes(),
        NameShape::Whole => event.name().as_bytes(),
        NameShape::Beginning(bytes) => match event.name().as_bytes().get(..bytes) {
            Some(beginning) => beginning,
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
