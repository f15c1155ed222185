//! Which methods this process can run: looked up by name and version, filled at start-up from the
//! attributes and at run time from handlers.
//!
//! A look-up takes one read lock of a map's shard and allocates nothing. Neither a method nor a
//! name is ever removed; a method can be replaced by one that says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::RandomState;
use dashmap::DashMap;
use parking_lot::Mutex;
use semver::Version;

use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::models::{DEFAULT_NAMESPACE, MethodRef, VersionReq};
use crate::tasks::declared_name::declared_name;
use crate::tasks::method_key::{MethodKey, Probe};
use crate::tasks::{
    Handler, Location, Method, MethodDefaults, Registration, RegistryError, Signature, TaskHandler,
};

/// The most names that a refusal suggests.
const MAX_NEAREST: usize = 3;

/// The methods of this process.
#[derive(Debug, Default)]
pub struct TaskRegistry {
    methods: DashMap<MethodKey, Vec<Arc<Method>>, RandomState>,
    last_registration: Mutex<Option<Timestamp>>,
}

/// What a registry holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryStatistics {
    /// Methods, each version for itself.
    pub total: usize,
    /// Every namespace, sorted.
    pub namespaces: Vec<String>,
    /// Every version that some method has, sorted.
    pub versions: Vec<Version>,
    /// When a method was registered last.
    pub last_registration: Option<Timestamp>,
}

/// Whether a registry can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryHealth {
    /// It holds this many methods.
    Healthy(usize),
    /// It holds none, so every task would be refused. A library of tasks that nothing mentions is
    /// not linked at all: see `link!`.
    Empty,
}

impl TaskRegistry {
    /// Everything that the attributes left behind.
    ///
    /// Methods with `replace = true` come last, wherever they stand: the order of constructors
    /// says nothing about what was meant.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with a violation for each registration that cannot stand: names and
    /// versions that are none, two methods with one name and version.
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
                // Of two that replace, neither is the last word.
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

    /// Takes a method in. With `replace`, in the place of one that has its name and version.
    ///
    /// # Errors
    /// [`RegistryError::Taken`] when there is such a method and `replace` does not stand.
    pub fn register(&self, method: Method, replace: bool) -> Result<Arc<Method>, RegistryError> {
        let method = Arc::new(method);
        let key = MethodKey {
            namespace: Arc::clone(&method.name.namespace),
            name: Arc::clone(&method.name.name),
        };
        {
            let mut versions = self.methods.entry(key).or_default();
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

    /// Takes a handler in, under the name that it says.
    ///
    /// # Errors
    /// [`RegistryError`] when it says no name, or not a whole one, or one that is taken.
    #[track_caller]
    pub fn register_handler(
        &self,
        handler: Arc<dyn TaskHandler>,
    ) -> Result<Arc<Method>, RegistryError> {
        self.register(handler_method(handler, Location::caller())?, false)
    }

    /// Takes a handler in, in the place of a method that has its name and version.
    ///
    /// # Errors
    /// [`RegistryError`] when it says no name, or not a whole one.
    #[track_caller]
    pub fn replace_handler(
        &self,
        handler: Arc<dyn TaskHandler>,
    ) -> Result<Arc<Method>, RegistryError> {
        self.register(handler_method(handler, Location::caller())?, true)
    }

    /// The method that a caller means, if there is one: the highest version that fits. Pre-releases
    /// count only where nothing else fits.
    pub fn resolve(&self, wish: &MethodRef<'_>) -> Option<Arc<Method>> {
        let probe: &dyn Probe = &(wish.namespace, wish.name);
        let versions = self.methods.get(probe)?;
        let fits = |method: &&Arc<Method>| {
            let version = &method.name.version;
            match &wish.version {
                VersionReq::Highest => true,
                VersionReq::HighestOf(major, minor) => {
                    version.major == *major && minor.is_none_or(|minor| version.minor == minor)
                }
                VersionReq::Exactly(wanted) => version == wanted,
            }
        };
        let released = |method: &&Arc<Method>| method.name.version.pre.is_empty();
        let mut fitting = versions.iter().rev().filter(fits);
        fitting.clone().find(released).or_else(|| fitting.next()).cloned()
    }

    /// The method that a caller wrote as `[namespace/]name[@version]`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it is no reference to a method; else as [`not_found`](Self::not_found).
    pub fn find(&self, written: &str) -> Result<Arc<Method>, Error> {
        self.resolve(&MethodRef::parse(written)?).ok_or_else(|| self.not_found(written))
    }

    /// The refusal for a method that is not here: `Method not found: x`, and the nearest names.
    pub fn not_found(&self, written: &str) -> Error {
        let nearest = MethodRef::parse(written).map(|wish| self.nearest(&wish));
        RegistryError::NotFound { written: written.into(), nearest: nearest.unwrap_or_default() }
            .into()
    }

    /// What a caller may have meant, likeliest first and at most three: other versions of the
    /// method, else the same name in other namespaces and names that are a slip away.
    pub fn nearest(&self, wish: &MethodRef<'_>) -> Vec<String> {
        let probe: &dyn Probe = &(wish.namespace, wish.name);
        if let Some(versions) = self.methods.get(probe) {
            let highest_first = versions.iter().rev().take(MAX_NEAREST);
            return highest_first
                .map(|method| {
                    format!("{}@{}", short(wish.namespace, wish.name), method.name.version)
                })
                .collect();
        }
        let slips = wish.name.len().div_ceil(3);
        let mut near: Vec<(usize, String)> = Vec::new();
        for entry in &self.methods {
            let MethodKey { namespace, name } = entry.key();
            // A distance is at least the difference of the lengths: this spares most of the work.
            if name.len().abs_diff(wish.name.len()) > slips {
                continue;
            }
            let distance = strsim::osa_distance(name, wish.name);
            if distance <= slips {
                let elsewhere = usize::from(**namespace != *wish.namespace);
                near.push((2 * distance + elsewhere, short(namespace, name)));
            }
        }
        near.sort_unstable();
        near.truncate(MAX_NEAREST);
        near.into_iter().map(|(_, name)| name).collect()
    }

    /// Every method, sorted by name and version.
    pub fn list(&self) -> Vec<Arc<Method>> {
        let mut all: Vec<Arc<Method>> = Vec::new();
        for versions in &self.methods {
            all.extend(versions.iter().cloned());
        }
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// What it holds.
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

    /// Whether it can serve.
    pub fn health(&self) -> RegistryHealth {
        match self.methods.iter().map(|versions| versions.len()).sum() {
            0 => RegistryHealth::Empty,
            methods => RegistryHealth::Healthy(methods),
        }
    }
}

/// The method that an attribute described.
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

/// The method that a handler is.
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

/// A name as short as it can be asked for.
fn short(namespace: &str, name: &str) -> String {
    if namespace == DEFAULT_NAMESPACE { name.to_owned() } else { format!("{namespace}/{name}") }
}

#[cfg(test)]
mod tests;
