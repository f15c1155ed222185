//! The methods of this process: registered at start-up from the attributes and at run time from
//! [`TaskHandler`]s, looked up by name and version.
//!
//! A look-up takes one read lock and allocates nothing. Methods are never removed, only replaced.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::{HashMap, RandomState};
use dashmap::DashMap;
use parking_lot::Mutex;
use semver::Version;

use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::models::{DEFAULT_NAMESPACE, MethodRef, VersionReq};
use crate::tasks::declared_name::declared_name;
use crate::tasks::{
    Handler, Location, Method, MethodDefaults, Registration, RegistryError, Signature, TaskHandler,
};

/// The most names that a refusal suggests.
const MAX_NEAREST: usize = 3;

/// The methods of one namespace by name; of each name, every version.
type Namespace = HashMap<Arc<str>, Vec<Arc<Method>>>;

/// The methods of this process.
#[derive(Debug, Default)]
pub struct TaskRegistry {
    /// The names of each namespace, with all versions of each name, the lowest first.
    methods: DashMap<Arc<str>, Namespace, RandomState>,
    last_registration: Mutex<Option<Timestamp>>,
}

/// The contents of a registry, for monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryStatistics {
    /// The number of methods; each version counts.
    pub total: usize,
    /// Every namespace, sorted.
    pub namespaces: Vec<String>,
    /// Every version of any method, sorted.
    pub versions: Vec<Version>,
    /// When the last method was registered.
    pub last_registration: Option<Timestamp>,
}

/// Whether a registry can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryHealth {
    /// It has this many methods.
    Healthy(usize),
    /// It has no method, so every task is refused. Libraries that the program does not refer to are not
    /// linked: see `link!`.
    Empty,
}

impl TaskRegistry {
    /// A registry of the methods that the attributes registered.
    ///
    /// Methods with `replace = true` are registered last, because constructors run in no fixed order.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with a violation for each bad registration: an invalid name or version, or a second
    /// method with the same name and version.
    pub fn from_registrations(registrations: Vec<Registration>) -> Result<Self, Error> {
        let registry = Self::default();
        let mut problems = Vec::new();
        let mut replaced: Vec<Arc<Method>> = Vec::new();
        let (late, early): (Vec<_>, Vec<_>) =
            registrations.into_iter().partition(|registration| registration.replace);
        for registration in early.into_iter().chain(late) {
            let replace = registration.replace;
            let place = registration.declared_at;
            let result = method(registration).and_then(|method| {
                // Two replacements of one method conflict.
                let rival = replaced.iter().find(|other| replace && other.name == method.name);
                if let Some(rival) = rival {
                    return Err(RegistryError::taken(&method, rival));
                }
                let method = registry.register(method, replace)?;
                if replace {
                    replaced.push(method);
                }
                Ok(())
            });
            problems.extend(result.err().map(|problem| (place, problem)));
        }
        if problems.is_empty() { Ok(registry) } else { Err(RegistryError::all(problems)) }
    }

    /// Registers a method. With `replace`, it replaces a method with the same name and version.
    ///
    /// # Errors
    /// [`RegistryError::Taken`] when there is such a method, without `replace`.
    pub fn register(&self, method: Method, replace: bool) -> Result<Arc<Method>, RegistryError> {
        let method = Arc::new(method);
        {
            let (namespace, name) = (&method.name.namespace, &method.name.name);
            let mut names = self.methods.entry(Arc::clone(namespace)).or_default();
            let versions = names.entry(Arc::clone(name)).or_default();
            match versions.binary_search_by(|known| known.name.version.cmp(&method.name.version)) {
                Ok(at) if replace => versions[at] = Arc::clone(&method),
                Ok(at) => return Err(RegistryError::taken(&method, &versions[at])),
                Err(at) => versions.insert(at, Arc::clone(&method)),
            }
        }
        *self.last_registration.lock() = Some(clock::now().wall);
        tracing::info!(
            event_type = "registered",
            registry_name = "task_registry",
            entity_type = "method",
            entity_id = %method.name,
            namespace = %method.name.namespace,
            version = %method.name.version,
            kind = ?method.handler.kind(),
            declared_at = %method.declared_at,
            replace,
            "method registered"
        );
        Ok(method)
    }

    /// Registers a handler under its [`name`](TaskHandler::name).
    ///
    /// # Errors
    /// [`RegistryError`] when the name is invalid or taken.
    #[track_caller]
    pub fn register_handler(
        &self,
        handler: Arc<dyn TaskHandler>,
    ) -> Result<Arc<Method>, RegistryError> {
        self.register(handler_method(handler, Location::caller())?, false)
    }

    /// Registers a handler, which replaces a method with the same name and version.
    ///
    /// # Errors
    /// [`RegistryError`] when the name is invalid.
    #[track_caller]
    pub fn replace_handler(
        &self,
        handler: Arc<dyn TaskHandler>,
    ) -> Result<Arc<Method>, RegistryError> {
        self.register(handler_method(handler, Location::caller())?, true)
    }

    /// The highest version of a method that fits the reference; `None` if no version does. Pre-releases
    /// count only if no release fits.
    pub fn resolve(&self, wanted: &MethodRef<'_>) -> Option<Arc<Method>> {
        let names = self.methods.get(wanted.namespace)?;
        let versions = names.get(wanted.name)?;
        let fits = |method: &&Arc<Method>| {
            let version = &method.name.version;
            match &wanted.version {
                VersionReq::Highest => true,
                VersionReq::HighestOf(major, minor) => {
                    version.major == *major && minor.is_none_or(|minor| version.minor == minor)
                }
                VersionReq::Exactly(exact) => version == exact,
            }
        };
        let released = |method: &&Arc<Method>| method.name.version.pre.is_empty();
        let mut fitting = versions.iter().rev().filter(fits);
        fitting.clone().find(released).or_else(|| fitting.next()).cloned()
    }

    /// Looks up a method by `[namespace/]name[@version]`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `written` is not a valid reference, else [`not_found`](Self::not_found).
    pub fn find(&self, written: &str) -> Result<Arc<Method>, Error> {
        self.resolve(&MethodRef::parse(written)?).ok_or_else(|| self.not_found(written))
    }

    /// The error for an unknown method: `Method not found: x`, and the nearest names.
    pub fn not_found(&self, written: &str) -> Error {
        let nearest = MethodRef::parse(written).map(|wanted| self.nearest(&wanted));
        RegistryError::NotFound { written: written.into(), nearest: nearest.unwrap_or_default() }
            .into()
    }

    /// Up to three similar names, the most similar first: other versions of the method, else the same name in
    /// other namespaces and names that differ by a few letters.
    pub fn nearest(&self, wanted: &MethodRef<'_>) -> Vec<String> {
        let names = self.methods.get(wanted.namespace);
        if let Some(versions) = names.as_ref().and_then(|names| names.get(wanted.name)) {
            let highest_first = versions.iter().rev().take(MAX_NEAREST);
            return highest_first
                .map(|method| {
                    format!("{}@{}", short(wanted.namespace, wanted.name), method.name.version)
                })
                .collect();
        }
        // Released: the loop below locks the same map.
        drop(names);
        let max_distance = wanted.name.len().div_ceil(3);
        let mut near: Vec<(usize, String)> = Vec::new();
        for names in &self.methods {
            let namespace = names.key();
            for name in names.keys() {
                // The distance is at least the difference of the lengths, which is cheaper to compute.
                if name.len().abs_diff(wanted.name.len()) > max_distance {
                    continue;
                }
                let distance = strsim::osa_distance(name, wanted.name);
                if distance <= max_distance {
                    let other_namespace = usize::from(**namespace != *wanted.namespace);
                    near.push((2 * distance + other_namespace, short(namespace, name)));
                }
            }
        }
        near.sort_unstable();
        near.truncate(MAX_NEAREST);
        near.into_iter().map(|(_, name)| name).collect()
    }

    /// Every method, sorted by name and version.
    pub fn list(&self) -> Vec<Arc<Method>> {
        let mut all: Vec<Arc<Method>> = Vec::new();
        for names in &self.methods {
            all.extend(names.values().flatten().cloned());
        }
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The contents, for monitoring.
    pub fn statistics(&self) -> RegistryStatistics {
        let methods = self.list();
        let namespaces: BTreeSet<&str> =
            methods.iter().map(|method| &*method.name.namespace).collect();
        let versions: BTreeSet<&Version> =
            methods.iter().map(|method| &method.name.version).collect();
        RegistryStatistics {
            total: methods.len(),
            namespaces: namespaces.into_iter().map(str::to_owned).collect(),
            versions: versions.into_iter().cloned().collect(),
            last_registration: *self.last_registration.lock(),
        }
    }

    /// Whether the registry can serve.
    pub fn health(&self) -> RegistryHealth {
        match self.methods.iter().map(|names| names.values().map(Vec::len).sum::<usize>()).sum() {
            0 => RegistryHealth::Empty,
            methods => RegistryHealth::Healthy(methods),
        }
    }
}

/// The method of an attribute.
fn method(registration: Registration) -> Result<Method, RegistryError> {
    let Registration { namespace, name, version, .. } = registration;
    let at = registration.declared_at;
    let name = declared_name(namespace.unwrap_or(DEFAULT_NAMESPACE), name, version, at)?;
    Ok(Method {
        name,
        handler: registration.handler,
        signature: registration.signature,
        defaults: registration.defaults,
        description: registration.description.to_owned(),
        declared_at: at,
    })
}

/// The method of a handler.
fn handler_method(handler: Arc<dyn TaskHandler>, at: Location) -> Result<Method, RegistryError> {
    let written = handler.name();
    let (path, version) = match written.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (&*written, None),
    };
    let (namespace, name) = path.split_once('/').unwrap_or((DEFAULT_NAMESPACE, path));
    Ok(Method {
        name: declared_name(namespace, name, version, at)?,
        handler: Handler::Object(handler),
        signature: Signature::ANY,
        defaults: MethodDefaults::default(),
        description: String::new(),
        declared_at: at,
    })
}

/// The shortest reference to a method: without the default namespace.
fn short(namespace: &str, name: &str) -> String {
    if namespace == DEFAULT_NAMESPACE { name.to_owned() } else { format!("{namespace}/{name}") }
}

#[cfg(test)]
mod tests;
