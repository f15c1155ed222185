//! Collects the registrations of `#[sync_task]` and `#[async_task]`, which run before `main`.

use parking_lot::Mutex;

use crate::tasks::{Handler, Location, MethodDefaults, Signature};

/// One annotated function. Not validated yet: a panic before `main` would abort without a message, so the
/// registry validates it.
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
    /// The accepted arguments.
    pub signature: Signature,
    /// The defaults of its tasks.
    pub defaults: MethodDefaults,
    /// The attribute's `description`, else the function's doc comment.
    pub description: &'static str,
    /// Replaces a method with the same name and version.
    pub replace: bool,
    /// The place of the function.
    pub declared_at: Location,
}

static COLLECTED: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

/// Collects a registration. The expansion of the attributes calls it before `main`.
pub fn collect(registration: Registration) {
    COLLECTED.lock().push(registration);
}

/// All collected registrations, sorted by place because constructors run in no fixed order.
pub fn collected() -> Vec<Registration> {
    let mut all = COLLECTED.lock().clone();
    all.sort_by_key(|registration| (registration.declared_at.file, registration.declared_at.line));
    all
}
