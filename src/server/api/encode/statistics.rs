//! Encodes statistics and health.

use crate::pb;
use crate::system::{ExecutionStatus, Workers};
use crate::system::{
    Health, MethodStatistics, Percentiles, QueueStatistics, Rates, Service, Statistics, Totals,
};
use crate::wire::to_duration;

/// The statistics of GetStatistics and WatchStatistics.
pub(in crate::server::api) fn statistics(statistics: Statistics) -> pb::Statistics {
    let Statistics { at, started_at, queues, methods, workers, totals, rates } = statistics;
    pb::Statistics {
        at: Some(at.into()),
        started_at: Some(started_at.into()),
        queues: queues.into_iter().map(queue).collect(),
        methods: methods.into_iter().map(method).collect(),
        workers: Some(encode_workers(workers)),
        totals: Some(encode_totals(totals)),
        rates: Some(encode_rates(rates)),
    }
}

/// The answer to GetHealth.
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
        oldest_queued_at: queue.oldest_queued_at.map(Into::into),
        rates: Some(encode_rates(queue.rates)),
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
    let [p50, p90, p99, max] = [p50, p90, p99, max].map(|length| Some(to_duration(length)));
    pb::Percentiles { p50, p90, p99, max, count }
}

fn encode_rates(rates: Rates) -> pb::Rates {
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

fn encode_workers(workers: Workers) -> pb::WorkerStatistics {
    let slots = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    pb::WorkerStatistics {
        async_slots: slots(workers.async_slots),
        async_active: slots(workers.async_active),
        sync_slots: slots(workers.sync_slots),
        sync_active: slots(workers.sync_active),
        stuck: slots(workers.stuck),
    }
}

fn encode_totals(totals: Totals) -> pb::TaskTotals {
    let Totals { accepted, started, succeeded, failed, cancelled, expired, retried } = totals;
    pb::TaskTotals { accepted, started, succeeded, failed, cancelled, expired, retried }
}
