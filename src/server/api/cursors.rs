//! Cursors: where a watch goes on. A cursor is good for the task that it came from.

use crate::error::Error;
use crate::models::{TaskId, WatchCursor};
use crate::server::api::opaque_token::{open, seal, shown};

/// Reads and writes the cursors of one task.
#[derive(Debug)]
pub(super) struct Cursors {
    scope: Vec<u8>,
}

impl Cursors {
    /// Those of this task.
    pub(super) fn of(id: &TaskId) -> Self {
        Self { scope: [b"watch of ", id.as_str().as_bytes()].concat() }
    }

    /// The cursor as a client carries it.
    pub(super) fn write(&self, cursor: WatchCursor) -> String {
        seal(&self.scope, cursor.to_string().as_bytes())
    }

    /// Where a client stands. Empty text is the beginning.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for the field `cursor`, unless [`write`](Self::write) wrote it for the
    /// same task, in this process or another.
    pub(super) fn read(&self, text: &str) -> Result<WatchCursor, Error> {
        if text.is_empty() {
            return Ok(WatchCursor::default());
        }
        let body = open(&self.scope, text).and_then(|body| String::from_utf8(body).ok());
        body.and_then(|body| body.parse().ok()).ok_or_else(|| {
            let why = format!(
                "{:?} is no cursor of this task; expected one from an update about it, or none",
                shown(text)
            );
            Error::invalid("cursor", why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str) -> Cursors {
        Cursors::of(&TaskId::parse(id, "x").unwrap())
    }

    #[test]
    fn a_cursor_goes_on_where_it_came_from() {
        let longest = WatchCursor { history: u32::MAX, log: u32::MAX, progress: f64::MIN_POSITIVE };
        for cursor in
            [WatchCursor::default(), WatchCursor { history: 3, log: 7, progress: 0.25 }, longest]
        {
            assert_eq!(of("a").read(&of("a").write(cursor)), Ok(cursor));
        }
        assert_eq!(of("a").read(""), Ok(WatchCursor::default()));
    }

    #[test]
    fn a_cursor_of_another_task_and_one_that_nobody_gave_are_refused() {
        let cursor = of("a").write(WatchCursor::default());
        let refused = |id: &str, text: &str| of(id).read(text).expect_err(text).message;
        assert_eq!(
            refused("b", &cursor),
            format!(
                "cursor: {cursor:?} is no cursor of this task; expected one from an update about it, or none"
            )
        );
        let not_one = seal(&of("a").scope, b"1:2:9e9");
        for forged in ["0:0:0e0", "x", &cursor[1..], &not_one] {
            refused("a", forged);
        }
    }
}
