use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::{pause_after, services};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// Set in the child process, which is expected to abort.
const ABORTS: &str = "TASK_SCHEDULER_TEST_ABORTS";
const SIGABRT: i32 = 6;

struct Panics;

impl Executable for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }
}

#[async_trait]
impl BackgroundTask for Panics {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn a_service_of_the_engine_that_panics_ends_the_process() {
    if std::env::var_os(ABORTS).is_some() {
        let services = services(Handle::current(), Arc::default());
        let task = services.register_background_task(Panics).unwrap();
        services.start().await.unwrap();
        // If the process survives, the test in it passes and the parent's assertion fails.
        task.wait_for(|state| state.failures > 1).await;
        return;
    }
    let test = "engine::services::tests::a_service_of_the_engine_that_panics_ends_the_process";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ended = child.args(["--exact", test]).env(ABORTS, "1").output().unwrap();
    assert_eq!(ended.status.signal(), Some(SIGABRT), "{ended:?}");
}

#[test]
fn the_pause_after_a_store_failure_grows_to_one_second() {
    let millis = [1, 2, 49, 50, 51, u32::MAX].map(|tries| pause_after(tries).as_millis());
    assert_eq!(millis, [20, 40, 980, 1_000, 1_000, 1_000]);
}
