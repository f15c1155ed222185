//! Rows as SQL gives them: columns and what is encoded, put together.

use std::sync::Arc;

use super::codec::{Columns, Malformed, Sides, read_row, read_task, state_of, time};
use super::problem::{Fault, Result};
use crate::models::{QueueName, Sequence};
use crate::store::rules::Row;

/// The column of the queue's number, counted from the task's first.
pub(super) const QUEUE: usize = 1;
/// The row whose columns `id, queue, method, submitted, parent, asked, state, body` begin at `first`;
/// and what of it stands in other tables.
pub(super) fn read(
    sequence: Sequence,
    queue: QueueName,
    stored: &rusqlite::Row<'_>,
    first: usize,
) -> Result<(Row, Sides)> {
    let unreadable = |error: Malformed| Fault::unreadable(sequence, error);
    let columns = Columns {
        id: stored.get_ref(first)?.as_str()?,
        queue,
        method: stored.get_ref(first + 2)?.as_str()?.into(),
        submitted: time(stored.get::<_, i64>(first + 3)?.cast_unsigned()).map_err(unreadable)?,
        parent: stored.get_ref(first + 4)?.as_str_or_null()?,
    };
    let asked = stored.get_ref(first + 5)?.as_blob()?;
    let task = Arc::new(read_task(columns, asked).map_err(unreadable)?);
    let state = state_of(stored.get(first + 6)?).ok_or(Malformed::Wrong("an unknown state"));
    let body = stored.get_ref(first + 7)?.as_blob()?;
    state.and_then(|state| read_row(sequence, task, state, body)).map_err(unreadable)
}

/// How much room its encoded parts take.
pub(super) fn bytes(stored: &rusqlite::Row<'_>, first: usize) -> Result<usize> {
    let of = |at| Ok::<_, Fault>(stored.get_ref(at)?.as_blob()?.len());
    Ok(of(first + 5)? + of(first + 7)?)
}
