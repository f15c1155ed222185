//! The context that a test passes to functions.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Recorded;
use super::fake_host::FakeHost;
use crate::tasks::TaskContext;

/// A [`TaskContext`] for functions that take one; records what they do with it. Made by
/// [`TestTask::context`](super::TestTask::context).
pub struct TestContext {
    context: TaskContext,
    host: Arc<FakeHost>,
}

impl TestContext {
    pub(super) fn new(context: TaskContext, host: Arc<FakeHost>) -> Self {
        host.attach(Some(context.clone()));
        Self { context, host }
    }

    /// Everything recorded so far.
    pub fn recorded(&self) -> Recorded {
        self.host.recorded()
    }

    /// Cancels the context, as a cancel of the task does.
    pub fn cancel(&self) {
        self.context.stop();
    }
}

impl Deref for TestContext {
    type Target = TaskContext;

    fn deref(&self) -> &TaskContext {
        &self.context
    }
}

impl Drop for TestContext {
    fn drop(&mut self) {
        self.host.attach(None);
    }
}

impl fmt::Debug for TestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.context.fmt(f)
    }
}
