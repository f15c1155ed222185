//! A context in the hands of a test.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Recorded;
use super::fake_host::FakeHost;
use crate::tasks::TaskContext;

/// A context to call functions with that take one; they hear what a body would. Made by
/// [`TestTask::context`](super::TestTask::context).
pub struct TestContext {
    context: TaskContext,
    host: Arc<FakeHost>,
}

impl TestContext {
    pub(super) fn new(context: TaskContext, host: Arc<FakeHost>) -> Self {
        host.listen(Some(context.clone()));
        Self { context, host }
    }

    /// What was said to it so far.
    pub fn heard(&self) -> Recorded {
        self.host.heard()
    }

    /// Tells the body to stop.
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
        self.host.listen(None);
    }
}

impl fmt::Debug for TestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.context.fmt(f)
    }
}
