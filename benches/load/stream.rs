//! The load of many tasks: repeated EnqueueTasks calls, with a bound on the unfinished
//! tasks.

use std::convert::Infallible;
use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use task_scheduler::pb;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::{Call, Client};
use crate::request::{Batches, Ids, assert_accepted};

/// Connections, each with one call in flight.
const CONNECTIONS: usize = 4;
/// The interval between reads of the server's progress.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// The interval after which a caller that reached the bound checks it again.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long a number of tasks may take to be put in, and to end, beyond the time that is asked for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The load to run.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) address: SocketAddr,
    pub(crate) request: pb::TaskRequest,
    pub(crate) ids: Ids,
    /// Tasks per call.
    pub(crate) size: usize,
    /// Tasks in all.
    pub(crate) count: u64,
    /// The time limit; the load fails beyond it.
    pub(crate) within: Duration,
    pub(crate) ending: Ending,
}

/// Whether the tasks run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// They run. At most `unfinished` of them are unfinished at any time, and none at the end.
    Ends { unfinished: u64 },
    /// They wait. The load does not read the server's progress.
    Waits,
    /// The answer completes them: for a yardstick, which runs nothing.
    Answered,
}

/// The progress of a stream, readable from any thread.
#[derive(Default)]
pub(crate) struct Progress {
    /// Tasks sent, answered or not.
    asked: AtomicU64,
    accepted: AtomicU64,
    /// Tasks that ended: as few as they can be, when the server was last asked.
    ended: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Stops sending.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Puts `stream` in and answers how long each call took, in no order. Panics when a task is refused,
/// or when the tasks are not in, and those that should end have not ended, within the time.
pub(crate) fn run(stream: &Stream, progress: &Arc<Progress>) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    runtime.block_on(async {
        let mut callers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let client = Client::connect(stream.address).await;
            callers.spawn(ask(client, stream.clone(), progress.clone()));
        }
        let asking = Client::connect(stream.address).await;
        let asked = async {
            let latencies = callers.join_all().await.concat();
            if let Ending::Ends { .. } = stream.ending {
                all_ended(progress).await;
            }
            latencies
        };
        tokio::select! {
            latencies = timeout(stream.within, asked) => latencies.expect("a server that keeps up"),
            never = look(asking, stream.ending, progress) => match never {},
        }
    })
}

async fn ask(mut client: Client, stream: Stream, progress: Arc<Progress>) -> Vec<Duration> {
    let size = stream.size as u64;
    let mut batches = Batches::new(&stream.request, stream.size, stream.ids);
    let mut latencies = Vec::new();
    while !progress.stopped.load(Ordering::Relaxed) {
        if let Ending::Ends { unfinished } = stream.ending
            && progress.asked.load(Ordering::Relaxed) + size > progress.ended() + unfinished
        {
            sleep(LOOK_EVERY).await;
            continue;
        }
        let asked = progress.asked.fetch_add(size, Ordering::Relaxed);
        let size = size.min(stream.count.saturating_sub(asked));
        if size == 0 {
            break;
        }
        let call = batches.next(size as usize);
        let started = Instant::now();
        let answer: pb::EnqueueTasksResponse = client.call(&call).await;
        latencies.push(started.elapsed());
        assert_accepted(&answer, size as usize);
        progress.accepted.fetch_add(size, Ordering::Relaxed);
        if stream.ending == Ending::Answered {
            progress.ended.fetch_add(size, Ordering::Relaxed);
        }
    }
    latencies
}

/// Reads the number of unfinished tasks repeatedly: all other accepted tasks have ended.
async fn look(mut client: Client, ending: Ending, progress: &Progress) -> Infallible {
    let Ending::Ends { .. } = ending else { return future::pending().await };
    let call = Call::new("ListQueues", &pb::ListQueuesRequest {});
    loop {
        let accepted = progress.accepted.load(Ordering::Relaxed);
        let answer: pb::ListQueuesResponse = client.call(&call).await;
        let unfinished: u64 = answer.queues.iter().map(|queue| queue.waiting + queue.running).sum();
        progress.ended.fetch_max(accepted.saturating_sub(unfinished), Ordering::Relaxed);
        sleep(ASK_EVERY).await;
    }
}

async fn all_ended(progress: &Progress) {
    while progress.ended() < progress.accepted.load(Ordering::Relaxed) {
        sleep(ASK_EVERY).await;
    }
}
