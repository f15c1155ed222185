//! The standard services beside ours: health and reflection, v1 and v1alpha.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::{self, v1alpha};

use crate::pb;
use crate::pb::task_scheduler_server::SERVICE_NAME;

/// The server as a whole, and the one service that can be asked about by name.
const SERVICES: [&str; 2] = ["", SERVICE_NAME];

/// What the health service says.
#[derive(Clone, Debug)]
pub(super) struct Health(HealthReporter);

impl Health {
    /// `SERVING`.
    pub(super) async fn serving() -> Self {
        let health = Self(HealthReporter::new());
        health.say(ServingStatus::Serving).await;
        health
    }

    /// `NOT_SERVING`, from now on.
    pub(super) async fn refuse(&self) {
        self.say(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch; they would keep their connections open for ever.
    pub(super) async fn hang_up(&self) {
        let mut reporter = self.0.clone();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
    }

    /// The service that says so.
    pub(super) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.0.clone()))
    }

    async fn say(&self, status: ServingStatus) {
        for service in SERVICES {
            self.0.set_service_status(service, status).await;
        }
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
