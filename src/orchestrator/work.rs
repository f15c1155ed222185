//! A service of either kind, and what a turn of it is.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{BackgroundTask, EventTask, Executable, SchedulerError};

/// A service of either kind.
pub(super) enum Work<E, M> {
    /// It decides itself when its turn ends.
    Background(Box<dyn BackgroundTask>),
    /// It has a turn for each event.
    Events(Box<dyn EventTask<E, M>>, broadcast::Receiver<M>),
}

/// What a turn was.
pub(super) enum Turn {
    /// The service did what it is for.
    Worked,
    /// It only heard that it missed something, which says nothing of how well it works.
    Missed,
}

impl<E, M> Work<E, M>
where
    E: Send + 'static,
    M: Clone + Send + 'static,
{
    pub(super) fn as_executable(&mut self) -> &mut dyn Executable {
        match self {
            Self::Background(task) => &mut **task,
            Self::Events(task, _) => &mut **task,
        }
    }

    pub(super) async fn turn(&mut self) -> Result<Turn, SchedulerError> {
        match self {
            Self::Background(task) => task.execute().await?,
            Self::Events(task, events) => match events.recv().await {
                Ok(event) => task.handle_event(event).await?,
                Err(RecvError::Lagged(count)) => {
                    task.missed(count).await;
                    return Ok(Turn::Missed);
                }
                // The scheduler keeps the bus, so this says that it is gone, and the loop with it.
                Err(closed) => return Err(closed.into()),
            },
        }
        Ok(Turn::Worked)
    }
}
