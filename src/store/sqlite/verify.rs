//! Verification of a file: its pages, its rows, and all that is derived from them.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::codec::{micros, state_number};
use super::connection::existing;
use super::error::{Result, SqliteError};
use super::id_key::Keys;
use super::reads::{Reader, TASK};
use super::schema::{self, VERSION};
use super::write_txn::{SUSPENDED, quarantine_number};
use super::{DATABASE, decode};
use crate::models::Sequence;
use crate::store::Error;
use crate::store::rules::{IndexEntry, KeyState, Row};

/// How many problems are reported.
const MAX_PROBLEMS: usize = 100;

/// Verifies the store in the directory `path`, or a backup file. A server may run on it meanwhile.
/// Returns a line for each problem, at most 100; none if the file is valid. Of a file of an older
/// version only the pages are checked.
///
/// # Errors
/// [`Error::Unusable`]: the file is no store, of a newer version, or too damaged to be read.
pub fn verify(path: &Path) -> std::result::Result<Vec<String>, Error> {
    let file = if path.is_dir() { path.join(DATABASE) } else { path.to_owned() };
    let connection = existing(&file)?;
    let version = schema::check(&file, &connection)?;
    look(&connection, version).map_err(|error| schema::unusable(&file, &error))
}

fn look(connection: &Connection, version: usize) -> Result<Vec<String>> {
    let moment = connection.unchecked_transaction()?;
    let mut problems = pages(connection)?;
    if problems.is_empty() && version == VERSION {
        let mut audit = Audit { connection, problems, totals: Totals::default() };
        audit.rows()?;
        audit.counters()?;
        audit.ids()?;
        audit.strays()?;
        audit.schedules()?;
        audit.outbox()?;
        problems = audit.problems;
    }
    moment.finish()?;
    problems.truncate(MAX_PROBLEMS);
    Ok(problems)
}

/// The problems that SQLite finds.
fn pages(connection: &Connection) -> Result<Vec<String>> {
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Totals over all rows.
#[derive(Default)]
struct Totals {
    /// By queue and kind.
    counts: BTreeMap<(i64, i64), i64>,
    timers: i64,
    children: i64,
    failed_for: i64,
    prunable_succeeded: i64,
    prunable_others: i64,
    /// How many unfinished rows need a row, and how many the row counts.
    needed: BTreeMap<Sequence, i64>,
    says_needed: BTreeMap<Sequence, i64>,
}

struct Audit<'c> {
    connection: &'c Connection,
    problems: Vec<String>,
    totals: Totals,
}

impl Audit<'_> {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Every task is either unfinished or ended, can be decoded, and agrees with its columns.
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
                let what = if live { "is both unfinished and ended" } else { "has no state" };
                self.problem(format!("task {seq} {what}"));
                continue;
            }
            let sequence = Sequence(seq.cast_unsigned());
            let read = reader
                .queue_name(stored.get(1 + decode::QUEUE)?)
                .and_then(|queue| decode::read(sequence, queue, stored, 1));
            match read {
                Ok((row, side_tables)) => {
                    let (checkpoint, decision): (bool, bool) = (stored.get(23)?, stored.get(24)?);
                    if (side_tables.checkpoint, side_tables.resolved_args) != (checkpoint, decision)
                    {
                        self.problem(format!(
                            "task {seq} disagrees with its checkpoint or its resolved arguments"
                        ));
                    }
                    self.row(&row, stored)?;
                }
                Err(error @ SqliteError::UndecodableTask(..)) => self.problem(error.to_string()),
                Err(SqliteError::Sqlite(rusqlite::Error::QueryReturnedNoRows)) => {
                    self.problem(format!("task {seq} is in a queue that does not exist"));
                }
                Err(error) => return Err(error),
            }
        }
        let needed = std::mem::take(&mut self.totals.needed);
        if needed != self.totals.says_needed {
            let differs = needed
                .keys()
                .chain(self.totals.says_needed.keys())
                .find(|seq| needed.get(seq) != self.totals.says_needed.get(seq))
                .copied();
            if let Some(Sequence(seq)) = differs {
                self.problem(format!("task {seq} has a wrong count of the tasks that need it"));
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row, stored: &rusqlite::Row<'_>) -> Result<()> {
        let entry = IndexEntry::of(row);
        let queue: i64 = stored.get(1 + decode::QUEUE)?;
        let agrees = if row.state.has_ended() {
            let ended_at = row.ended.as_ref().map(|ended| micros(ended.outcome.ended_at));
            ended_at == stored.get(9)?
                && stored.get::<_, Option<bool>>(20)? == Some(entry.prunable.is_some())
                && stored.get::<_, Option<i64>>(21)? == row.keep_until.map(micros)
                && stored.get::<_, Option<i64>>(22)?
                    == row.failed_for.map(|parent| parent.0.cast_signed())
        } else {
            let options = &row.task.options;
            let holds = matches!(entry.key_state, KeyState::Holds { .. });
            let expected = [
                entry.claimable.then_some(queue),
                (entry.key_state == KeyState::Blocked).then_some(queue),
                entry.timer.map(micros),
                holds.then_some(queue),
                quarantine_number(entry.quarantine),
                entry.child_of.map(|parent| parent.0.cast_signed()),
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
            self.problem(format!("task {seq} disagrees with its columns"));
        }
        if stored.get::<_, u32>(25)? > row.log_lines {
            self.problem(format!("task {seq} has more log lines than it counts"));
        }
        self.add(row, &entry, queue);
        Ok(())
    }

    fn add(&mut self, row: &Row, entry: &IndexEntry, queue: i64) {
        let totals = &mut self.totals;
        let mut count = |kind| *totals.counts.entry((queue, kind)).or_default() += 1;
        count(state_number(row.state));
        if entry.running && !entry.holds_slot {
            count(SUSPENDED as i64);
        }
        totals.timers += i64::from(entry.timer.is_some());
        totals.children += i64::from(entry.child_of.is_some());
        totals.failed_for += i64::from(entry.failed_for.is_some());
        totals.prunable_succeeded +=
            i64::from(entry.prunable.is_some_and(|(succeeded, _)| succeeded));
        totals.prunable_others +=
            i64::from(entry.prunable.is_some_and(|(succeeded, _)| !succeeded));
        for parent in &row.parents {
            *totals.needed.entry(*parent).or_default() += 1;
        }
        if row.needed_by > 0 {
            totals.says_needed.insert(row.sequence, i64::from(row.needed_by));
        }
    }

    /// Every counter equals the total.
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
        let counts = std::mem::take(&mut self.totals.counts);
        if stored != counts {
            self.problem(format!("the counters of queues are {stored:?}; expected {counts:?}"));
        }
        let counted = |sql: &str| self.connection.query_one(sql, [], |row| row.get::<_, i64>(0));
        let expected = [
            ("alarms", self.totals.timers),
            ("children", self.totals.children),
            ("failed_for", self.totals.failed_for),
            ("spent_well", self.totals.prunable_succeeded),
            ("spent_badly", self.totals.prunable_others),
            ("waits", counted("SELECT count(*) FROM waits")?),
            ("abroad", counted("SELECT count(*) FROM abroad")?),
            ("uniques", counted("SELECT count(*) FROM uniques")?),
            ("paces", counted("SELECT count(*) FROM paces")?),
        ];
        for (name, expected) in expected {
            let stored = counted(&format!("SELECT {name} FROM meta"))?;
            if stored != expected {
                self.problem(format!("the counter {name} is {stored}; expected {expected}"));
            }
        }
        Ok(())
    }

    /// Every id up to the watermark can be looked up. (One that is left of a deleted task does no
    /// harm.)
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

    /// Every schedule can be decoded, and a disabled one has no next time.
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
                self.problem(format!("schedule {name} lacks its definition or its state"));
                continue;
            }
            match decode::schedule(row) {
                Ok(status) if status.next.is_some() && !status.enabled => {
                    self.problem(format!("schedule {name} is disabled, but has a next time"));
                }
                Ok(_) => {}
                Err(error) => self.problem(format!("schedule {name}: {error}")),
            }
        }
        Ok(())
    }

    /// Every outbox entry has a webhook, and a position that was used.
    fn outbox(&mut self) -> Result<()> {
        if let Err(error) = decode::webhooks(self.connection) {
            self.problem(error.to_string());
        }
        for (wrong, sql) in [
            (
                "is for a webhook that does not exist",
                "SELECT position FROM outbox WHERE webhook NOT IN (SELECT name FROM webhooks)",
            ),
            (
                "has a position that was never used",
                "SELECT position FROM outbox, meta WHERE position > posted",
            ),
        ] {
            let mut statement = self.connection.prepare(&format!("{sql} LIMIT 1"))?;
            let mut rows = statement.query([])?;
            if let Some(row) = rows.next()? {
                let position: i64 = row.get(0)?;
                self.problem(format!("outbox entry {position} {wrong}"));
            }
        }
        Ok(())
    }

    /// Every row of another table belongs to a task.
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
                self.problem(format!("table {table} refers to task {seq}, which does not exist"));
            }
        }
        Ok(())
    }
}
