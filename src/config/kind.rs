//! Kinds of values: how each is parsed, bounded, printed and explained.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::rate::{accepts_rate, parse_rate, show_rate};
use crate::config::store::Store;
use crate::config::value::{
    Address, BadAddress, parse_count, parse_duration, parse_size, show_duration, show_size,
};
use crate::logger::Format;
use crate::models::Rate;

/// No directory or file: `--log-dir none`, `--schedules none`.
const NO_PATH: &str = "none";
/// No limit: `--queue-length unbounded`, which is `u64::MAX`.
const UNBOUNDED: &str = "unbounded";

/// A field of `C`, the struct that a table of settings configures.
pub(super) type Field<C, T> = fn(&mut C) -> &mut T;

/// The kind of a setting's value, its limits and its field.
pub(super) enum Kind<C> {
    Address(Field<C, Address>),
    Directory(Field<C, PathBuf>),
    DirectoryOrNone(Field<C, Option<PathBuf>>),
    FileOrNone(Field<C, Option<PathBuf>>),
    Format(Field<C, Format>),
    Store(Field<C, Store>),
    Count(Field<C, usize>, RangeInclusive<u64>),
    Count32(Field<C, u32>, RangeInclusive<u64>),
    CountOrUnbounded(Field<C, u64>, RangeInclusive<u64>),
    /// Unset unless given, like the two below.
    OptionalCount(Field<C, Option<u64>>, RangeInclusive<u64>),
    OptionalCount32(Field<C, Option<u32>>, RangeInclusive<u64>),
    OptionalRate(Field<C, Option<Rate>>),
    Size(Field<C, usize>, RangeInclusive<u64>),
    Duration(Field<C, Duration>, RangeInclusive<Duration>),
}

impl<C: Clone> Kind<C> {
    /// Parses `text` into the field; `None` if it is not accepted.
    pub(super) fn set(&self, config: &mut C, text: &str) -> Option<()> {
        match self {
            Self::Address(field) => *field(config) = text.parse().ok()?,
            Self::Directory(_) | Self::DirectoryOrNone(_) | Self::FileOrNone(_)
                if text.is_empty() =>
            {
                return None;
            }
            Self::Directory(field) => *field(config) = text.into(),
            Self::DirectoryOrNone(field) | Self::FileOrNone(field) => {
                *field(config) = (text != NO_PATH).then(|| PathBuf::from(text));
            }
            Self::Format(field) => *field(config) = text.parse().ok()?,
            Self::Store(field) => field(config).set(text)?,
            Self::Count(field, range) => *field(config) = count(text, range)?.try_into().ok()?,
            Self::Count32(field, range) => *field(config) = count(text, range)?.try_into().ok()?,
            Self::CountOrUnbounded(field, _) if text == UNBOUNDED => *field(config) = u64::MAX,
            Self::CountOrUnbounded(field, range) => *field(config) = count(text, range)?,
            Self::OptionalCount(field, range) => *field(config) = Some(count(text, range)?),
            Self::OptionalCount32(field, range) => {
                *field(config) = Some(count(text, range)?.try_into().ok()?);
            }
            Self::OptionalRate(field) => *field(config) = Some(parse_rate(text)?),
            Self::Size(field, range) => {
                *field(config) = parse_size(text).filter(|n| range.contains(n))?.try_into().ok()?;
            }
            Self::Duration(field, range) => {
                *field(config) = parse_duration(text).filter(|d| range.contains(d))?;
            }
        }
        Some(())
    }

    /// The field's value as [`set`](Self::set) accepts it; `None` if it is unset.
    pub(super) fn show(&self, config: &C) -> Option<String> {
        // `Field` needs `&mut`, so this reads from a copy.
        let config = &mut config.clone();
        Some(match self {
            Self::Address(field) => field(config).to_string(),
            Self::Directory(field) => field(config).display().to_string(),
            Self::DirectoryOrNone(field) | Self::FileOrNone(field) => match field(config) {
                Some(path) => path.display().to_string(),
                None => NO_PATH.to_owned(),
            },
            Self::Format(field) => field(config).to_string(),
            Self::Store(field) => field(config).backend.to_string(),
            Self::Count(field, _) => field(config).to_string(),
            Self::Count32(field, _) => field(config).to_string(),
            Self::CountOrUnbounded(field, _) => match *field(config) {
                u64::MAX => UNBOUNDED.to_owned(),
                count => count.to_string(),
            },
            Self::OptionalCount(field, _) => (*field(config))?.to_string(),
            Self::OptionalCount32(field, _) => (*field(config))?.to_string(),
            Self::OptionalRate(field) => show_rate((*field(config))?),
            Self::Size(field, _) => show_size(*field(config) as u64),
            Self::Duration(field, _) => show_duration(*field(config)),
        })
    }

    /// Like [`show`](Self::show), as a TOML value.
    pub(super) fn show_toml(&self, config: &C) -> Option<String> {
        let text = self.show(config)?;
        let is_number = match self {
            Self::Count(..)
            | Self::Count32(..)
            | Self::OptionalCount(..)
            | Self::OptionalCount32(..) => true,
            Self::CountOrUnbounded(..) => text != UNBOUNDED,
            _ => false,
        };
        Some(if is_number { text } else { toml::Value::String(text).to_string() })
    }

    /// The placeholder of the value in `--help`.
    pub(super) fn placeholder(&self) -> &'static str {
        match self {
            Self::Address(_) => "HOST:PORT",
            Self::Directory(_) | Self::DirectoryOrNone(_) => "DIR",
            Self::FileOrNone(_) => "FILE",
            Self::Format(_) => "text|json",
            Self::Store(_) => "memory|sqlite[:DIR]",
            Self::Count(..)
            | Self::Count32(..)
            | Self::CountOrUnbounded(..)
            | Self::OptionalCount(..)
            | Self::OptionalCount32(..) => "COUNT",
            Self::OptionalRate(_) => "RATE",
            Self::Size(..) => "SIZE",
            Self::Duration(..) => "DURATION",
        }
    }

    /// What is accepted, for messages.
    pub(super) fn accepts(&self) -> String {
        match self {
            Self::Address(_) => BadAddress.to_string(),
            Self::Directory(_) => "expected a directory".into(),
            Self::DirectoryOrNone(_) => format!("expected a directory, or {NO_PATH}"),
            Self::FileOrNone(_) => format!("expected a file, or {NO_PATH}"),
            Self::Format(_) => "expected text or json".into(),
            Self::Store(_) => "expected memory, sqlite or sqlite:DIR".into(),
            Self::Count(_, range)
            | Self::Count32(_, range)
            | Self::OptionalCount(_, range)
            | Self::OptionalCount32(_, range) => accepts_count(range),
            Self::CountOrUnbounded(_, range) => {
                format!("{}, or {UNBOUNDED}", accepts_count(range))
            }
            Self::OptionalRate(_) => accepts_rate(),
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

/// Parses a whole number within `range`.
pub(super) fn count(text: &str, range: &RangeInclusive<u64>) -> Option<u64> {
    parse_count(text).filter(|number| range.contains(number))
}

fn accepts_count(range: &RangeInclusive<u64>) -> String {
    format!("expected a whole number from {} to {}", range.start(), range.end())
}
