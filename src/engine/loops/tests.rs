use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::services;
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// Set in the process that is to die.
const DIES: &str = "TASK_SCHEDULER_TEST_DIES";
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
        panic!("half changed")
    }
}

#[tokio::test]
async fn a_service_of_the_engine_that_panics_ends_the_process() {
    if std::env::var_os(DIES).is_some() {
        let services = services(Handle::current(), Arc::default());
        let task = services.register_background_task(Panics).unwrap();
        services.start().await.unwrap();
        // If it does not die, it ends well.
        task.wait_for(|state| state.failures > 1).await;
        return;
    }
    let test = "engine::loops::tests::a_service_of_the_engine_that_panics_ends_the_process";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let died = child.args(["--exact", test]).env(DIES, "1").output().unwrap();
    assert_eq!(died.status.signal(), Some(SIGABRT), "{died:?}");
}
