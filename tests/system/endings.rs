use task_scheduler::models::{ArgValue, State};

use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_its_caller_gets_the_result() {
    let system = start().await;
    for request in [request("add", &[1, 2, 3]), ephemeral(request("add", &[1, 2, 3]))] {
        let ended = system.tasks().submit(request).await.expect("add runs");
        assert_eq!(ended.outcome.state(), State::Succeeded);
        assert_eq!(ended.outcome.result().map(ToString::to_string), Some("6".into()));
        let again =
            system.tasks().result(&ended.task.id).await.expect("it is known").expect("it ended");
        assert_eq!(again.outcome, ended.outcome);
    }
    let ended = system.tasks().submit(request("delete", &[1, 2])).await.expect("delete runs");
    assert_eq!(ended.outcome.result(), Some(&ArgValue::String("Deleted 2 items".into())));
    system.stop();
}
