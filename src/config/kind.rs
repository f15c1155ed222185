//! What a setting takes: how each kind of value is read, bounded, shown and explained.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::store::Store;
use crate::config::value::{
    BadAddress, parse_count, parse_duration, parse_size, show_duration, show_size,
};
use crate::config::{Address, Config};
use crate::logger::Format;

/// `--log-dir none`: log to the terminal alone. `--schedules none`: no file declares any.
const NO_PATH: &str = "none";
/// `--queue-length unbounded`: `u64::MAX` in [`Config`].
const UNBOUNDED: &str = "unbounded";

/// The field that a setting sets.
pub(super) type Place<T> = fn(&mut Config) -> &mut T;

/// What a setting takes, its bounds, and the field that it sets.
pub(super) enum Kind {
    Address(Place<Address>),
    Directory(Place<PathBuf>),
    DirectoryOrNone(Place<Option<PathBuf>>),
    FileOrNone(Place<Option<PathBuf>>),
    Format(Place<Format>),
    Store(Place<Store>),
    Count(Place<usize>, RangeInclusive<u64>),
    Count32(Place<u32>, RangeInclusive<u64>),
    CountOrUnbounded(Place<u64>, RangeInclusive<u64>),
    Size(Place<usize>, RangeInclusive<u64>),
    Duration(Place<Duration>, RangeInclusive<Duration>),
}

impl Kind {
    /// Puts the value that `text` stands for into `config`; `None` when it is not accepted.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Option<()> {
        match self {
            Self::Address(place) => *place(config) = text.parse().ok()?,
            Self::Directory(_) | Self::DirectoryOrNone(_) | Self::FileOrNone(_)
                if text.is_empty() =>
            {
                return None;
            }
            Self::Directory(place) => *place(config) = text.into(),
            Self::DirectoryOrNone(place) | Self::FileOrNone(place) => {
                *place(config) = (text != NO_PATH).then(|| PathBuf::from(text));
            }
            Self::Format(place) => *place(config) = text.parse().ok()?,
            Self::Store(place) => place(config).choose(text)?,
            Self::Count(place, range) => *place(config) = count(text, range)?.try_into().ok()?,
            Self::Count32(place, range) => *place(config) = count(text, range)?.try_into().ok()?,
            Self::CountOrUnbounded(place, _) if text == UNBOUNDED => *place(config) = u64::MAX,
            Self::CountOrUnbounded(place, range) => *place(config) = count(text, range)?,
            Self::Size(place, range) => {
                *place(config) = parse_size(text).filter(|n| range.contains(n))?.try_into().ok()?;
            }
            Self::Duration(place, range) => {
                *place(config) = parse_duration(text).filter(|d| range.contains(d))?;
            }
        }
        Some(())
    }

    /// The value in `config`, as [`set`](Self::set) would take it.
    pub(super) fn show(&self, config: &Config) -> String {
        // The places lead to fields that can be set, so they are shown from a copy.
        let config = &mut config.clone();
        match self {
            Self::Address(place) => place(config).to_string(),
            Self::Directory(place) => place(config).display().to_string(),
            Self::DirectoryOrNone(place) | Self::FileOrNone(place) => match place(config) {
                Some(path) => path.display().to_string(),
                None => NO_PATH.to_owned(),
            },
            Self::Format(place) => place(config).to_string(),
            Self::Store(place) => place(config).backend.to_string(),
            Self::Count(place, _) => place(config).to_string(),
            Self::Count32(place, _) => place(config).to_string(),
            Self::CountOrUnbounded(place, _) => match *place(config) {
                u64::MAX => UNBOUNDED.to_owned(),
                count => count.to_string(),
            },
            Self::Size(place, _) => show_size(*place(config) as u64),
            Self::Duration(place, _) => show_duration(*place(config)),
        }
    }

    /// The same as a TOML value.
    pub(super) fn show_toml(&self, config: &Config) -> String {
        let text = self.show(config);
        match self {
            Self::Count(..) | Self::Count32(..) => text,
            Self::CountOrUnbounded(..) if text != UNBOUNDED => text,
            _ => toml::Value::String(text).to_string(),
        }
    }

    /// Stands for the value in `--help`.
    pub(super) fn placeholder(&self) -> &'static str {
        match self {
            Self::Address(_) => "HOST:PORT",
            Self::Directory(_) | Self::DirectoryOrNone(_) => "DIR",
            Self::FileOrNone(_) => "FILE",
            Self::Format(_) => "text|json",
            Self::Store(_) => "memory|sqlite[:DIR]",
            Self::Count(..) | Self::Count32(..) | Self::CountOrUnbounded(..) => "COUNT",
            Self::Size(..) => "SIZE",
            Self::Duration(..) => "DURATION",
        }
    }

    /// What is accepted, in words.
    pub(super) fn accepts(&self) -> String {
        match self {
            Self::Address(_) => BadAddress.to_string(),
            Self::Directory(_) => "expected a directory".into(),
            Self::DirectoryOrNone(_) => format!("expected a directory, or {NO_PATH}"),
            Self::FileOrNone(_) => format!("expected a file, or {NO_PATH}"),
            Self::Format(_) => "expected text or json".into(),
            Self::Store(_) => "expected memory, sqlite or sqlite:DIR".into(),
            Self::Count(_, range) | Self::Count32(_, range) => accepts_count(range),
            Self::CountOrUnbounded(_, range) => {
                format!("{}, or {UNBOUNDED}", accepts_count(range))
            }
            Self::Size(_, range) => format!(
                "expected a size from {} to {}, such as 512KiB or 4MiB",
                show_size(*range.start()),
                show_size(*range.end())
            ),
            Self::Duration(_, range) => format!(
                "expected a duration from {} to {}, such as 500ms, 30s, 5m or 24h",
                show_duration(*range.start()),
                show_duration(*range.end())
            ),
        }
    }
}

/// A whole number within `range`.
pub(super) fn count(text: &str, range: &RangeInclusive<u64>) -> Option<u64> {
    parse_count(text).filter(|number| range.contains(number))
}

/// What [`count`] accepts, in words.
pub(super) fn accepts_count(range: &RangeInclusive<u64>) -> String {
    format!("expected a whole number from {} to {}", range.start(), range.end())
}
