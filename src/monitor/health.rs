//! Health: whether the server is ready, whether it is degraded, and why.

use crate::engine::Pauses;
use crate::engine::Properties;
use crate::orchestrator::{ExecutionStatus, ServiceHandle, ServiceState};

/// The signals that health is computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSignals {
    /// Why the engine starts no tasks, if it does not.
    pub pauses: Pauses,
    /// How many handlers were abandoned and have not returned.
    pub stuck: usize,
    /// The store of durable tasks.
    pub store: Properties,
    /// Why the store cannot be read, if it cannot.
    pub store_error: Option<String>,
    /// The server's services.
    pub services: Vec<Service>,
}

/// A long-running part of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The service's name.
    pub name: String,
    /// The service's state.
    pub state: ServiceState,
}

impl Service {
    /// Why the service is degraded, if it is.
    fn problem(&self) -> Option<String> {
        let Self { name, state } = self;
        let error = || match &state.last_error {
            Some(error) => format!(": {error}"),
            None => String::new(),
        };
        match state {
            ServiceState { status: ExecutionStatus::Failed, .. } => {
                Some(format!("service {name} stopped for good{}", error()))
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

/// The health of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the server accepts tasks.
    pub ready: bool,
    /// Whether a part of the server does not work.
    pub degraded: bool,
    /// Why the server is not ready or degraded, and a note if its tasks are not durable.
    pub reasons: Vec<String>,
    /// The server's services.
    pub services: Vec<Service>,
}

impl Health {
    /// Computes the health from these signals.
    ///
    /// A store in memory does not degrade the server: the operator chose it. The reasons mention it so that
    /// the operator knows that tasks end with the process.
    pub fn judge(signals: HealthSignals) -> Self {
        let HealthSignals { pauses, stuck, store, store_error, services } = signals;
        let mut reasons = Vec::new();
        if pauses.draining {
            reasons.push("the server is shutting down and accepts no tasks".to_owned());
        }
        if let Some(error) = &store_error {
            reasons.push(format!("the store does not answer: {error}"));
        } else if pauses.store {
            reasons.push("the store failed and is tried again".to_owned());
        }
        if stuck > 0 {
            let (handlers, run) = match stuck {
                1 => ("1 handler was".to_owned(), "runs"),
                _ => (format!("{stuck} handlers were"), "run"),
            };
            let why = format!("{handlers} abandoned after a timeout or cancel, and still {run}");
            reasons.push(why);
        }
        let problems: Vec<String> = services.iter().filter_map(Service::problem).collect();
        let ready = !pauses.draining && store_error.is_none();
        let degraded = pauses.store || store_error.is_some() || stuck > 0 || !problems.is_empty();
        reasons.extend(problems);
        if !store.durable {
            let why = "tasks are kept in memory, as configured: they end with the process";
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

    fn healthy() -> HealthSignals {
        HealthSignals {
            pauses: Pauses::default(),
            stuck: 0,
            store: Properties { name: "sqlite", shared: false, durable: true },
            store_error: None,
            services: Vec::new(),
        }
    }

    #[test]
    fn every_signal_has_its_reason() {
        let check = |signals: HealthSignals, ready: bool, degraded: bool, reasons: &[&str]| {
            let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            let services = signals.services.clone();
            let expected = Health { ready, degraded, reasons, services };
            assert_eq!(Health::judge(signals), expected);
        };
        check(healthy(), true, false, &[]);
        let pauses = Pauses { draining: true, store: false };
        let why = "the server is shutting down and accepts no tasks";
        check(HealthSignals { pauses, ..healthy() }, false, false, &[why]);
        let pauses = Pauses { draining: false, store: true };
        let why = "the store failed and is tried again";
        check(HealthSignals { pauses, ..healthy() }, true, true, &[why]);
        let store_error = Some("disk full".to_owned());
        let why = "the store does not answer: disk full";
        check(HealthSignals { pauses, store_error, ..healthy() }, false, true, &[why]);
        let why = "1 handler was abandoned after a timeout or cancel, and still runs";
        check(HealthSignals { stuck: 1, ..healthy() }, true, true, &[why]);
        let why = "2 handlers were abandoned after a timeout or cancel, and still run";
        check(HealthSignals { stuck: 2, ..healthy() }, true, true, &[why]);
        let failed = || Some(SchedulerError::TaskExecution("no".to_owned()));
        let running = || service(ExecutionStatus::Running, 0, failed());
        let services = vec![running(), service(ExecutionStatus::Stopped, 0, None)];
        check(HealthSignals { services, ..healthy() }, true, false, &[]);
        let why = "service sampler failed 2 times in a row: Task execution error: no";
        let services = vec![running(), service(ExecutionStatus::Running, 2, failed())];
        check(HealthSignals { services, ..healthy() }, true, true, &[why]);
        let why = "service sampler stopped for good: Task execution error: no";
        let services = vec![service(ExecutionStatus::Failed, 0, failed())];
        check(HealthSignals { services, ..healthy() }, true, true, &[why]);
        let store = Properties { name: "memory", shared: false, durable: false };
        let why = "tasks are kept in memory, as configured: they end with the process";
        check(HealthSignals { store, ..healthy() }, true, false, &[why]);
    }

    #[test]
    fn all_reasons_are_listed_together() {
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
