//! From text to what an expression names; and what is wrong with text that names nothing.

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::civil::Civil;
use crate::error::Error;
use crate::models::MAX_CRON_BYTES;

const EXPRESSION: &str = "cron.expression";
const TIME_ZONE: &str = "cron.time_zone";
/// The longest name of a zone that is looked for, in bytes.
const MAX_ZONE_BYTES: usize = 64;
/// The most names that are offered in the place of one that is not known.
const MOST_NAMES: usize = 3;
const MACROS: [&str; 6] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
const MONTHS: &[&str] =
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"];
/// The fields, from seconds on, and the words that may stand in each.
const FIELDS: [(&str, &[&str]); 6] = [
    ("second", &[]),
    ("minute", &[]),
    ("hour", &[]),
    ("day of month", &["L", "W", "LW"]),
    ("month", MONTHS),
    ("day of week", WEEKDAYS),
];

/// What an expression names, and whether it names times of day.
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
    let names_times = match &*fields {
        [] => return Err(Error::invalid(EXPRESSION, "empty; expected for example `30 4 * * MON`")),
        [word] if word.starts_with('@') => {
            if !MACROS.contains(&&*word.to_ascii_lowercase()) {
                return Err(refuse(format!("no macro; expected one of {}", MACROS.join(", "))));
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
                         week, perhaps second before them"
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
    // It upper-cases what is not ASCII into who knows what.
    if !text.is_ascii() {
        return Err(refuse("letters, digits and `* , - / ? # + @` are accepted".to_owned()));
    }
    let cron = parser.parse(text).map_err(|error| refuse(error.to_string()))?;
    Ok((Civil::of(cron), names_times))
}

/// croner takes a name for its number wherever it stands, and passes over nothing in a list.
fn check_words(field: &str, name: &str, words: &[&str]) -> Result<(), String> {
    if field.split(',').any(str::is_empty) {
        return Err(format!("nothing between two commas in the field {name}"));
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

/// croner passes over what stands behind a `W`, and over `L` beside `LW`.
fn check_days_of_month(field: &str) -> Result<(), String> {
    let there = |word: &str| field.split(',').any(|part| part.eq_ignore_ascii_case(word));
    if there("L") && there("LW") {
        return Err("both L and LW in the field day of month; expected one of them".to_owned());
    }
    let mut behind = field.split(',').filter_map(|part| part.split_once(['W', 'w']));
    match behind.find(|(_, behind)| !behind.is_empty()) {
        None => Ok(()),
        Some((_, behind)) => Err(format!(
            "{behind:?} behind W in the field day of month; expected for example `15W` or `LW`"
        )),
    }
}

/// croner passes over a lone `L` in a list, and over a number that stands before an `L`.
fn check_days_of_week(field: &str) -> Result<(), String> {
    for part in field.strip_prefix('+').unwrap_or(field).split(',') {
        if part.eq_ignore_ascii_case("L") {
            return Err("L in the field day of week does not say of which day the last is meant; \
                        expected for example `5#L`, the last Friday"
                .to_owned());
        }
        if let Some((_, nth)) = part.split_once('#')
            && !matches!(nth, "1" | "2" | "3" | "4" | "5" | "L" | "l")
        {
            return Err(format!(
                "{nth:?} behind `#` in the field day of week; expected 1 to 5 or L"
            ));
        }
    }
    Ok(())
}

/// The zone with a name of the IANA database, however its letters are cased; UTC if it is empty.
///
/// # Errors
/// `INVALID_ARGUMENT` for `cron.time_zone`, with the names that are nearest.
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
        Error::invalid(TIME_ZONE, format!("no time zone {name:?} is known; {hint}"))
    })
}

/// The names that are most like this one, or whose place is (`Berlin`, `new york`).
fn nearest_zones(name: &str) -> Vec<String> {
    let tidy = |text: &str| text.to_ascii_lowercase().replace(' ', "_");
    let name = tidy(name);
    let place = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    // One slip in three letters: farther away it is another place.
    let farthest = (place(&name).chars().count() / 3).max(1);
    let mut near: Vec<(usize, usize, String)> = jiff::tz::db()
        .available()
        .filter_map(|known| {
            let (known, like) = (known.to_string(), tidy(known.as_str()));
            let far = |a: &str, b: &str| strsim::damerau_levenshtein(a, b);
            let by_place = far(&place(&name), &place(&like));
            let whole = far(&name, &like);
            (by_place <= farthest || whole <= farthest).then_some((
                by_place.min(whole),
                whole,
                known,
            ))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(MOST_NAMES).map(|(_, _, known)| known).collect()
}
