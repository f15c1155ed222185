//! The standard gRPC services: health, and reflection v1 and v1alpha.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::{self, v1alpha};

use crate::pb;
use crate::pb::task_scheduler_server::SERVICE_NAME;

/// The names that a health check accepts: the server as a whole, and its service.
const SERVICES: [&str; 2] = ["", SERVICE_NAME];

/// The header of health answers that names the store. Tasks in `memory` do not survive a restart.
const STORE: &str = "task-scheduler-store";

/// The status that the health service reports.
#[derive(Clone, Debug)]
pub(in crate::server) struct Health {
    reporter: HealthReporter,
    store: &'static str,
}

impl Health {
    /// Reports `SERVING`, and the name of the store.
    pub(in crate::server) async fn serving(store: &'static str) -> Self {
        let health = Self { reporter: HealthReporter::new(), store };
        health.report(ServingStatus::Serving).await;
        health
    }

    /// Reports `NOT_SERVING` from now on.
    pub(in crate::server) async fn refuse(&self) {
        self.report(ServingStatus::NotServing).await;
    }

    /// Ends the health streams; they would keep their connections open forever.
    pub(in crate::server) async fn hang_up(&self) {
        let mut reporter = self.reporter.clone();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
    }

    /// The gRPC service that reports the status.
    pub(in crate::server) fn service(&self) -> HealthServer<impl health_server::Health + use<>> {
        HealthServer::new(HealthWithStore {
            statuses: HealthService::from_health_reporter(self.reporter.clone()),
            store: AsciiMetadataValue::from_static(self.store),
        })
    }

    async fn report(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// The health service with the store's name in the headers of its answers.
struct HealthWithStore {
    statuses: HealthService,
    store: AsciiMetadataValue,
}

impl HealthWithStore {
    fn name_store<T>(
        &self,
        mut answer: Result<Response<T>, Status>,
    ) -> Result<Response<T>, Status> {
        let header: &mut MetadataMap = match &mut answer {
            Ok(response) => response.metadata_mut(),
            Err(status) => status.metadata_mut(),
        };
        header.insert(STORE, self.store.clone());
        answer
    }
}

#[tonic::async_trait]
impl health_server::Health for HealthWithStore {
    type WatchStream = <HealthService as health_server::Health>::WatchStream;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.name_store(self.statuses.check(request).await)
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.name_store(self.statuses.watch(request).await)
    }
}

/// The reflection service, which returns the compiled schema.
pub(super) fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, server::Error> {
    schema().build_v1()
}

/// The same for clients of the older v1alpha protocol.
pub(super) fn reflection_v1alpha()
-> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, server::Error> {
    schema().build_v1alpha()
}

fn schema() -> server::Builder<'static> {
    server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
