//! Spans of time in which a zone's offset is constant. All values are seconds since 1970: instants in
//! UTC, local times as if they were UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The span between two changes of a zone's offset.
#[derive(Debug)]
pub(super) struct OffsetSpan {
    /// The first instant, unless the span is the zone's first.
    pub(super) begin: Option<i64>,
    /// The first instant after the span, unless it is the zone's last.
    pub(super) end: Option<i64>,
    offset: i64,
    /// The offset of the span before.
    offset_before: i64,
}

/// The last instant for which jiff knows a local time in every zone; it ends within the last two days
/// of 9999.
const LAST: i64 = 253_402_207_200;

impl OffsetSpan {
    /// The span that contains an instant; `None` after the year 9999.
    pub(super) fn at(zone: &TimeZone, at: i64) -> Option<Self> {
        if at > LAST {
            return None;
        }
        let instant = Timestamp::from_second(at).ok()?;
        let offset_at = |instant| i64::from(zone.to_offset(instant).seconds());
        // `preceding` excludes its argument, and a change at `at` begins this span.
        let next = Timestamp::from_second(at + 1).ok()?;
        let begin = zone.preceding(next).next().map(|change| change.timestamp());
        let end = zone.following(instant).next().map(|change| change.timestamp().as_second());
        let before = begin.and_then(|begin| Timestamp::from_second(begin.as_second() - 1).ok());
        let offset = offset_at(instant);
        Some(Self {
            begin: begin.map(Timestamp::as_second),
            end,
            offset,
            offset_before: before.map_or(offset, offset_at),
        })
    }

    /// The local time of an instant in the span.
    pub(super) fn civil(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset)
    }

    /// The instant of a local time in the span.
    pub(super) fn instant(&self, civil: i64) -> i64 {
        civil - self.offset
    }

    /// The last instant of the span.
    pub(super) fn last(&self) -> i64 {
        self.end.map_or(LAST, |end| end - 1)
    }

    /// The first and last local second of the gap before the span.
    pub(super) fn gap(&self) -> Option<(i64, i64)> {
        let begin = self.begin.filter(|_| self.offset_before < self.offset)?;
        Some((begin + self.offset_before, begin + self.offset - 1))
    }

    /// The first local second after the fold with which the span begins.
    pub(super) fn fold_end(&self) -> Option<i64> {
        let begin = self.begin.filter(|_| self.offset_before > self.offset)?;
        Some(begin + self.offset_before)
    }
}
