use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::*;
use crate::clock::{self, Now};
use crate::models::{
    Custom, LogLevel, MAX_ID_BYTES, MAX_LOG_LINE_BYTES, MAX_LOG_LINES, Request, TaskMaker,
};
use crate::tasks::HostError;

/// Counts notifications of output; answers host calls from another thread.
#[derive(Default)]
struct Slow {
    told: AtomicUsize,
}

async fn elsewhere<T: Send + 'static>(answer: T) -> T {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || drop(sender.send(answer)));
    receiver.await.expect("it is sent")
}

#[async_trait]
impl Host for Slow {
    async fn checkpoint(&self, _: Fence, _: Option<Arc<[u8]>>) -> Result<(), HostError> {
        elsewhere(Ok(())).await
    }

    async fn spawn(&self, _: Fence, child: Request) -> Result<TaskId, HostError> {
        elsewhere(Ok(child.id.expect("children are named"))).await
    }

    async fn join(&self, _: Fence, _: Vec<TaskId>) -> Result<Vec<Outcome>, HostError> {
        elsewhere(Err(HostError::Stale)).await
    }

    async fn emit(&self, _: Fence, _: Arc<Custom>) -> Result<(), HostError> {
        elsewhere(Err(HostError::Stale)).await
    }

    fn output_available(&self, _: Fence) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> Now {
        clock::now()
    }
}

fn context(id: &str, kind: HandlerKind, log_lines: u32) -> (TaskContext, Arc<Slow>) {
    let host = Arc::new(Slow::default());
    let fence = Fence { epoch: 1, counter: 1 };
    let started = host.now().steady;
    let begun = AttemptInfo { number: 2, fence, started, kind, checkpoint: None, log_lines };
    (TaskContext::new(Arc::new(TaskMaker::new(id).make()), begun, host.clone()), host)
}

#[test]
fn a_host_is_notified_of_output_once_until_it_takes_it() {
    let (ctx, host) = context("t", HandlerKind::Inline, 0);
    let told = || host.told.load(Ordering::Relaxed);
    assert_eq!(told(), 0);
    ctx.progress(0.5, "half").unwrap();
    ctx.progress(0.75, "more").unwrap();
    ctx.log_info("on it");
    assert_eq!(told(), 1);
    let UnwrittenOutput { progress, lines } = ctx.take_unwritten();
    assert_eq!(progress, Some(Progress { fraction: 0.75, message: "more".into() }));
    assert_eq!(lines.len(), 1);
    assert_eq!(ctx.take_unwritten(), UnwrittenOutput::default());

    ctx.log_warn("odd");
    assert_eq!(told(), 2);
    assert_eq!(ctx.take_unwritten().progress, None, "it was taken before");
    assert_eq!(ctx.current_progress().message, "more");
}

#[test]
fn a_log_continues_its_numbers_and_ends_with_a_line_that_says_so() {
    let (ctx, host) = context("t", HandlerKind::Sync, MAX_LOG_LINES - 3);
    ctx.log_error("é".repeat(MAX_LOG_LINE_BYTES));
    for _ in 0..5 {
        ctx.log_debug("again");
    }
    let lines = ctx.take_unwritten().lines;
    let last = MAX_LOG_LINES;
    let numbers: Vec<u32> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [last - 2, last - 1, last]);
    assert!(lines.iter().all(|line| line.attempt == 2));
    assert_eq!((lines[0].text.len(), lines[0].level), (MAX_LOG_LINE_BYTES, LogLevel::Error));
    assert_eq!((lines[2].text.contains("dropped"), lines[2].level), (true, LogLevel::Warn));

    ctx.log_info("once more");
    assert_eq!(ctx.take_unwritten(), UnwrittenOutput::default());
    assert_eq!(host.told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_sync_handler_waits_for_its_host_on_its_own_thread() {
    let (ctx, _) = context("t", HandlerKind::Sync, 0);
    ctx.save_checkpoint_blocking(&[1, 2]).unwrap();
    assert_eq!(ctx.load_checkpoint().unwrap(), Some([1, 2]));
    ctx.clear_checkpoint_blocking().unwrap();
    assert_eq!(ctx.load_checkpoint::<u8>().unwrap(), None);
    let child = ctx.spawn_subtask_blocking(Subtask::new("add")).unwrap();
    assert_eq!(child.id().as_str(), "t/1");
}

#[test]
fn other_handlers_must_not_block_and_get_the_call_to_use() {
    let rows = [
        (
            HandlerKind::Inline,
            "an inline handler must not wait for `save_checkpoint`; make it `#[sync_task]` without `inline`",
        ),
        (HandlerKind::Async, "an async handler must not block; await `save_checkpoint` instead"),
    ];
    for (kind, message) in rows {
        let (ctx, _) = context("t", kind, 0);
        assert_eq!(ctx.save_checkpoint_blocking(&1).unwrap_err().to_string(), message);
        assert_eq!(ctx.load_checkpoint::<u8>().unwrap(), None, "nothing was saved");
        let refused = ctx.spawn_subtask_blocking(Subtask::new("add"));
        assert!(matches!(refused, Err(SpawnError::MustNotBlock(_))), "{refused:?}");
    }
}

#[test]
fn the_id_of_a_child_is_bounded_and_has_no_further_slash() {
    let (ctx, _) = context(&"p".repeat(MAX_ID_BYTES - 2), HandlerKind::Sync, 0);
    let spawn = |name: &str| ctx.spawn_subtask_blocking(Subtask::new("add").name(name));
    spawn("x").unwrap();
    let too_long = spawn("xy").unwrap_err();
    assert_eq!(
        too_long.to_string(),
        "the child's id would be 256 bytes long, its parent's included; at most 255 are accepted: \
         use shorter names or nest less deeply"
    );
    for name in ["", "/", "a/b", "a\n"] {
        assert_eq!(spawn(name).unwrap_err(), SpawnError::BadName(name.to_owned()));
    }
}
