//! Values as text: `30s`, `4MiB`, `localhost:50051`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// A host and a port to listen on. The host is not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address without brackets.
    pub host: String,
    /// The port; 0 picks a free one.
    pub port: u16,
}

/// The error for a text that is no `HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT, such as 127.0.0.1:50051, localhost:50051 or [::1]:50051")]
pub struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(BadAddress)?;
        // `u16::from_str` accepts a sign.
        let port_is_digits = port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|_| port_is_digits).ok_or(BadAddress)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|_| v6),
            None => is_name_or_v4(host).then_some(host),
        };
        Ok(Self { host: host.ok_or(BadAddress)?.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn is_name_or_v4(host: &str) -> bool {
    // Only digits and dots: an address, so that `999.0.0.1` is refused and not resolved as a name.
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

const MILLIS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const BYTES: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Parses a whole number with a unit: `500ms`, `30s`, `5m`, `24h`, `7d`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    parse_with_unit(text, &MILLIS).map(Duration::from_millis)
}

/// Formats a duration for [`parse_duration`] in the largest unit without a remainder; one day is `24h`.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let [.., (_, day)] = MILLIS;
    let units = if millis == day { &MILLIS[..4] } else { &MILLIS[..] };
    show_with_unit(millis, units, "0s")
}

/// Parses a whole number with a unit: `512B`, `64KiB`, `4MiB`, `1GiB`. Without a unit it is bytes.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse_count(text).or_else(|| parse_with_unit(text, &BYTES))
}

/// Formats a size for [`parse_size`] in the largest unit without a remainder.
pub(super) fn show_size(bytes: u64) -> String {
    show_with_unit(bytes, &BYTES, "0B")
}

/// Parses a whole number; `_` may separate digits, as in TOML.
pub(super) fn parse_count(text: &str) -> Option<u64> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    is_number.then(|| text.replace('_', "").parse().ok())?
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    parse_count(number.trim_end())?.checked_mul(*scale)
}

fn show_with_unit(number: u64, units: &[(&str, u64)], zero: &str) -> String {
    let whole = units.iter().rev().find(|(_, scale)| number != 0 && number.is_multiple_of(*scale));
    whole.map_or_else(|| zero.to_owned(), |(unit, scale)| format!("{}{unit}", number / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:50051", "127.0.0.1", 50051),
            ("localhost:0", "localhost", 0),
            ("[::1]:80", "::1", 80),
            ("my-host.example.com:65535", "my-host.example.com", 65535),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address, Address { host: host.into(), port });
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn an_invalid_address_is_refused() {
        for text in [
            "",
            ":",
            "50051",
            ":50051",
            "localhost",
            "localhost:",
            "localhost:+1",
            "localhost:65536",
            "999.0.0.1:80",
            "1.2.3:80",
            "::1:80",
            "[::1:80",
            "[localhost]:80",
            "http://a:80",
            "a b:80",
        ] {
            assert_eq!(text.parse::<Address>(), Err(BadAddress), "{text}");
        }
    }

    #[test]
    fn durations_are_parsed_and_formatted() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("5 m", 300_000, "5m"),
            ("24h", 86_400_000, "24h"),
            ("7d", 604_800_000, "7d"),
            ("1d", 86_400_000, "24h"),
            ("36h", 129_600_000, "36h"),
            ("90s", 90_000, "90s"),
            ("0s", 0, "0s"),
            ("1_500ms", 1_500, "1500ms"),
        ] {
            let duration = parse_duration(text);
            assert_eq!(duration, Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(duration.map(show_duration).as_deref(), Some(shown));
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "5M",
            "1h30m",
            "99999999999999999999s",
            "300000000000d",
            "_1s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_parsed_and_formatted() {
        for (text, bytes, shown) in [
            ("4MiB", 4 << 20, "4MiB"),
            ("1024", 1 << 10, "1KiB"),
            ("1500B", 1_500, "1500B"),
            ("2 GiB", 2 << 30, "2GiB"),
            ("0", 0, "0B"),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(show_size(bytes), shown);
        }
        for text in ["", "4MB", "4mib", "MiB", "-4MiB", "4.5MiB", "99999999999TiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
