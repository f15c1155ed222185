//! The writer's SQL statements, prepared once for the life of its connection.

use rusqlite::{Connection, Statement};

use super::super::error::Result;

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        const SQL: [&str; [$($sql),*].len()] = [$($sql),*];

        pub(super) struct Statements<'c> {
            $(pub(super) $name: Statement<'c>,)*
        }

        impl<'c> Statements<'c> {
            pub(super) fn prepare(connection: &'c Connection) -> Result<Self> {
                // A loop: 75 early returns in a struct literal would compile to 114 kB.
                let mut prepared = Vec::with_capacity(SQL.len());
                for sql in SQL {
                    prepared.push(connection.prepare(sql)?);
                }
                let Ok([$($name),*]) = <[Statement<'c>; SQL.len()]>::try_from(prepared) else {
                    unreachable!("there is one statement for each text");
                };
                Ok(Self { $($name),* })
            }
        }
    };
}

statements! {
    begin = "BEGIN IMMEDIATE";
    commit = "COMMIT";
    rollback = "ROLLBACK";

    load_live = "SELECT t.id, t.queue, t.method, t.submitted, t.parent, t.asked, l.state, l.body
        FROM live l JOIN tasks t ON t.seq = l.seq WHERE l.seq = ?1";
    load_ended = "SELECT t.id, t.queue, t.method, t.submitted, t.parent, t.asked, e.state, e.body
        FROM ended e JOIN tasks t ON t.seq = e.seq WHERE e.seq = ?1";
    insert_task = "INSERT INTO tasks (seq, id, queue, method, submitted, parent, asked)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    update_task = "UPDATE tasks SET queue = ?2, method = ?3, submitted = ?4, parent = ?5, asked = ?6
        WHERE seq = ?1";
    delete_task = "DELETE FROM tasks WHERE seq = ?1";
    insert_live = "INSERT INTO live
        (seq, queue, priority, key, state, line, held, alarm, holds, suspicion, child, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    update_live = "UPDATE live SET queue = ?2, priority = ?3, key = ?4, state = ?5, line = ?6,
        held = ?7, alarm = ?8, holds = ?9, suspicion = ?10, child = ?11, body = ?12
        WHERE seq = ?1";
    // Leaves most indexes alone.
    update_state = "UPDATE live SET state = ?2, line = ?3, body = ?4 WHERE seq = ?1";
    update_body = "UPDATE live SET body = ?2 WHERE seq = ?1";
    delete_live = "DELETE FROM live WHERE seq = ?1";
    insert_ended = "INSERT INTO ended (seq, state, at, spent, keep_until, failed_for, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    update_ended = "UPDATE ended SET state = ?2, at = ?3, spent = ?4, keep_until = ?5,
        failed_for = ?6, body = ?7 WHERE seq = ?1";
    delete_ended = "DELETE FROM ended WHERE seq = ?1";

    load_checkpoint = "SELECT data FROM checkpoints WHERE seq = ?1";
    put_checkpoint = "INSERT OR REPLACE INTO checkpoints (seq, data) VALUES (?1, ?2)";
    delete_checkpoint = "DELETE FROM checkpoints WHERE seq = ?1";
    load_decision = "SELECT data FROM decisions WHERE seq = ?1";
    put_decision = "INSERT OR REPLACE INTO decisions (seq, data) VALUES (?1, ?2)";
    delete_decision = "DELETE FROM decisions WHERE seq = ?1";
    insert_log = "INSERT OR IGNORE INTO logs (seq, number, at, level, attempt, text)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    delete_logs = "DELETE FROM logs WHERE seq = ?1";

    insert_id = "INSERT OR IGNORE INTO ids (key, seq) VALUES (?1, ?2)";
    delete_id = "DELETE FROM ids WHERE key = ?1 AND seq = ?2";
    sequences_of_key = "SELECT seq FROM ids WHERE key = ?1";
    id_matches = "SELECT 1 FROM tasks WHERE seq = ?1 AND id = ?2";

    wait = "INSERT OR IGNORE INTO waits (parent, child) VALUES (?1, ?2)";
    stop_waiting = "DELETE FROM waits WHERE parent = ?1 AND child = ?2";
    next_waiting = "SELECT child FROM waits WHERE parent = ?1 ORDER BY child DESC LIMIT 1";
    wait_foreign = "INSERT OR IGNORE INTO abroad (parent, child) VALUES (?1, ?2)";
    stop_waiting_foreign = "DELETE FROM abroad WHERE parent = ?1 AND child = ?2";
    next_waiting_foreign = "SELECT min(child) FROM abroad WHERE parent = ?1";

    insert_mark = "INSERT INTO marks (position, seq) VALUES (?1, ?2)";
    delete_mark = "DELETE FROM marks WHERE position = ?1";

    next_due_timer = "SELECT seq FROM live WHERE alarm <= ?1 ORDER BY alarm, seq LIMIT 1";
    first_timer = "SELECT min(alarm) FROM live WHERE alarm IS NOT NULL";
    running = "SELECT seq FROM live WHERE state = 2 ORDER BY seq";
    next_child = "SELECT min(seq) FROM live WHERE child = ?1";
    failed_for = "SELECT min(seq) FROM ended WHERE failed_for = ?1 AND seq > ?2";

    holders = "SELECT count(*), count(line) FROM live WHERE holds = ?1 AND key = ?2";
    next_held = "SELECT seq FROM live WHERE held = ?1 AND queue = ?1 AND key = ?2
        ORDER BY priority DESC, seq LIMIT 1";
    load_pace = "SELECT next, wake FROM paces WHERE queue = ?1 AND key = ?2";
    insert_pace = "INSERT INTO paces (queue, key, next, wake) VALUES (?1, ?2, ?3, ?4)";
    update_pace = "UPDATE paces SET next = ?3, wake = ?4 WHERE queue = ?1 AND key = ?2";
    delete_pace = "DELETE FROM paces WHERE queue = ?1 AND key = ?2";
    keys_held = "SELECT DISTINCT key FROM live WHERE held = ?1";
    next_key = "SELECT queue, key FROM paces WHERE wake <= ?1 ORDER BY wake LIMIT 1";
    first_wake = "SELECT min(wake) FROM paces WHERE wake IS NOT NULL";
    first_in_quarantine = "SELECT min(seq) FROM live WHERE suspicion = ?1";

    unique = "SELECT seq FROM uniques WHERE key = ?1";
    insert_unique = "INSERT INTO uniques (key, seq) VALUES (?1, ?2)";
    update_unique = "UPDATE uniques SET seq = ?2 WHERE key = ?1";
    delete_unique = "DELETE FROM uniques WHERE key = ?1";

    load_schedule_state = "SELECT due, standing FROM schedules WHERE name = ?1";
    update_schedule_state = "UPDATE schedules SET due = ?2, standing = ?3 WHERE name = ?1";
    put_schedule_state = "INSERT INTO schedules (name, due, standing) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET due = excluded.due, standing = excluded.standing
        RETURNING number";
    put_definition = "INSERT OR REPLACE INTO definitions (schedule, data) VALUES (?1, ?2)";
    delete_schedule = "DELETE FROM schedules WHERE name = ?1 RETURNING number";
    delete_definition = "DELETE FROM definitions WHERE schedule = ?1";

    put_webhook = "INSERT OR REPLACE INTO webhooks (name, data) VALUES (?1, ?2)";
    delete_webhook = "DELETE FROM webhooks WHERE name = ?1";
    enqueue_outbox = "INSERT INTO outbox (position, webhook, event, at, payload)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    is_in_outbox = "SELECT 1 FROM outbox WHERE position = ?1";
    dequeue_outbox = "DELETE FROM outbox WHERE position = ?1";
    delete_outbox = "DELETE FROM outbox WHERE webhook = ?1";

    insert_queue = "INSERT INTO queues (name) VALUES (?1)";
    update_queue = "UPDATE queues SET settings = ?2 WHERE number = ?1";
    put_count = "INSERT INTO counts (queue, state, n) VALUES (?1, ?2, ?3)
        ON CONFLICT (queue, state) DO UPDATE SET n = excluded.n";
    update_meta = "UPDATE meta SET epoch = ?1, last_sequence = ?2, last_alive = ?3, watermark = ?4,
        waits = ?5, abroad = ?6, alarms = ?7, children = ?8, failed_for = ?9, uniques = ?10,
        spent_well = ?11, spent_badly = ?12, paces = ?13, stopped = ?14, posted = ?15";

    old = "SELECT seq, state, at, spent, keep_until FROM ended WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    submitted = "SELECT submitted FROM tasks WHERE seq = ?1";
    lowest = "SELECT min(seq) FROM tasks";
}
