//! Which methods this process can run: looked up by name and version, filled at start-up from the
//! attributes and at run time from handlers.
//!
//! A look-up takes one read lock of a map's shard and allocates nothing. Neither a method nor a
//! name is ever removed; a method can be replaced by one that says so.

use std::collections::BTreeSet;
use std::panic;
use std::sync::Arc;

use ahash::RandomState;
use dashmap::DashMap;
use parking_lot::Mutex;
use semver::Version;

use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::models::{DEFAULT_NAMESPACE, MethodWish, VersionWish};
use crate::tasks::declared_name::declared_name;
use crate::tasks::method_key::{MethodKey, Probe};
use crate::tasks::{
    Body, Location, Method, MethodDefaults, Registration, RegistryError, Signature, TaskHandler,
};

/// The most names that a refusal suggests.
const MAX_NEAREST: usize = 3;

/// The methods of this process.
#[derive(Default)]
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
            kind = ?method.body.kind(),
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
        self.register(handler_method(handler, caller())?, false)
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
        self.register(handler_method(handler, caller())?, true)
    }

    /// The method that a caller means, if there is one: the highest version that fits. Pre-releases
    /// count only where nothing else fits.
    pub fn resolve(&self, wish: &MethodWish<'_>) -> Option<Arc<Method>> {
        let probe: &dyn Probe = &(wish.namespace, wish.name);
        let versions = self.methods.get(probe)?;
        let fits = |method: &&Arc<Method>| {
            let version = &method.name.version;
            match &wish.version {
                VersionWish::Highest => true,
                VersionWish::HighestOf(major, minor) => {
                    version.major == *major && minor.is_none_or(|minor| version.minor == minor)
                }
                VersionWish::Exactly(wanted) => version == wanted,
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
        self.resolve(&MethodWish::parse(written)?).ok_or_else(|| self.not_found(written))
    }

    /// The refusal for a method that is not here: `Method not found: x`, and the nearest names.
    pub fn not_found(&self, written: &str) -> Error {
        let nearest = MethodWish::parse(written).map(|wish| self.nearest(&wish));
        RegistryError::NotFound { written: written.into(), nearest: nearest.unwrap_or_default() }
            .into()
    }

    /// What a caller may have meant, likeliest first and at most three: other versions of the
    /// method, else the same name in other namespaces and names that are a slip away.
    pub fn nearest(&self, wish: &MethodWish<'_>) -> Vec<String> {
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
            let distance = strsim::damerau_levenshtein(name, wish.name);
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
        body: registration.body,
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
        body: Body::Handler(handler),
        signature: Signature::ANY,
        defaults: MethodDefaults::default(),
        description: String::new(),
        declared_at: at,
    })
}

#[track_caller]
fn caller() -> Location {
    let place = panic::Location::caller();
    Location { file: place.file(), line: place.line() }
}

/// A name as short as it can be asked for.
fn short(namespace: &str, name: &str) -> String {
    if namespace == DEFAULT_NAMESPACE { name.to_owned() } else { format!("{namespace}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::models::ArgValue;
    use crate::tasks::{TaskContext, make_handler};

    /// As an attribute leaves it behind, on the line `line` of `a.rs`.
    fn declared(name: &'static str, version: Option<&'static str>, line: u32) -> Registration {
        Registration {
            namespace: None,
            name,
            version,
            body: Body::Sync(|_: TaskContext, _: Vec<ArgValue>| Ok(ArgValue::Null)),
            signature: Signature::ANY,
            defaults: MethodDefaults::default(),
            description: "",
            replace: false,
            declared_at: Location { file: "a.rs", line },
        }
    }

    fn replacing(registration: Registration) -> Registration {
        Registration { replace: true, ..registration }
    }

    fn registry(registrations: Vec<Registration>) -> TaskRegistry {
        TaskRegistry::from_registrations(registrations).expect("sound")
    }

    /// What a method that is written like this resolves to.
    fn found(registry: &TaskRegistry, written: &str) -> Option<String> {
        let wish = MethodWish::parse(written).expect("well formed");
        registry.resolve(&wish).map(|method| method.name.to_string())
    }

    #[test]
    fn a_wish_resolves_to_the_highest_version_that_fits() {
        let versions =
            ["1.0.0", "2.1.9", "10.0.0", "2.1.10", "2.2.0-rc.1", "11.0.0-rc.1", "3.0.0-a"];
        let mut all: Vec<_> =
            versions.iter().map(|version| declared("add", Some(version), 1)).collect();
        all.push(declared("plain", None, 1));
        all.push(Registration { namespace: Some("pay"), ..declared("add", Some("7.0.0"), 1) });
        let registry = registry(all);
        let rows = [
            ("add", Some("default/add@10.0.0")),
            ("default/add", Some("default/add@10.0.0")),
            ("pay/add", Some("pay/add@7.0.0")),
            ("add@1", Some("default/add@1.0.0")),
            ("add@2", Some("default/add@2.1.10")),
            ("add@2.1", Some("default/add@2.1.10")),
            ("add@2.1.9", Some("default/add@2.1.9")),
            // A pre-release, only where there is nothing else.
            ("add@2.2", Some("default/add@2.2.0-rc.1")),
            ("add@3", Some("default/add@3.0.0-a")),
            ("add@11.0.0-rc.1", Some("default/add@11.0.0-rc.1")),
            ("add@11.0.0", None),
            ("add@4", None),
            ("add@2.3", None),
            ("plain", Some("default/plain@0.0.0")),
            ("plain@0", Some("default/plain@0.0.0")),
            ("pay/plain", None),
            ("ad", None),
        ];
        for (written, expected) in rows {
            assert_eq!(found(&registry, written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn every_problem_at_start_up_is_told_with_its_places() {
        let refused = TaskRegistry::from_registrations(vec![
            declared("add", None, 1),
            declared("add", None, 2),
            declared("fine", None, 3),
            declared("a b", None, 4),
            declared("add", None, 5),
            declared("other", Some("1"), 6),
        ]);
        let error = refused.err().expect("refused");
        assert_eq!(error.code, Code::InvalidArgument);
        let places: Vec<_> = error.violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(places, ["a.rs:2", "a.rs:4", "a.rs:5", "a.rs:6"]);
        assert_eq!(
            error.violations[2].description,
            "default/add@0.0.0 is declared at a.rs:1 and at a.rs:5; give one of them another name \
             or version, or say `replace = true` on the one that shall stand"
        );
        assert_eq!(error.message.lines().count(), 4);
    }

    #[test]
    fn the_one_that_replaces_stands_wherever_it_is_declared() {
        for (first, second) in [
            (replacing(declared("add", None, 1)), declared("add", None, 2)),
            (declared("add", None, 2), replacing(declared("add", None, 1))),
        ] {
            let registry = registry(vec![first, second]);
            assert_eq!(registry.find("add").map(|method| method.declared_at.line), Ok(1));
            assert_eq!(registry.statistics().total, 1);
        }
    }

    #[test]
    fn two_that_replace_collide() {
        let refused = TaskRegistry::from_registrations(vec![
            declared("add", None, 1),
            replacing(declared("add", None, 2)),
            replacing(declared("add", None, 3)),
        ]);
        let error = refused.err().expect("refused");
        assert!(error.message.contains("declared at a.rs:2 and at a.rs:3"), "{error}");
    }

    #[test]
    fn a_method_that_is_missing_is_refused_with_the_nearest_names() {
        let registry = registry(vec![
            declared("fibonacci", None, 1),
            declared("add", Some("1.0.0"), 1),
            declared("add", Some("2.0.0"), 1),
            Registration { namespace: Some("pay"), ..declared("charge", None, 1) },
        ]);
        let rows = [
            ("fibonaci", "Method not found: fibonaci; did you mean fibonacci?"),
            ("charge", "Method not found: charge; did you mean pay/charge?"),
            ("pya/chrage", "Method not found: pya/chrage; did you mean pay/charge?"),
            ("dad", "Method not found: dad; did you mean add?"),
            ("add@3", "Method not found: add@3; did you mean add@2.0.0, add@1.0.0?"),
            ("unlike_all", "Method not found: unlike_all"),
        ];
        for (written, message) in rows {
            let error = registry.find(written).err().expect("missing");
            assert_eq!((error.code, &*error.message), (Code::MethodNotFound, message));
        }
        let error = registry.find("").err().expect("malformed");
        assert_eq!(error.code, Code::InvalidArgument);
    }

    fn handler(name: &str) -> Arc<dyn TaskHandler> {
        make_handler(name, |_, _, _| Ok(ArgValue::Null))
    }

    #[test]
    fn a_handler_is_registered_under_the_name_that_it_says() {
        let registry = TaskRegistry::default();
        let method = registry.register_handler(handler("pay/charge@1.2.0")).expect("sound");
        assert_eq!(method.name.to_string(), "pay/charge@1.2.0");
        assert_eq!((method.declared_at.file, method.declared_at.line), (file!(), line!() - 2));
        assert_eq!(found(&registry, "pay/charge").as_deref(), Some("pay/charge@1.2.0"));

        let error = registry.register_handler(handler("pay/charge@1.2.0")).err().expect("taken");
        let first = method.declared_at;
        assert!(matches!(error, RegistryError::Taken { first: at, .. } if at == first), "{error}");
        let second = registry.replace_handler(handler("pay/charge@1.2.0")).expect("replaces");
        let now = registry.find("pay/charge").expect("there");
        assert!(Arc::ptr_eq(&now, &second));
    }

    #[test]
    fn a_handler_without_a_sound_name_is_refused() {
        let rows = [
            ("", "has no name; give it one"),
            ("pay/", "has no name; give it one"),
            ("a/b/c", r#"cannot be called "b/c""#),
            ("charge@1", r#"try "1.0.0""#),
        ];
        for (name, why) in rows {
            let registry = TaskRegistry::default();
            let error = registry.register_handler(handler(name)).err().expect("refused");
            assert!(error.to_string().contains(why), "{error}");
            assert_eq!(Error::from(error).code, Code::InvalidArgument);
            assert_eq!(registry.health(), RegistryHealth::Empty);
        }
    }

    #[test]
    fn statistics_count_names_namespaces_and_versions() {
        let registry = TaskRegistry::default();
        assert_eq!(registry.statistics(), RegistryStatistics::default());
        let before = clock::now().wall;
        for name in ["b@2.0.0", "b@10.0.0", "pay/a@2.0.0"] {
            registry.register_handler(handler(name)).expect("sound");
        }
        let statistics = registry.statistics();
        assert_eq!(statistics.total, 3);
        assert_eq!(statistics.namespaces, ["default", "pay"]);
        assert_eq!(statistics.versions, [Version::new(2, 0, 0), Version::new(10, 0, 0)]);
        assert!(statistics.last_registration.is_some_and(|at| at >= before));
        assert_eq!(registry.health(), RegistryHealth::Healthy(3));
        let names: Vec<_> = registry.list().iter().map(|method| method.name.to_string()).collect();
        assert_eq!(names, ["default/b@2.0.0", "default/b@10.0.0", "pay/a@2.0.0"]);
    }

    /// Where a test's log lines go.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_registration_is_logged_with_its_fields() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            registry(vec![replacing(declared("add", Some("1.2.0"), 7))]);
        });
        let line: serde_json::Value =
            serde_json::from_slice(&log.0.lock()).expect("one line of JSON");
        let expected = serde_json::json!({
            "message": "method registered", "event_type": "registered",
            "registry_name": "task_registry", "entity_type": "method",
            "entity_id": "default/add@1.2.0", "namespace": "default", "version": "1.2.0",
            "kind": "Sync", "declared_at": "a.rs:7", "replace": true,
        });
        assert_eq!((&line["level"], &line["fields"]), (&"INFO".into(), &expected));
    }
}
