//! How often somebody wants to be told how the server gets on.

use std::time::Duration;

use super::duration;
use crate::error::Error;
use crate::pb;

/// How often unless it is said.
const USUAL: Duration = Duration::from_secs(1);
/// No oftener: each answer reads the store.
const LEAST: Duration = Duration::from_millis(100);
/// No less often: a stream that says nothing for longer is taken for dead by what lies between.
const MOST: Duration = Duration::from_secs(3600);

/// From WatchStatistics.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(in crate::server::api) fn watch_interval(
    message: &pb::WatchStatisticsRequest,
) -> Result<Duration, Error> {
    let every = duration(message.every, "every")?.unwrap_or(USUAL);
    if (LEAST..=MOST).contains(&every) {
        return Ok(every);
    }
    Err(Error::invalid("every", format!("{every:?}; expected 100 ms to 1 hour")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_neither_too_often_nor_too_seldom() {
        let check = |every: Option<(i64, i32)>, expected: Result<Duration, &str>| {
            let every = every.map(|(seconds, nanos)| prost_types::Duration { seconds, nanos });
            let read = watch_interval(&pb::WatchStatisticsRequest { every });
            assert_eq!(read.map_err(|error| error.message), expected.map_err(str::to_owned));
        };
        check(None, Ok(USUAL));
        check(Some((0, 100_000_000)), Ok(LEAST));
        check(Some((3600, 0)), Ok(MOST));
        check(Some((0, 99_999_999)), Err("every: 99.999999ms; expected 100 ms to 1 hour"));
        check(Some((3600, 1)), Err("every: 3600.000000001s; expected 100 ms to 1 hour"));
        check(Some((0, 0)), Err("every: 0ns; expected 100 ms to 1 hour"));
    }
}
