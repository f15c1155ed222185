//! Parses cron expressions and time zones, with error messages for what croner ignores silently.

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::civil::Civil;
use crate::error::Error;
use crate::models::MAX_CRON_BYTES;

const EXPRESSION: &str = "cron.expression";
const TIME_ZONE: &str = "cron.time_zone";
/// The maximum length of a zone's name, in bytes.
const MAX_ZONE_BYTES: usize = 64;
/// The maximum number of suggestions for an unknown zone.
const MAX_SUGGESTIONS: usize = 3;
const MACROS: [&str; 6] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
const MONTHS: &[&str] =
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"];
/// The fields, from seconds on, and the words that each accepts.
const FIELDS: [(&str, &[&str]); 6] = [
    ("second", &[]),
    ("minute", &[]),
    ("hour", &[]),
    ("day of month", &["L", "W", "LW"]),
    ("month", MONTHS),
    ("day of week", WEEKDAYS),
];

/// Parses an expression. Also returns whether it is a time of day.
///
/// # Errors
/// `INVALID_ARGUMENT` for `cron.expression`.
pub(super) fn parse(text: &str) -> Result<(Civil, bool), Error> {
    if text.len() > MAX_CRON_BYTES {
        let why = format!("{} bytes long; at most {MAX_CRON_BYTES} are accepted", text.len());
        return Err(Error::invalid(EXPRESSION, why));
    }
    let refuse = |why: String| Error::invalid(EXPRESSION, format!("{text:?}: {why}"));
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_time_of_day = match &*fields {
        [] => {
            return Err(Error::invalid(
                EXPRESSION,
                "empty; expected an expression such as `30 4 * * MON`",
            ));
        }
        [word] if word.starts_with('@') => {
            if !MACROS.contains(&&*word.to_ascii_lowercase()) {
                return Err(refuse(format!(
                    "unknown macro; expected one of {}",
                    MACROS.join(", ")
                )));
            }
            !word.eq_ignore_ascii_case("@hourly")
        }
        fields => {
            let leading = match fields.len() {
                5 => 1,
                6 => 0,
                count => {
                    return Err(refuse(format!(
                        "{count} fields; expected minute, hour, day of month, month and day of \
                         week, optionally second before them"
                    )));
                }
            };
            for (field, (name, words)) in fields.iter().zip(&FIELDS[leading..]) {
                check_words(field, name, words).map_err(&refuse)?;
            }
            check_days_of_month(fields[3 - leading]).map_err(&refuse)?;
            check_days_of_week(fields[5 - leading]).map_err(&refuse)?;
            !fields[..3 - leading].iter().any(|field| field.starts_with('*'))
        }
    };
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    // croner upper-cases its input, which may change the length of other letters.
    if !text.is_ascii() {
        return Err(refuse("letters, digits and `* , - / ? # + @` are accepted".to_owned()));
    }
    let cron = parser.parse(text).map_err(|error| refuse(error.to_string()))?;
    Ok((Civil::of(cron), is_time_of_day))
}

/// croner accepts every name in every field, and ignores empty elements of a list.
fn check_words(field: &str, name: &str, words: &[&str]) -> Result<(), String> {
    if field.split(',').any(str::is_empty) {
        return Err(format!("empty list element in the field {name}"));
    }
    let mut found = field.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    match found.find(|word| !words.contains(&&*word.to_ascii_uppercase())) {
        None => Ok(()),
        Some(word) => {
            let accepted = match words {
                [] => "numbers are".to_owned(),
                words => format!("numbers and {} are", words.join(", ")),
            };
            Err(format!("{word:?} in the field {name}, where {accepted} accepted"))
        }
    }
}

/// croner ignores everything after a `W`, and `L` beside `LW`.
fn check_days_of_month(field: &str) -> Result<(), String> {
    let has = |word: &str| field.split(',').any(|part| part.eq_ignore_ascii_case(word));
    if has("L") && has("LW") {
        return Err("both L and LW in the field day of month; expected one of them".to_owned());
    }
    let mut after_w = field.split(',').filter_map(|part| part.split_once(['W', 'w']));
    match after_w.find(|(_, rest)| !rest.is_empty()) {
        None => Ok(()),
        Some((_, rest)) => Err(format!(
            "{rest:?} after W in the field day of month; expected a value such as `15W` or `LW`"
        )),
    }
}

/// croner ignores a lone `L` in a list, and a number before an `L`.
fn check_days_of_week(field: &str) -> Result<(), String> {
    for part in field.strip_prefix('+').unwrap_or(field).split(',') {
        if part.eq_ignore_ascii_case("L") {
            return Err(
                "L in the field day of week names no day; expected a value such as `5#L`, the \
                        last Friday"
                    .to_owned(),
            );
        }
        if let Some((_, nth)) = part.split_once('#')
            && !matches!(nth, "1" | "2" | "3" | "4" | "5" | "L" | "l")
        {
            return Err(format!(
                "{nth:?} after `#` in the field day of week; expected 1 to 5 or L"
            ));
        }
    }
    Ok(())
}

/// Looks up a zone by its name in the IANA database, ignoring case. An empty name is UTC.
///
/// # Errors
/// `INVALID_ARGUMENT` for `cron.time_zone`, with the nearest names.
pub(super) fn zone(name: &str) -> Result<TimeZone, Error> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    if name.len() > MAX_ZONE_BYTES {
        let why = format!("{} bytes long; at most {MAX_ZONE_BYTES} are accepted", name.len());
        return Err(Error::invalid(TIME_ZONE, why));
    }
    TimeZone::get(name).map_err(|_| {
        let near = nearest_zones(name).join(", ");
        let hint = if near.is_empty() {
            "expected a name of the IANA database, such as Europe/Berlin".to_owned()
        } else {
            format!("did you mean {near}?")
        };
        Error::invalid(TIME_ZONE, format!("unknown time zone {name:?}; {hint}"))
    })
}

/// The names most similar to this one, as a whole or in their last part (`Berlin`, `new york`).
fn nearest_zones(name: &str) -> Vec<String> {
    let tidy = |text: &str| text.to_ascii_lowercase().replace(' ', "_");
    let name = tidy(name);
    let place = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    // At most one typo per three letters.
    let max_distance = (place(&name).chars().count() / 3).max(1);
    let mut near: Vec<(usize, usize, String)> = jiff::tz::db()
        .available()
        .filter_map(|known| {
            let (known, like) = (known.to_string(), tidy(known.as_str()));
            let distance = |a: &str, b: &str| strsim::damerau_levenshtein(a, b);
            let by_place = distance(&place(&name), &place(&like));
            let whole = distance(&name, &like);
            (by_place <= max_distance || whole <= max_distance).then_some((
                by_place.min(whole),
                whole,
                known,
            ))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(MAX_SUGGESTIONS).map(|(_, _, known)| known).collect()
}
