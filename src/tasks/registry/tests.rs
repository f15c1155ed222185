use super::*;
use crate::error::Code;
use crate::models::ArgValue;
use crate::tasks::{TaskContext, make_handler};

/// A registration at line `line` of `a.rs`.
fn declared(name: &'static str, version: Option<&'static str>, line: u32) -> Registration {
    Registration {
        namespace: None,
        name,
        version,
        handler: Handler::Sync(|_: TaskContext, _: Vec<ArgValue>| Ok(ArgValue::Null)),
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

/// What this reference resolves to.
fn found(registry: &TaskRegistry, written: &str) -> Option<String> {
    let wish = MethodRef::parse(written).expect("well formed");
    registry.resolve(&wish).map(|method| method.name.to_string())
}

#[test]
fn a_reference_resolves_to_the_highest_version_that_fits() {
    let versions = ["1.0.0", "2.1.9", "10.0.0", "2.1.10", "2.2.0-rc.1", "11.0.0-rc.1", "3.0.0-a"];
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
        // A pre-release only if no release fits.
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
fn every_problem_at_start_up_is_reported_with_its_places() {
    let refused = TaskRegistry::from_registrations(vec![
        declared("add", None, 1),
        declared("add", None, 2),
        declared("fine", None, 3),
        declared("a b", None, 4),
        declared("add", None, 5),
        declared("other", Some("1"), 6),
    ]);
    let error = refused.expect_err("refused");
    assert_eq!(error.code, Code::InvalidArgument);
    let places: Vec<_> = error.violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(places, ["a.rs:2", "a.rs:4", "a.rs:5", "a.rs:6"]);
    assert_eq!(
        error.violations[2].description,
        "default/add@0.0.0 is declared at a.rs:1 and at a.rs:5; give one of them another name \
         or version, or write `replace = true` at the one to keep"
    );
    assert_eq!(error.message.lines().count(), 4);
}

#[test]
fn the_replacing_method_wins_wherever_it_is_declared() {
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
fn two_replacements_of_one_method_conflict() {
    let refused = TaskRegistry::from_registrations(vec![
        declared("add", None, 1),
        replacing(declared("add", None, 2)),
        replacing(declared("add", None, 3)),
    ]);
    let error = refused.expect_err("refused");
    assert!(error.message.contains("declared at a.rs:2 and at a.rs:3"), "{error}");
}

#[test]
fn an_unknown_method_is_refused_with_the_nearest_names() {
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
        let error = registry.find(written).expect_err("missing");
        assert_eq!((error.code, &*error.message), (Code::MethodNotFound, message));
    }
    let error = registry.find("").expect_err("malformed");
    assert_eq!(error.code, Code::InvalidArgument);
}

fn handler(name: &str) -> Arc<dyn TaskHandler> {
    make_handler(name, |_, _, _| Ok(ArgValue::Null))
}

#[test]
fn a_handler_is_registered_under_its_name() {
    let registry = TaskRegistry::default();
    let method = registry.register_handler(handler("pay/charge@1.2.0")).expect("sound");
    assert_eq!(method.name.to_string(), "pay/charge@1.2.0");
    assert_eq!((method.declared_at.file, method.declared_at.line), (file!(), line!() - 2));
    assert_eq!(found(&registry, "pay/charge").as_deref(), Some("pay/charge@1.2.0"));

    let error = registry.register_handler(handler("pay/charge@1.2.0")).expect_err("taken");
    let first = method.declared_at;
    assert!(matches!(error, RegistryError::Taken { first: at, .. } if at == first), "{error}");
    let second = registry.replace_handler(handler("pay/charge@1.2.0")).expect("replaces");
    let now = registry.find("pay/charge").expect("there");
    assert!(Arc::ptr_eq(&now, &second));
}

#[test]
fn a_handler_with_an_invalid_name_is_refused() {
    let rows = [
        ("", "has no name; give it one"),
        ("pay/", "has no name; give it one"),
        ("a/b/c", r#"cannot be called "b/c""#),
        ("charge@1", r#"try "1.0.0""#),
    ];
    for (name, why) in rows {
        let registry = TaskRegistry::default();
        let error = registry.register_handler(handler(name)).expect_err("refused");
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

/// The log of a test.
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
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        registry(vec![replacing(declared("add", Some("1.2.0"), 7))]);
    });
    let line: serde_json::Value = serde_json::from_slice(&log.0.lock()).expect("one line of JSON");
    let expected = serde_json::json!({
        "message": "method registered", "event_type": "registered",
        "registry_name": "task_registry", "entity_type": "method",
        "entity_id": "default/add@1.2.0", "namespace": "default", "version": "1.2.0",
        "kind": "Sync", "declared_at": "a.rs:7", "replace": true,
    });
    assert_eq!((&line["level"], &line["fields"]), (&"INFO".into(), &expected));
}
