//! What `#[sync_task]` and `#[async_task]` leave behind at start-up, before `main` runs.

use parking_lot::Mutex;

use crate::tasks::{Handler, Location, MethodDefaults, Signature};

/// One annotated function, as its attribute found it. Nothing is validated yet: a panic before
/// `main` would abort without a word, so that is the registry's part.
#[derive(Clone)]
pub struct Registration {
    /// The attribute's `namespace`.
    pub namespace: Option<&'static str>,
    /// The attribute's `name`, else the function's.
    pub name: &'static str,
    /// The attribute's `version`.
    pub version: Option<&'static str>,
    /// The code.
    pub handler: Handler,
    /// What it accepts.
    pub signature: Signature,
    /// The rest of the attribute.
    pub defaults: MethodDefaults,
    /// The attribute's `description`, else the function's doc comment.
    pub description: &'static str,
    /// Takes the place of a method that has its name and version.
    pub replace: bool,
    /// The function's place.
    pub declared_at: Location,
}

static COLLECTED: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

/// Called by the attributes' expansion, before `main`.
pub fn collect(registration: Registration) {
    COLLECTED.lock().push(registration);
}

/// Everything that was collected, sorted by place: constructors run in no particular order.
pub fn collected() -> Vec<Registration> {
    let mut all = COLLECTED.lock().clone();
    all.sort_by_key(|registration| (registration.declared_at.file, registration.declared_at.line));
    all
}
