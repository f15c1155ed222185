//! Schedules: cron and interval rules that create tasks.
//!
//! Owns when a rule runs ([`Timetable`], a pure function of the rule), which due occurrences run
//! ([`plan`], a pure function of the schedule and the time), what a run is ([`run`]), how schedules are
//! checked and defined ([`Schedules`]), and the [`Ticker`], which fires them. The store inserts a run in
//! the commit that advances its schedule, and applies the overlap policy there.
//!
//! Invariants:
//! - The times of a rule are instants and strictly increasing, also where local time is set back.
//! - The next time of a schedule only moves forward. An occurrence that the clock shows again after it
//!   was set back does not run again.
//! - Work is bounded after any downtime: missed occurrences are counted, not enumerated.

mod check;
mod cron;
mod define;
mod file;
mod periodic;
mod plan;
mod request;
mod run;
#[cfg(test)]
mod tests;
mod ticker;
mod timetable;

pub use check::{Definition, at_field, check};
pub use cron::Cron;
pub use define::{Schedules, next_times};
pub use file::{Declared, FileProblem, MAX_FILE_BYTES, parse_file};
pub use periodic::Periodic;
pub use plan::{MISSED_AFTER, Plan, plan};
pub use request::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest};
pub use run::{manual_run, run, same_template};
pub use ticker::{Options as TickerOptions, Ticker};
pub use timetable::Timetable;
