//! A stretch of time during which a zone's offset is constant. Seconds since 1970 throughout: of
//! instants in UTC, of local time as if it were UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// From one change of a zone's offset to the next.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Its first instant, if it has one.
    pub(super) begin: Option<i64>,
    /// The first instant after it.
    pub(super) end: Option<i64>,
    offset: i64,
    /// The offset before it.
    before: i64,
}

/// The last instant for which zones are asked; jiff ends within the last two days of 9999.
const LAST: i64 = 253_402_207_200;

impl Stretch {
    /// The one that this instant is in; `None` past the end of time.
    pub(super) fn at(zone: &TimeZone, at: i64) -> Option<Self> {
        if at > LAST {
            return None;
        }
        let instant = Timestamp::from_second(at).ok()?;
        let offset = |instant| i64::from(zone.to_offset(instant).seconds());
        // What precedes the next second is this one or earlier.
        let next = Timestamp::from_second(at + 1).ok()?;
        let begin = zone.preceding(next).next().map(|change| change.timestamp());
        let end = zone.following(instant).next().map(|change| change.timestamp().as_second());
        let before = begin.and_then(|begin| Timestamp::from_second(begin.as_second() - 1).ok());
        let offset_now = offset(instant);
        Some(Self {
            begin: begin.map(Timestamp::as_second),
            end,
            offset: offset_now,
            before: before.map_or(offset_now, offset),
        })
    }

    /// The local time of an instant in it.
    pub(super) fn civil(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset)
    }

    /// The instant of a local time in it.
    pub(super) fn instant(&self, civil: i64) -> i64 {
        civil - self.offset
    }

    /// Its last instant for which there is a local time.
    pub(super) fn last(&self) -> i64 {
        self.end.map_or(LAST, |end| end - 1)
    }

    /// The first and last local second that are left out at its beginning.
    pub(super) fn left_out(&self) -> Option<(i64, i64)> {
        let begin = self.begin.filter(|_| self.before < self.offset)?;
        Some((begin + self.before, begin + self.offset - 1))
    }

    /// The first local second that is not a repetition of what was before it.
    pub(super) fn repeats_until(&self) -> Option<i64> {
        let begin = self.begin.filter(|_| self.before > self.offset)?;
        Some(begin + self.before)
    }
}
