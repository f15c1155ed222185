//! Whether the server does what it should; and if not, why.

use crate::engine::Pauses;
use crate::store::Properties;

/// What health is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    /// What keeps the engine from starting anything.
    pub pauses: Pauses,
    /// Bodies that were given up and have not returned.
    pub stuck: usize,
    /// What keeps durable tasks.
    pub store: Properties,
    /// Whether it answers when it is read.
    pub store_error: Option<String>,
    /// Parts of the server that fail: their names, and what they last said.
    pub failing: Vec<(String, String)>,
}

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// It takes work.
    pub ready: bool,
    /// It works, but not all of it.
    pub degraded: bool,
    /// Why it is not ready or degraded, and what its tasks cannot rely on.
    pub reasons: Vec<String>,
}

impl Health {
    /// What these signs mean.
    ///
    /// A store in memory is no failure: somebody chose it. It is a reason all the same, so that nobody
    /// takes the server for one that keeps what it accepts.
    pub fn judge(signs: &Signs) -> Self {
        let Signs { pauses, stuck, store, store_error, failing } = signs;
        let mut reasons = Vec::new();
        if pauses.draining {
            reasons.push("the server is shutting down, and takes nothing in".to_owned());
        }
        if let Some(error) = store_error {
            reasons.push(format!("the store does not answer: {error}"));
        } else if pauses.store {
            reasons.push("the store failed a moment ago, and is asked again".to_owned());
        }
        if *stuck > 0 {
            let bodies = if *stuck == 1 { "1 body was" } else { &format!("{stuck} bodies were") };
            reasons.push(format!("{bodies} given up after ignoring the end, and did not return"));
        }
        for (name, error) in failing {
            reasons.push(format!("service {name} fails: {error}"));
        }
        let ready = !pauses.draining && store_error.is_none();
        let degraded = pauses.store || store_error.is_some() || *stuck > 0 || !failing.is_empty();
        if !store.durable {
            let why = "tasks are kept in memory, as was chosen: they end with the process";
            reasons.push(why.to_owned());
        }
        Self { ready, degraded, reasons }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Signs {
        Signs {
            pauses: Pauses::default(),
            stuck: 0,
            store: Properties { name: "sqlite", shared: false, durable: true },
            store_error: None,
            failing: Vec::new(),
        }
    }

    #[test]
    fn every_sign_has_its_meaning() {
        let check = |signs: Signs, ready: bool, degraded: bool, reasons: &[&str]| {
            let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            assert_eq!(Health::judge(&signs), Health { ready, degraded, reasons });
        };
        check(well(), true, false, &[]);
        let pauses = Pauses { draining: true, store: false };
        let why = "the server is shutting down, and takes nothing in";
        check(Signs { pauses, ..well() }, false, false, &[why]);
        let pauses = Pauses { draining: false, store: true };
        let why = "the store failed a moment ago, and is asked again";
        check(Signs { pauses, ..well() }, true, true, &[why]);
        let store_error = Some("disk full".to_owned());
        let why = "the store does not answer: disk full";
        check(Signs { pauses, store_error, ..well() }, false, true, &[why]);
        let why = "1 body was given up after ignoring the end, and did not return";
        check(Signs { stuck: 1, ..well() }, true, true, &[why]);
        let why = "2 bodies were given up after ignoring the end, and did not return";
        check(Signs { stuck: 2, ..well() }, true, true, &[why]);
        let failing = vec![("pruner".to_owned(), "no".to_owned())];
        check(Signs { failing, ..well() }, true, true, &["service pruner fails: no"]);
        let store = Properties { name: "memory", shared: false, durable: false };
        let why = "tasks are kept in memory, as was chosen: they end with the process";
        check(Signs { store, ..well() }, true, false, &[why]);
    }

    #[test]
    fn every_reason_is_told() {
        let signs = Signs {
            pauses: Pauses { draining: true, store: true },
            stuck: 1,
            store: Properties { name: "memory", shared: false, durable: false },
            store_error: None,
            failing: vec![("a".to_owned(), "b".to_owned())],
        };
        let health = Health::judge(&signs);
        assert_eq!((health.ready, health.degraded, health.reasons.len()), (false, true, 5));
    }
}
