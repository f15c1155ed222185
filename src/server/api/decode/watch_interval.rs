//! The interval of WatchStatistics.

use std::time::Duration;

use crate::error::Error;
use crate::{pb, wire};

/// The interval unless the request sets one.
const DEFAULT: Duration = Duration::from_secs(1);
/// The shortest interval: each sample reads the store.
const MIN: Duration = Duration::from_millis(100);
/// The longest interval: proxies close streams that are silent for longer.
const MAX: Duration = Duration::from_secs(3600);

/// Decodes the interval of WatchStatistics.
///
/// # Errors
/// `INVALID_ARGUMENT` outside of 100 ms to 1 hour.
pub(in crate::server::api) fn watch_interval(
    message: &pb::WatchStatisticsRequest,
) -> Result<Duration, Error> {
    let every = wire::duration(message.every, "every")?.unwrap_or(DEFAULT);
    if (MIN..=MAX).contains(&every) {
        return Ok(every);
    }
    Err(Error::invalid("every", format!("{every:?}; expected 100 ms to 1 hour")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_100_ms_to_1_hour() {
        let check = |every: Option<(i64, i32)>, expected: Result<Duration, &str>| {
            let every = every.map(|(seconds, nanos)| prost_types::Duration { seconds, nanos });
            let decoded = watch_interval(&pb::WatchStatisticsRequest { every });
            assert_eq!(decoded.map_err(|error| error.message), expected.map_err(str::to_owned));
        };
        check(None, Ok(DEFAULT));
        check(Some((0, 100_000_000)), Ok(MIN));
        check(Some((3600, 0)), Ok(MAX));
        check(Some((0, 99_999_999)), Err("every: 99.999999ms; expected 100 ms to 1 hour"));
        check(Some((3600, 1)), Err("every: 3600.000000001s; expected 100 ms to 1 hour"));
        check(Some((0, 0)), Err("every: 0ns; expected 100 ms to 1 hour"));
    }
}
