//! The semantics of every store. Each test runs on every backend, on a new, open store. Where
//! backends may differ, a test asserts what the store's
//! [`properties`](task_scheduler::store::Store::properties) promise.

/// Runs test functions, which get a new store, on every backend.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        mod on_memory {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::conformance::given::Given::memory().await).await;
                }
            )*
        }

        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::conformance::given::Given::sqlite().await).await;
                }
            )*
        }
    };
}

mod cancel;
mod cascade;
mod chance;
mod checkpoint;
mod claim;
mod defined;
mod dependencies;
mod depths;
mod end_attempt;
mod events;
mod expand;
mod find;
mod fire;
mod foreign_ended;
mod forget;
mod given;
mod history;
mod holders;
mod insert;
mod keys;
mod list;
mod open;
mod outbox;
mod pause;
mod progress_and_logs;
mod promote;
mod prune;
mod quarantine;
mod queue_limits;
mod queues;
mod random;
mod rates;
mod resolve;
mod retried_by_hand;
mod run_again;
mod schedules;
mod spawn;
mod stop;
mod unique;
mod webhooks;
mod window;
