//! How the server gets on.

use std::time::Duration;

use crate::engine::Workers;
use crate::orchestrator::ExecutionStatus;
use crate::pb;
use crate::server::api::encode::stamp;
use crate::system::monitor::{
    Health, MethodStatistics, Percentiles, QueueStatistics, Rates, Service, Statistics, Totals,
};

/// To GetStatistics and WatchStatistics.
pub(in crate::server::api) fn statistics(statistics: Statistics) -> pb::Statistics {
    let Statistics { at, started_at, queues, methods, workers, totals, rates } = statistics;
    pb::Statistics {
        at: Some(stamp(at)),
        started_at: Some(stamp(started_at)),
        queues: queues.into_iter().map(queue).collect(),
        methods: methods.into_iter().map(method).collect(),
        workers: Some(workers_of(workers)),
        totals: Some(totals_of(totals)),
        rates: Some(rates_of(rates)),
    }
}

/// To GetHealth.
pub(in crate::server::api) fn health(health: Health) -> pb::GetHealthResponse {
    let Health { ready, degraded, reasons, services } = health;
    let services = services.into_iter().map(service).collect();
    pb::GetHealthResponse { live: true, ready, degraded, reasons, services }
}

fn service(service: Service) -> pb::ServiceStatus {
    use pb::service_status::Status;
    let Service { name, state } = service;
    let status = match state.status {
        ExecutionStatus::Idle => Status::Idle,
        ExecutionStatus::Running => Status::Running,
        ExecutionStatus::Stopped => Status::Stopped,
        ExecutionStatus::Failed => Status::Failed,
    };
    pb::ServiceStatus {
        name,
        status: status as i32,
        failures: state.failures,
        last_error: state.last_error.map(|error| error.to_string()).unwrap_or_default(),
    }
}

fn queue(queue: QueueStatistics) -> pb::QueueStatistics {
    pb::QueueStatistics {
        name: queue.name.as_ref().into(),
        paused: queue.paused,
        queued: queue.queued,
        running: queue.running,
        delayed: queue.delayed,
        failed: queue.failed,
        oldest_queued_at: queue.oldest_queued_at.map(stamp),
        rates: Some(rates_of(queue.rates)),
    }
}

fn method(method: MethodStatistics) -> pb::MethodStatistics {
    pb::MethodStatistics {
        method: method.method.as_ref().into(),
        succeeded: method.succeeded,
        failed: method.failed,
        retried: method.retried,
        latency: Some(percentiles(method.latency)),
        duration: Some(percentiles(method.duration)),
    }
}

fn percentiles(percentiles: Percentiles) -> pb::Percentiles {
    let Percentiles { p50, p90, p99, max, count } = percentiles;
    let told = |time: Duration| Some(time.try_into().expect("no task takes 10,000 years"));
    pb::Percentiles { p50: told(p50), p90: told(p90), p99: told(p99), max: told(max), count }
}

fn rates_of(rates: Rates) -> pb::Rates {
    let Rates { accepted, started, succeeded, failed } = rates;
    pb::Rates {
        accepted_1m: accepted[0],
        accepted_5m: accepted[1],
        started_1m: started[0],
        started_5m: started[1],
        succeeded_1m: succeeded[0],
        succeeded_5m: succeeded[1],
        failed_1m: failed[0],
        failed_5m: failed[1],
    }
}

fn workers_of(workers: Workers) -> pb::WorkerStatistics {
    let told = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    pb::WorkerStatistics {
        async_slots: told(workers.async_slots),
        async_active: told(workers.async_active),
        sync_slots: told(workers.sync_slots),
        sync_active: told(workers.sync_active),
        stuck: told(workers.stuck),
    }
}

fn totals_of(totals: Totals) -> pb::TaskTotals {
    let Totals { accepted, started, succeeded, failed, cancelled, expired, retried } = totals;
    pb::TaskTotals { accepted, started, succeeded, failed, cancelled, expired, retried }
}
