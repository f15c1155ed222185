//! Whether a file is sound: its pages, and everything in it that follows from something else.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::backup::existing;
use super::codec::{micros, state_number};
use super::key::Keys;
use super::problem::{Fault, Result};
use super::reads::{Reader, TASK};
use super::schema::{self, VERSION};
use super::unit::{RESTING, suspicion_number};
use super::{DATABASE, stored};
use crate::models::Sequence;
use crate::store::Error;
use crate::store::rules::{Facts, OfKey, Row};

/// The most problems that are told.
const MOST: usize = 100;

/// Looks through the whole file: the store in the directory `path`, or a copy of one. A server may run
/// on it meanwhile. Answers a line for each problem, at most a hundred; none: it is sound. Of a file
/// of an older version only the pages are judged.
///
/// # Errors
/// [`Error::Unusable`]: it is no store, of a newer version, or too damaged to be looked through.
pub fn verify(path: &Path) -> std::result::Result<Vec<String>, Error> {
    let file = if path.is_dir() { path.join(DATABASE) } else { path.to_owned() };
    let connection = existing(&file)?;
    let version = schema::check(&file, &connection)?;
    look(&connection, version).map_err(|fault| schema::unusable(&file, &fault))
}

fn look(connection: &Connection, version: usize) -> Result<Vec<String>> {
    let moment = connection.unchecked_transaction()?;
    let mut problems = pages(connection)?;
    if problems.is_empty() && version == VERSION {
        let mut audit = Audit { connection, problems, seen: Seen::default() };
        audit.rows()?;
        audit.counters()?;
        audit.ids()?;
        audit.strays()?;
        audit.schedules()?;
        audit.outbox()?;
        problems = audit.problems;
    }
    moment.finish()?;
    problems.truncate(MOST);
    Ok(problems)
}

/// What SQLite finds.
fn pages(connection: &Connection) -> Result<Vec<String>> {
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// What the rows add up to.
#[derive(Default)]
struct Seen {
    /// By queue and kind.
    counts: BTreeMap<(i64, i64), i64>,
    alarms: i64,
    children: i64,
    failed_for: i64,
    spent_well: i64,
    spent_badly: i64,
    /// How many unfinished rows need a row, and how many it says.
    needed: BTreeMap<Sequence, i64>,
    says_needed: BTreeMap<Sequence, i64>,
}

struct Audit<'c> {
    connection: &'c Connection,
    problems: Vec<String>,
    seen: Seen,
}

impl Audit<'_> {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MOST {
            self.problems.push(problem);
        }
    }

    /// Every task is either unfinished or has ended, can be read, and agrees with its columns.
    fn rows(&mut self) -> Result<()> {
        let sql = format!(
            "SELECT {TASK}, l.seq IS NOT NULL, e.seq IS NOT NULL,
                l.line, l.held, l.alarm, l.holds, l.suspicion, l.child, l.priority, l.key,
                e.spent, e.keep_until, e.failed_for, c.seq IS NOT NULL, d.seq IS NOT NULL,
                (SELECT count(*) FROM logs g WHERE g.seq = t.seq)
            FROM tasks t LEFT JOIN live l ON l.seq = t.seq LEFT JOIN ended e ON e.seq = t.seq
            LEFT JOIN checkpoints c ON c.seq = t.seq LEFT JOIN decisions d ON d.seq = t.seq"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut reader = Reader::new(self.connection, Keys::load(self.connection)?);
        while let Some(stored) = rows.next()? {
            let seq: i64 = stored.get(0)?;
            let (live, ended): (bool, bool) = (stored.get(10)?, stored.get(11)?);
            if live == ended {
                let what = if live { "is unfinished and has ended" } else { "has no state" };
                self.problem(format!("task {seq} {what}"));
                continue;
            }
            let sequence = Sequence(seq.cast_unsigned());
            let read = reader
                .queue_name(stored.get(1 + stored::QUEUE)?)
                .and_then(|queue| stored::read(sequence, queue, stored, 1));
            match read {
                Ok((row, sides)) => {
                    let (checkpoint, decision): (bool, bool) = (stored.get(23)?, stored.get(24)?);
                    if (sides.checkpoint, sides.resolved_args) != (checkpoint, decision) {
                        self.problem(format!("task {seq} misses its checkpoint or decision"));
                    }
                    self.row(&row, stored)?;
                }
                Err(fault @ Fault::Unreadable(..)) => self.problem(fault.to_string()),
                Err(Fault::Sqlite(rusqlite::Error::QueryReturnedNoRows)) => {
                    self.problem(format!("task {seq} is in a queue that is not there"));
                }
                Err(fault) => return Err(fault),
            }
        }
        let needed = std::mem::take(&mut self.seen.needed);
        if needed != self.seen.says_needed {
            let differs = needed
                .keys()
                .chain(self.seen.says_needed.keys())
                .find(|seq| needed.get(seq) != self.seen.says_needed.get(seq))
                .copied();
            if let Some(Sequence(seq)) = differs {
                self.problem(format!("task {seq} does not know by how many it is needed"));
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row, stored: &rusqlite::Row<'_>) -> Result<()> {
        let facts = Facts::of(row);
        let queue: i64 = stored.get(1 + stored::QUEUE)?;
        let agrees = if row.state.has_ended() {
            let ended_at = row.ended.as_ref().map(|ended| micros(ended.outcome.ended_at));
            ended_at == stored.get(9)?
                && stored.get::<_, Option<bool>>(20)? == Some(facts.spent.is_some())
                && stored.get::<_, Option<i64>>(21)? == row.keep_until.map(micros)
                && stored.get::<_, Option<i64>>(22)?
                    == row.failed_for.map(|parent| parent.0.cast_signed())
        } else {
            let options = &row.task.options;
            let holds = matches!(facts.of_key, OfKey::Holds { .. });
            let expected = [
                facts.claimable.then_some(queue),
                (facts.of_key == OfKey::BlockedBy).then_some(queue),
                facts.alarm.map(micros),
                holds.then_some(queue),
                suspicion_number(facts.suspicion),
                facts.child_of.map(|parent| parent.0.cast_signed()),
                Some(i64::from(options.priority)),
            ];
            let mut agrees = stored.get_ref(19)?.as_str_or_null()? == options.concurrency_key();
            for (at, expected) in (12..).zip(expected) {
                agrees &= stored.get::<_, Option<i64>>(at)? == expected;
            }
            agrees
        };
        let seq = row.sequence.0;
        if !agrees || row.ended.is_some() != row.state.has_ended() {
            self.problem(format!("task {seq} does not agree with its columns"));
        }
        if stored.get::<_, u32>(25)? > row.log_lines {
            self.problem(format!("task {seq} has more log lines than it knows"));
        }
        self.add(row, &facts, queue);
        Ok(())
    }

    fn add(&mut self, row: &Row, facts: &Facts, queue: i64) {
        let seen = &mut self.seen;
        let mut count = |kind| *seen.counts.entry((queue, kind)).or_default() += 1;
        count(state_number(row.state));
        if facts.running && !facts.at_work {
            count(RESTING as i64);
        }
        seen.alarms += i64::from(facts.alarm.is_some());
        seen.children += i64::from(facts.child_of.is_some());
        seen.failed_for += i64::from(facts.failed_for.is_some());
        seen.spent_well += i64::from(facts.spent.is_some_and(|(well, _)| well));
        seen.spent_badly += i64::from(facts.spent.is_some_and(|(well, _)| !well));
        for parent in &row.parents {
            *seen.needed.entry(*parent).or_default() += 1;
        }
        if row.needed_by > 0 {
            seen.says_needed.insert(row.sequence, i64::from(row.needed_by));
        }
    }

    /// Every counter is what there is.
    fn counters(&mut self) -> Result<()> {
        let mut stored = BTreeMap::new();
        let mut statement = self.connection.prepare("SELECT queue, state, n FROM counts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let n: i64 = row.get(2)?;
            if n != 0 {
                stored.insert((row.get(0)?, row.get(1)?), n);
            }
        }
        let counts = std::mem::take(&mut self.seen.counts);
        if stored != counts {
            self.problem(format!(
                "the counters of queues say {stored:?}, but there are {counts:?}"
            ));
        }
        let counted = |sql: &str| self.connection.query_one(sql, [], |row| row.get::<_, i64>(0));
        let expected = [
            ("alarms", self.seen.alarms),
            ("children", self.seen.children),
            ("failed_for", self.seen.failed_for),
            ("spent_well", self.seen.spent_well),
            ("spent_badly", self.seen.spent_badly),
            ("waits", counted("SELECT count(*) FROM waits")?),
            ("abroad", counted("SELECT count(*) FROM abroad")?),
            ("uniques", counted("SELECT count(*) FROM uniques")?),
            ("paces", counted("SELECT count(*) FROM paces")?),
        ];
        for (name, expected) in expected {
            let said = counted(&format!("SELECT {name} FROM meta"))?;
            if said != expected {
                self.problem(format!("the counter {name} says {said}, but there are {expected}"));
            }
        }
        Ok(())
    }

    /// Every id up to the watermark can be looked up. (That one is left of a task that was forgotten does
    /// no harm.)
    fn ids(&mut self) -> Result<()> {
        let keys = Keys::load(self.connection)?;
        let sql = "SELECT t.seq, t.id FROM tasks t, meta m WHERE t.seq <= m.watermark";
        let mut statement = self.connection.prepare(sql)?;
        let mut is_there =
            self.connection.prepare("SELECT 1 FROM ids WHERE key = ?1 AND seq = ?2")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (seq, id): (i64, String) = (row.get(0)?, row.get(1)?);
            let found = match crate::models::TaskId::parse(&id, "id") {
                Ok(id) => is_there.exists((keys.of(&id), seq))?,
                Err(_) => true,
            };
            if !found {
                self.problem(format!("task {seq} cannot be found by its id {id}"));
            }
        }
        Ok(())
    }

    /// Every schedule can be read, and none runs that is disabled.
    fn schedules(&mut self) -> Result<()> {
        let sql = "SELECT coalesce(s.name, '?'), s.due, s.standing, d.data
            FROM schedules s FULL JOIN definitions d ON d.schedule = s.number";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if row.get::<_, Option<Vec<u8>>>(2)?.is_none()
                || row.get::<_, Option<Vec<u8>>>(3)?.is_none()
            {
                self.problem(format!("schedule {name} has no definition, or is one alone"));
                continue;
            }
            match stored::schedule(row) {
                Ok(status) if status.next.is_some() && !status.enabled => {
                    self.problem(format!("schedule {name} is disabled and runs"));
                }
                Ok(_) => {}
                Err(fault) => self.problem(format!("schedule {name}: {fault}")),
            }
        }
        Ok(())
    }

    /// What is put aside is for somebody who can be read, at a place that was given.
    fn outbox(&mut self) -> Result<()> {
        if let Err(fault) = stored::webhooks(self.connection) {
            self.problem(fault.to_string());
        }
        for (wrong, sql) in [
            (
                "is for a webhook that is not there",
                "SELECT position FROM outbox WHERE webhook NOT IN (SELECT name FROM webhooks)",
            ),
            (
                "stands at a place that was never given",
                "SELECT position FROM outbox, meta WHERE position > posted",
            ),
        ] {
            let mut statement = self.connection.prepare(&format!("{sql} LIMIT 1"))?;
            let mut rows = statement.query([])?;
            if let Some(row) = rows.next()? {
                let position: i64 = row.get(0)?;
                self.problem(format!("what was put aside at {position} {wrong}"));
            }
        }
        Ok(())
    }

    /// Nothing belongs to a task that is not there.
    fn strays(&mut self) -> Result<()> {
        for (table, column) in [
            ("live", "seq"),
            ("ended", "seq"),
            ("checkpoints", "seq"),
            ("decisions", "seq"),
            ("logs", "seq"),
            ("marks", "seq"),
            ("uniques", "seq"),
            ("waits", "parent"),
            ("waits", "child"),
            ("abroad", "child"),
        ] {
            let sql = format!(
                "SELECT {column} FROM {table} WHERE {column} NOT IN (SELECT seq FROM tasks) LIMIT 1"
            );
            let mut statement = self.connection.prepare(&sql)?;
            let mut rows = statement.query([])?;
            if let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                self.problem(format!("{table} speaks of task {seq}, which is not there"));
            }
        }
        Ok(())
    }
}
