//! Rules that make tasks as time goes by: what they mean, and what is to be done about those that are
//! due.
//!
//! Owns when a rule runs ([`Timetable`], a pure function of the rule), what becomes of occurrences
//! that are due ([`plan`], a pure function of the schedule and the time), what a run is
//! ([`run`]), the checks of what people define, and the [`Ticker`], which carries it out. That a run
//! is stored in the commit that advances its schedule is the store's; whether a run may overlap with
//! the one before it is decided there, too.
//!
//! Invariants:
//! - Times of a rule are instants: strictly increasing, none twice, also where local time is put back.
//! - A schedule's next time moves forward only. What a clock that was put back shows once more does
//!   not run once more.
//! - Work is bounded however long nobody looked: what was missed is counted, not gone through.

mod check;
mod cron;
mod file;
mod periodic;
mod plan;
mod request;
mod run;
mod ticker;
mod timetable;

pub use check::{Checked, check, within};
pub use cron::Cron;
pub use file::{Declared, FileProblem, MAX_FILE_BYTES, parse_file};
pub use periodic::Periodic;
pub use plan::{Decision, MISSED_AFTER, plan};
pub use request::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest};
pub use run::{run, run_by_hand, same_task};
pub use ticker::{MOST_AT_ONCE, Ticker};
pub use timetable::Timetable;
