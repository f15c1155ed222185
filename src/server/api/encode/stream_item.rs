//! Encodes the items of the streams WatchTask and StreamEvents.

use crate::models::{Update, WatchCursor};
use crate::pb;
use crate::server::api::cursors::{WatchCursors, encode_event};
use crate::server::api::encode::{event, result};
use crate::system::{EventCursor, StreamItem};

/// An item of WatchTask.
pub(in crate::server::api) fn update(
    cursors: &WatchCursors,
    (cursor, update): (WatchCursor, Update),
) -> pb::WatchTaskResponse {
    use pb::watch_task_response::Update as Wire;
    let update = match update {
        Update::Entered(entry) => Wire::Entered(entry.into()),
        Update::Progress(fraction, message) => Wire::Progress(pb::Progress { fraction, message }),
        Update::Log(line) => Wire::Log(line.into()),
        Update::Outcome(outcome) => Wire::Outcome(result(&outcome)),
    };
    pb::WatchTaskResponse { cursor: cursors.encode(cursor), update: Some(update) }
}

/// An item of StreamEvents.
pub(in crate::server::api) fn stream_item(
    (cursor, item): (EventCursor, StreamItem),
) -> pb::StreamEventsResponse {
    use pb::stream_events_response::Update as Wire;
    let update = match item {
        StreamItem::Event(it) => Wire::Event(event(&it)),
        StreamItem::Missed { count, reason } => {
            Wire::Missed(pb::Missed { count, reason: reason.into() })
        }
    };
    pb::StreamEventsResponse { cursor: encode_event(cursor), update: Some(update) }
}
