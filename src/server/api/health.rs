//! The standard services beside ours: health and reflection, v1 and v1alpha.

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

/// The server as a whole, and the one service that can be asked about by name.
const SERVICES: [&str; 2] = ["", SERVICE_NAME];

/// The header of every answer that names what keeps tasks: `memory` promises less than others.
const STORE: &str = "task-scheduler-store";

/// What the health service says.
#[derive(Clone, Debug)]
pub(in crate::server) struct Health {
    reporter: HealthReporter,
    store: &'static str,
}

impl Health {
    /// `SERVING`, with tasks that `store` keeps.
    pub(in crate::server) async fn serving(store: &'static str) -> Self {
        let health = Self { reporter: HealthReporter::new(), store };
        health.say(ServingStatus::Serving).await;
        health
    }

    /// `NOT_SERVING`, from now on.
    pub(in crate::server) async fn refuse(&self) {
        self.say(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch; they would keep their connections open for ever.
    pub(in crate::server) async fn hang_up(&self) {
        let mut reporter = self.reporter.clone();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
    }

    /// The service that says so.
    pub(in crate::server) fn service(&self) -> HealthServer<impl health_server::Health + use<>> {
        HealthServer::new(Answering {
            statuses: HealthService::from_health_reporter(self.reporter.clone()),
            store: AsciiMetadataValue::from_static(self.store),
        })
    }

    async fn say(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// The health service, with the store's name in the header of its answers.
struct Answering {
    statuses: HealthService,
    store: AsciiMetadataValue,
}

impl Answering {
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
impl health_server::Health for Answering {
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

/// Tells clients our schema.
pub(super) fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, server::Error> {
    schema().build_v1()
}

/// The same for clients that know only the version before it.
pub(super) fn reflection_v1alpha()
-> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, server::Error> {
    schema().build_v1alpha()
}

fn schema() -> server::Builder<'static> {
    server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
