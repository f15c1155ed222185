//! Rates as text: `100/s`, `10/m`, `5/10s`.

use std::ops::RangeInclusive;

use crate::config::kind::count;
use crate::config::value::{parse_duration, show_duration};
use crate::models::{MAX_RATE_PERIOD, Rate};

const COUNTS: RangeInclusive<u64> = 1..=1_000_000;

/// Parses `COUNT/TIME`; the time may omit its number, as in `100/s`.
pub(super) fn parse_rate(text: &str) -> Option<Rate> {
    let (number, time) = text.split_once('/')?;
    let number = count(number.trim_end(), &COUNTS)?.try_into().ok()?;
    let time = time.trim_start();
    let per = match time.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => parse_duration(&format!("1{time}"))?,
        false => parse_duration(time)?,
    };
    (!per.is_zero() && per <= MAX_RATE_PERIOD).then_some(Rate { count: number, per })
}

/// Formats a rate for [`parse_rate`]. Truncates the time to milliseconds.
pub(super) fn show_rate(rate: Rate) -> String {
    let per = show_duration(rate.per);
    let one_of =
        per.strip_prefix('1').filter(|unit| !unit.starts_with(|c: char| c.is_ascii_digit()));
    format!("{}/{}", rate.count, one_of.unwrap_or(&per))
}

/// What [`parse_rate`] accepts, for messages.
pub(super) fn accepts_rate() -> String {
    format!(
        "expected a rate such as 100/s, 10/m or 5/10s: from {} to {} in a time of at most {}",
        COUNTS.start(),
        COUNTS.end(),
        show_duration(MAX_RATE_PERIOD)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rates_are_parsed_and_formatted() {
        for (text, number, millis, shown) in [
            ("100/s", 100, 1_000, "100/s"),
            ("10/m", 10, 60_000, "10/m"),
            ("5/10s", 5, 10_000, "5/10s"),
            ("1/1ms", 1, 1, "1/ms"),
            ("1_000 / 24 h", 1_000, 86_400_000, "1000/24h"),
            ("1/d", 1, 86_400_000, "1/24h"),
            ("60/60m", 60, 3_600_000, "60/h"),
            ("1000000/100ms", 1_000_000, 100, "1000000/100ms"),
        ] {
            let rate = Rate { count: number, per: Duration::from_millis(millis) };
            assert_eq!(parse_rate(text), Some(rate), "{text}");
            assert_eq!(show_rate(rate), shown);
            assert_eq!(parse_rate(shown), Some(rate), "{shown}");
        }
        for text in [
            "",
            "/",
            "100",
            "100/",
            "/s",
            "0/s",
            "-1/s",
            "1.5/s",
            "1000001/s",
            "1/0s",
            "1/-1s",
            "1/2d",
            "1/sec",
            "1/1/s",
            "s/1",
            "1 per s",
        ] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }
}
