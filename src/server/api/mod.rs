//! The RPCs: who may call them, what their messages mean, and how their answers are encoded.
//!
//! [`access`] decides by the method's path whether a caller may call it. [`service`] implements the
//! methods: each decodes its message (`decode`), calls the facade and encodes the answer (`encode`).

mod access;
mod compression;
mod cursors;
mod decode;
mod disconnect;
mod encode;
mod health;
mod opaque_token;
mod page_token;
mod reserved;
mod service;
mod status;
mod streams;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::pb::task_scheduler_server::TaskSchedulerServer;
use crate::server::api::access::Access;
pub(super) use crate::server::api::health::Health;
use crate::server::api::health::{reflection, reflection_v1alpha};
use crate::server::api::service::Service;
use crate::server::transport::fast_path::FastPath;
use crate::server::{Error, Options};
use crate::system::TaskSystem;

/// The prefix of the paths of the task scheduler's methods.
const PREFIX: &str = "/taskscheduler.TaskScheduler/";

/// All services of one worker: the task scheduler's methods on the fast path, health and reflection
/// behind the router, and the access policy in front of them.
pub(super) type Services = Access<FastPath<TaskSchedulerServer<Service>, Routes>>;

/// Builds the services of each worker.
///
/// # Errors
/// [`Error::Schema`] when the compiled schema is damaged.
pub(super) fn services(
    system: TaskSystem,
    options: &Options,
    health: &Health,
    hang_up: &CancellationToken,
) -> Result<impl Fn() -> Services, Error> {
    let (v1, v1alpha) = (reflection()?, reflection_v1alpha()?);
    let (max_message_size, health, hang_up) =
        (options.max_message_size, health.clone(), hang_up.clone());
    Ok(move || {
        let service = Service::new(system.clone(), max_message_size, hang_up.clone());
        let router = Routes::new(health.service())
            .add_service(v1.clone())
            .add_service(v1alpha.clone())
            .prepare();
        Access::new(FastPath { prefix: PREFIX, service: service.into_server(), router })
    })
}
