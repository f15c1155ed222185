//! Whether the server does what it should; and if not, why.

use crate::engine::Pauses;
use crate::orchestrator::{ExecutionStatus, ServiceHandle, ServiceState};
use crate::store::Properties;

/// What health is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSignals {
    /// What keeps the engine from starting anything.
    pub pauses: Pauses,
    /// Bodies that were given up and have not returned.
    pub stuck: usize,
    /// What keeps durable tasks.
    pub store: Properties,
    /// Whether it answers when it is read.
    pub store_error: Option<String>,
    /// The parts of the server that run for as long as it does.
    pub services: Vec<Service>,
}

/// A part of the server that runs for as long as it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: ServiceState,
}

impl Service {
    /// What is wrong with it, if it is.
    fn complaint(&self) -> Option<String> {
        let Self { name, state } = self;
        let error = || match &state.last_error {
            Some(error) => format!(": {error}"),
            None => String::new(),
        };
        match state {
            ServiceState { status: ExecutionStatus::Failed, .. } => {
                Some(format!("service {name} ended{}", error()))
            }
            ServiceState { failures: 0, .. } => None,
            ServiceState { failures, .. } => {
                Some(format!("service {name} failed {failures} times in a row{}", error()))
            }
        }
    }
}

impl From<&ServiceHandle> for Service {
    fn from(handle: &ServiceHandle) -> Self {
        Self { name: handle.name().to_owned(), state: handle.state() }
    }
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
    /// The parts of the server that run for as long as it does.
    pub services: Vec<Service>,
}

impl Health {
    /// What these signals mean.
    ///
    /// A store in memory is no failure: somebody chose it. It is a reason all the same, so that nobody
    /// takes the server for one that keeps what it accepts.
    pub fn judge(signals: HealthSignals) -> Self {
        let HealthSignals { pauses, stuck, store, store_error, services } = signals;
        let mut reasons = Vec::new();
        if pauses.draining {
            reasons.push("the server is shutting down, and takes nothing in".to_owned());
        }
        if let Some(error) = &store_error {
            reasons.push(format!("the store does not answer: {error}"));
        } else if pauses.store {
            reasons.push("the store failed a moment ago, and is asked again".to_owned());
        }
        if stuck > 0 {
            let bodies = if stuck == 1 { "1 body was" } else { &format!("{stuck} bodies were") };
            reasons.push(format!("{bodies} given up after ignoring the end, and did not return"));
        }
        let complaints: Vec<String> = services.iter().filter_map(Service::complaint).collect();
        let ready = !pauses.draining && store_error.is_none();
        let degraded = pauses.store || store_error.is_some() || stuck > 0 || !complaints.is_empty();
        reasons.extend(complaints);
        if !store.durable {
            let why = "tasks are kept in memory, as was chosen: they end with the process";
            reasons.push(why.to_owned());
        }
        Self { ready, degraded, reasons, services }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::SchedulerError;

    fn service(
        status: ExecutionStatus,
        failures: u32,
        last_error: Option<SchedulerError>,
    ) -> Service {
        let state = ServiceState { status, failures, last_error };
        Service { name: "sampler".to_owned(), state }
    }

    fn well() -> HealthSignals {
        HealthSignals {
            pauses: Pauses::default(),
            stuck: 0,
            store: Properties { name: "sqlite", shared: false, durable: true },
            store_error: None,
            services: Vec::new(),
        }
    }

    #[test]
    fn every_sign_has_its_meaning() {
        let check = |signals: HealthSignals, ready: bool, degraded: bool, reasons: &[&str]| {
            let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            let services = signals.services.clone();
            let expected = Health { ready, degraded, reasons, services };
            assert_eq!(Health::judge(signals), expected);
        };
        check(well(), true, false, &[]);
        let pauses = Pauses { draining: true, store: false };
        let why = "the server is shutting down, and takes nothing in";
        check(HealthSignals { pauses, ..well() }, false, false, &[why]);
        let pauses = Pauses { draining: false, store: true };
        let why = "the store failed a moment ago, and is asked again";
        check(HealthSignals { pauses, ..well() }, true, true, &[why]);
        let store_error = Some("disk full".to_owned());
        let why = "the store does not answer: disk full";
        check(HealthSignals { pauses, store_error, ..well() }, false, true, &[why]);
        let why = "1 body was given up after ignoring the end, and did not return";
        check(HealthSignals { stuck: 1, ..well() }, true, true, &[why]);
        let why = "2 bodies were given up after ignoring the end, and did not return";
        check(HealthSignals { stuck: 2, ..well() }, true, true, &[why]);
        let failed = || Some(SchedulerError::TaskExecution("no".to_owned()));
        let running = || service(ExecutionStatus::Running, 0, failed());
        let services = vec![running(), service(ExecutionStatus::Stopped, 0, None)];
        check(HealthSignals { services, ..well() }, true, false, &[]);
        let why = "service sampler failed 2 times in a row: Task execution error: no";
        let services = vec![running(), service(ExecutionStatus::Running, 2, failed())];
        check(HealthSignals { services, ..well() }, true, true, &[why]);
        let why = "service sampler ended: Task execution error: no";
        let services = vec![service(ExecutionStatus::Failed, 0, failed())];
        check(HealthSignals { services, ..well() }, true, true, &[why]);
        let store = Properties { name: "memory", shared: false, durable: false };
        let why = "tasks are kept in memory, as was chosen: they end with the process";
        check(HealthSignals { store, ..well() }, true, false, &[why]);
    }

    #[test]
    fn every_reason_is_told() {
        let signals = HealthSignals {
            pauses: Pauses { draining: true, store: true },
            stuck: 1,
            store: Properties { name: "memory", shared: false, durable: false },
            store_error: None,
            services: vec![service(ExecutionStatus::Failed, 0, None)],
        };
        let health = Health::judge(signals);
        assert_eq!((health.ready, health.degraded, health.reasons.len()), (false, true, 5));
    }
}
