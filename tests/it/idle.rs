//! An idle server does not wake up: it polls neither for work nor for time.

use std::time::Duration;

use crate::client::{NOTHING, later, task};
use crate::server::stock;

#[tokio::test]
async fn an_idle_server_does_not_wake_up() {
    const WINDOW: Duration = Duration::from_secs(2);
    // Retention prunes once a second, which takes about 5 wake-ups. A poll every 10 ms takes 200.
    const MAX_WAKE_UPS: u64 = 60;
    let server = stock();
    let client = server.client().await;
    client.run(task("add", [1, 2])).await;
    // Neither a task that is due later nor an open connection needs a poll.
    client.enqueue(later(task("ping", NOTHING))).await.unwrap();
    // Fixed times: the absence of wake-ups shows only in time. The first lets the commit, the
    // checkpoint of the store and other background work finish.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.wake_ups();
    tokio::time::sleep(WINDOW).await;
    let wake_ups = server.wake_ups() - before;
    assert!(wake_ups <= MAX_WAKE_UPS, "{wake_ups} wake-ups in {WINDOW:?}");
    client.assert_served(server.addr()).await;
}
