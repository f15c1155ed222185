//! Runs an [`EventTask`] as a [`BackgroundTask`]: one turn for each event.

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{BackgroundTask, EventTask, Executable, SchedulerError};

/// An event task and its subscription.
pub(super) struct EventLoop<E, M> {
    pub(super) task: Box<dyn EventTask<E, M>>,
    pub(super) events: broadcast::Receiver<M>,
}

#[async_trait]
impl<E: Send + 'static, M: Clone + Send + 'static> Executable for EventLoop<E, M> {
    fn name(&self) -> &str {
        self.task.name()
    }

    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        self.task.initialize().await
    }

    async fn shutdown(&mut self) -> Result<(), SchedulerError> {
        self.task.shutdown().await
    }
}

#[async_trait]
impl<E: Send + 'static, M: Clone + Send + 'static> BackgroundTask for EventLoop<E, M> {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        loop {
            match self.events.recv().await {
                Ok(event) => return self.task.handle_event(event).await,
                // Part of the same turn: that events were missed proves nothing about the service.
                Err(RecvError::Lagged(count)) => self.task.missed(count).await,
                // The scheduler owns the bus, so this happens only while the scheduler is dropped.
                Err(closed) => return Err(closed.into()),
            }
        }
    }
}
