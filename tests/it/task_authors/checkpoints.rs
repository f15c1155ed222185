//! Checkpoints.

use std::collections::BTreeMap;

use serde_json::json;
use task_scheduler::tasks::{CheckpointError, HostError, MAX_CHECKPOINT_BYTES};
use task_scheduler::testing::{TestEnding, TestTask};
use task_scheduler::{TaskContext, TaskError, async_task, sync_task};

/// Counts from the checkpoint on, and fails at each third number.
#[async_task]
async fn count(ctx: TaskContext, to: u32) -> Result<u32, TaskError> {
    let mut at: u32 = ctx.load_checkpoint()?.unwrap_or(0);
    while at < to {
        at += 1;
        ctx.save_checkpoint(&at).await?;
        if at.is_multiple_of(3) {
            return Err(TaskError::new(format!("stopped at {at}")));
        }
    }
    ctx.clear_checkpoint().await?;
    Ok(at)
}

#[tokio::test]
async fn the_next_attempt_continues_at_the_checkpoint() {
    let first = TestTask::new("count").arg(5).run().await;
    assert_eq!(first.error(), &TaskError::new("stopped at 3"));
    assert_eq!(first.recorded.checkpoints, [Some(json!(1)), Some(json!(2)), Some(json!(3))]);

    let second = TestTask::new("count").arg(5).attempt(2).checkpoint(&3).run().await;
    assert_eq!(second.result(), &5_u32.into());
    assert_eq!(second.recorded.checkpoints, [Some(json!(4)), Some(json!(5)), None]);
}

/// Saves checkpoints of these sizes, and returns the size of the last one that stays.
#[sync_task]
fn keep_words(ctx: TaskContext, bytes: Vec<usize>) -> Result<usize, TaskError> {
    for bytes in bytes {
        ctx.save_checkpoint_blocking(&"x".repeat(bytes))?;
    }
    Ok(ctx.load_checkpoint::<String>()?.map_or(0, |words| words.len()))
}

#[test]
fn a_sync_handler_saves_on_its_own_thread() {
    let outcome = TestTask::new("keep_words").arg(vec![2, 3]).run_blocking();
    assert_eq!(outcome.result(), &3_usize.into());
}

#[test]
fn a_checkpoint_over_the_limit_is_refused_with_its_size_and_the_last_one_stays() {
    // Including the quotes.
    let most = MAX_CHECKPOINT_BYTES - 2;
    let outcome = TestTask::new("keep_words").arg(vec![most]).run_blocking();
    assert_eq!(outcome.result(), &most.into());

    let outcome = TestTask::new("keep_words").arg(vec![5, most + 1]).run_blocking();
    assert_eq!(
        outcome.error().message(),
        "the checkpoint has 4194305 bytes; at most 4194304 are accepted"
    );
    assert_eq!(outcome.recorded.checkpoints, [Some(json!("xxxxx"))]);
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_written_or_read_is_an_error_and_changes_nothing() {
    let ctx = TestTask::new("count").checkpoint("seven").context();
    let unreadable = ctx.load_checkpoint::<u32>();
    assert!(matches!(unreadable, Err(CheckpointError::Unreadable(_))), "{unreadable:?}");

    let odd = BTreeMap::from([((1, 2), "a key that JSON has no form for")]);
    let unwritable = ctx.save_checkpoint(&odd).await;
    assert!(matches!(unwritable, Err(CheckpointError::Unwritable(_))), "{unwritable:?}");
    assert_eq!(ctx.load_checkpoint::<String>().unwrap().as_deref(), Some("seven"));
    assert_eq!(ctx.recorded().checkpoints, []);
}

#[sync_task(inline)]
fn saves_inline(ctx: TaskContext) -> Result<(), TaskError> {
    ctx.save_checkpoint_blocking(&1)?;
    Ok(())
}

#[test]
fn an_inline_handler_must_not_block_on_its_checkpoint() {
    let outcome = TestTask::new("saves_inline").run_blocking();
    assert_eq!(
        outcome.error().message(),
        "an inline handler must not wait for `save_checkpoint`; make it `#[sync_task]` without `inline`"
    );
}

#[tokio::test]
async fn an_abandoned_attempt_gets_an_error() {
    let given_up = TestTask::new("count").arg(5).host_error(HostError::Stale);
    let outcome = given_up.run().await;
    let message = "this attempt is over: its task runs in another attempt, or has ended";
    assert_eq!(outcome.ending, TestEnding::Failed(TaskError::new(message)));
    assert_eq!(outcome.recorded.checkpoints, []);

    let ctx = TestTask::new("count").checkpoint(&3).host_error(HostError::Stale).context();
    let refused = ctx.save_checkpoint(&4).await;
    assert!(matches!(refused, Err(CheckpointError::Host(HostError::Stale))), "{refused:?}");
    assert_eq!(ctx.load_checkpoint().unwrap(), Some(3), "what was not stored was not saved");
}
