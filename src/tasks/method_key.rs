//! A method's name without its version, as the registry's map is keyed by it.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct MethodKey {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
}

/// What a look-up needs of a key, `(namespace, name)`, so that it need not own one.
pub(super) trait Probe {
    fn parts(&self) -> (&str, &str);
}

impl Probe for MethodKey {
    fn parts(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Probe for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Probe + 'a> for MethodKey {
    fn borrow(&self) -> &(dyn Probe + 'a) {
        self
    }
}

// `Borrow` asks that a key and its borrowed form hash and compare alike: both go by `parts`.
impl Hash for dyn Probe + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Probe + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Probe + '_ {}

impl Hash for MethodKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for MethodKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for MethodKey {}
