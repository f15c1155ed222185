//! Encodes the answers to SubmitChain and SubmitGroup.

use prost::Message as _;

use crate::models::{Ended, TaskId};
use crate::pb;
use crate::server::api::encode::submitted;

/// The answer to SubmitChain. It leaves out an outcome that does not fit into `max_bytes` beside the
/// ids; GetResult returns it.
pub(in crate::server::api) fn chain(
    ids: &[TaskId],
    last: Option<&Ended>,
    max_bytes: usize,
) -> pb::SubmitChainResponse {
    let mut answer = pb::SubmitChainResponse { task_ids: texts(ids), outcome: last.map(submitted) };
    if answer.encoded_len() > max_bytes {
        answer.outcome = None;
    }
    answer
}

/// The answer to SubmitGroup, with the same bound.
pub(in crate::server::api) fn group(
    ids: &[TaskId],
    callback: Option<&TaskId>,
    ended: Option<&Ended>,
    max_bytes: usize,
) -> pb::SubmitGroupResponse {
    let mut answer = pb::SubmitGroupResponse {
        task_ids: texts(ids),
        callback_id: callback.map(|id| id.as_str().into()).unwrap_or_default(),
        outcome: ended.map(submitted),
    };
    if answer.encoded_len() > max_bytes {
        answer.outcome = None;
    }
    answer
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().into()).collect()
}
