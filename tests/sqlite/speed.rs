//! What the store costs without a server around it. `cargo test --release --test sqlite -- --ignored
//! --nocapture speed` prints it.

use std::time::{Duration, Instant};

use task_scheduler::models::{Task, TaskId};
use task_scheduler::store::{Change, ClaimRequest, Insert, Store as _};

use crate::given::{Given, complete, name, now, task};

const BATCH: usize = 256;

/// What the threads of this process have used.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after = stat.rsplit(") ").next().expect("fields after the name");
    // The time in the program and in the kernel, in hundredths of a second.
    let times = after.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0));
    Duration::from_millis(times.sum::<u64>() * 10)
}

/// What the writer's thread has used.
fn writer_cpu() -> Duration {
    for entry in std::fs::read_dir("/proc/self/task").expect("Linux") {
        let path = entry.expect("an entry").path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.trim() == "store" {
            let text = std::fs::read_to_string(path.join("schedstat")).expect("times");
            let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
            return Duration::from_nanos(nanos.expect("a number"));
        }
    }
    Duration::ZERO
}

async fn measure(what: &str, rounds: usize, mut ids: impl FnMut() -> TaskId, claimed: bool) {
    let given = Given::new().await;
    let (begun, cpu_before, writer_before) = (Instant::now(), cpu(), writer_cpu());
    for _ in 0..rounds {
        let batch: Vec<Task> = (0..BATCH).map(|_| task(ids())).collect();
        let inserts: Vec<Insert> = batch
            .into_iter()
            .map(|task| {
                let claim = claimed.then(|| given.fence());
                Insert { claim, ..given.insert_task(task) }
            })
            .collect();
        let fences: Vec<_> =
            inserts.iter().map(|insert| insert.claim.unwrap_or_else(|| given.fence())).collect();
        let wanted: Vec<ClaimRequest> = inserts
            .iter()
            .zip(&fences)
            .map(|(insert, fence)| ClaimRequest { sequence: insert.sequence, fence: *fence })
            .collect();
        given.commit(inserts.into_iter().map(Change::Insert).collect()).await;
        if !claimed {
            let claims = given.store().claim(wanted.clone(), now()).await.expect("it claims");
            assert!(claims.claimed.iter().all(Option::is_some));
        }
        let ends = wanted.iter().map(|wanted| complete(wanted.sequence, wanted.fence)).collect();
        given.commit(ends).await;
    }
    let tasks = (rounds * BATCH) as f64;
    let (elapsed, cpu, writer) =
        (begun.elapsed(), cpu() - cpu_before, writer_cpu() - writer_before);
    println!(
        "{what}: {:.0} tasks/s, {:.2} us of CPU a task, {:.2} of it the writer's; {:.0} bytes a task",
        tasks / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / tasks,
        writer.as_secs_f64() * 1e6 / tasks,
        std::fs::metadata(given.directory().join("tasks.db")).expect("a file").len() as f64 / tasks,
    );
}

#[tokio::test]
#[ignore = "prints figures"]
async fn through_the_backlog() {
    measure("insert, claim, complete", 1_000, TaskId::generate, false).await;
}

#[tokio::test]
#[ignore = "prints figures"]
async fn already_claimed() {
    measure("insert claimed, complete", 1_000, TaskId::generate, true).await;
}

#[tokio::test]
#[ignore = "prints figures"]
async fn random_ids() {
    let random = || name(&format!("{:032x}", fastrand::u128(..)));
    measure("random ids, claimed, complete", 4_000, random, true).await;
}
