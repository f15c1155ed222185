//! The mapping between protobuf messages and the models, used by the server and the client.
//!
//! `From` encodes a model. The functions decode: they refuse what protobuf can express and no model
//! can, as `INVALID_ARGUMENT` that names the field. Bounds and defaults of a task are the engine's.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    CancelVerdict, CatchUp, Durability, HistoryEntry, Keys, Labels, LogLevel, LogLine, OnConflict,
    OnDependencyFailure, Overlap, QueueLimits, Rate, StartTime, State, TaskId, TaskOptions, Unique,
};
use crate::pb;

/// The longest duration that protobuf defines, in seconds: 10,000 years.
const MAX_DURATION_SECONDS: u64 = 315_576_000_000;

impl From<Timestamp> for prost_types::Timestamp {
    fn from(time: Timestamp) -> Self {
        let micros = time.as_micros();
        Self {
            seconds: (micros / 1_000_000).cast_signed(),
            nanos: i32::try_from(micros % 1_000_000 * 1_000).expect("less than a second"),
        }
    }
}

/// Decodes a time. Fractions of a microsecond are cut off.
///
/// # Errors
/// `INVALID_ARGUMENT` outside of the years 1970 to 9999.
pub(crate) fn timestamp(stamp: prost_types::Timestamp, field: &str) -> Result<Timestamp, Error> {
    let parts = (u64::try_from(stamp.seconds), u64::try_from(stamp.nanos));
    if let (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) = parts
        && let Some(micros) = seconds.checked_mul(1_000_000)
        && let Some(time) = Timestamp::from_micros(micros.saturating_add(nanos / 1_000))
    {
        return Ok(time);
    }
    let shown = format!("{} s and {} ns", stamp.seconds, stamp.nanos);
    Err(Error::invalid(
        field,
        format!("{shown} since 1970 is not an accepted time; expected 1970 to 9999"),
    ))
}

/// Encodes a duration; one that is longer than protobuf's 10,000 years becomes those.
pub(crate) fn to_duration(length: Duration) -> prost_types::Duration {
    let seconds = length.as_secs().min(MAX_DURATION_SECONDS);
    prost_types::Duration {
        seconds: seconds.cast_signed(),
        nanos: length.subsec_nanos().cast_signed(),
    }
}

/// Encodes a duration that a caller chose.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is longer than protobuf's 10,000 years.
pub(crate) fn checked_duration(
    length: Option<Duration>,
    field: &str,
) -> Result<Option<prost_types::Duration>, Error> {
    match length {
        Some(length) if length.as_secs() > MAX_DURATION_SECONDS => {
            let why = format!("{length:?}; at most 10,000 years are accepted");
            Err(Error::invalid(field, why))
        }
        length => Ok(length.map(to_duration)),
    }
}

/// Decodes a duration.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is negative, is longer than 10,000 years or has 10^9 ns or more.
pub(crate) fn duration(
    value: Option<prost_types::Duration>,
    field: &str,
) -> Result<Option<Duration>, Error> {
    let Some(value) = value else { return Ok(None) };
    let parts = (u64::try_from(value.seconds), u32::try_from(value.nanos));
    if let (Ok(seconds @ 0..=MAX_DURATION_SECONDS), Ok(nanos @ 0..1_000_000_000)) = parts {
        return Ok(Some(Duration::new(seconds, nanos)));
    }
    let shown = format!("{} s and {} ns", value.seconds, value.nanos);
    Err(Error::invalid(
        field,
        format!("{shown} is not a duration; expected 0 s or more, with 0 to 999999999 ns"),
    ))
}

impl From<State> for pb::TaskState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Retrying => Self::Retrying,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
        }
    }
}

/// Decodes a task state.
///
/// # Errors
/// `INVALID_ARGUMENT` for an unknown number, and for 0.
pub(crate) fn state(number: i32, field: &str) -> Result<State, Error> {
    use pb::TaskState as Wire;
    Ok(match Wire::try_from(number) {
        Ok(Wire::Pending) => State::Pending,
        Ok(Wire::Queued) => State::Queued,
        Ok(Wire::Running) => State::Running,
        Ok(Wire::Retrying) => State::Retrying,
        Ok(Wire::Succeeded) => State::Succeeded,
        Ok(Wire::Failed) => State::Failed,
        Ok(Wire::Cancelled) => State::Cancelled,
        Ok(Wire::Expired) => State::Expired,
        Ok(Wire::Unspecified) | Err(_) => {
            return Err(unknown(number, field, "PENDING (1) to EXPIRED (8)"));
        }
    })
}

impl From<Durability> for pb::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Durable => Self::Durable,
            Durability::Ephemeral => Self::Ephemeral,
        }
    }
}

fn durability(number: i32) -> Result<Option<Durability>, Error> {
    use pb::Durability as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Durable) => Ok(Some(Durability::Durable)),
        Ok(Wire::Ephemeral) => Ok(Some(Durability::Ephemeral)),
        Err(_) => Err(unknown(number, "options.durability", "DURABLE (1) or EPHEMERAL (2)")),
    }
}

impl From<OnDependencyFailure> for pb::OnDependencyFailure {
    fn from(choice: OnDependencyFailure) -> Self {
        match choice {
            OnDependencyFailure::Fail => Self::Fail,
            OnDependencyFailure::Run => Self::Run,
        }
    }
}

fn on_dependency_failure(number: i32) -> Result<Option<OnDependencyFailure>, Error> {
    use pb::OnDependencyFailure as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Fail) => Ok(Some(OnDependencyFailure::Fail)),
        Ok(Wire::Run) => Ok(Some(OnDependencyFailure::Run)),
        Err(_) => Err(unknown(number, "options.on_dependency_failure", "FAIL (1) or RUN (2)")),
    }
}

impl From<OnConflict> for pb::unique::OnConflict {
    fn from(choice: OnConflict) -> Self {
        match choice {
            OnConflict::ReturnFirst => Self::ReturnFirst,
            OnConflict::Replace => Self::Replace,
            OnConflict::Refuse => Self::Refuse,
        }
    }
}

fn on_conflict(number: i32) -> Result<OnConflict, Error> {
    use pb::unique::OnConflict as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::ReturnFirst) => Ok(OnConflict::ReturnFirst),
        Ok(Wire::Replace) => Ok(OnConflict::Replace),
        Ok(Wire::Refuse) => Ok(OnConflict::Refuse),
        Err(_) => {
            let expected = "RETURN_FIRST (1), REPLACE (2) or REFUSE (3)";
            Err(unknown(number, "options.unique.on_conflict", expected))
        }
    }
}

/// Encodes the options of a request.
///
/// # Errors
/// `INVALID_ARGUMENT` for a duration that is longer than protobuf's 10,000 years.
pub(crate) fn to_task_options(
    options: TaskOptions,
    cancel_on_disconnect: bool,
) -> Result<pb::TaskOptions, Error> {
    let Labels { tags, initiator, reason, source_system, correlation_id } = options.labels;
    let (run_at, delay) = to_time(options.start, "options.delay")?;
    let (expires_at, ttl) = to_time(options.expiry, "options.ttl")?;
    let retry = pb::RetryPolicy {
        retries: options.retries,
        base: checked_duration(options.backoff_base, "options.retry.base")?,
        multiplier: options.backoff_multiplier,
        max: checked_duration(options.backoff_max, "options.retry.max")?,
        jitter: options.jitter,
    };
    let on_dependency_failure = options.on_dependency_failure.map(pb::OnDependencyFailure::from);
    let durability = options.durability.map(pb::Durability::from);
    Ok(pb::TaskOptions {
        queue: options.queue.unwrap_or_default(),
        priority: options.priority,
        run_at,
        delay,
        expires_at,
        ttl,
        timeout: checked_duration(options.timeout, "options.timeout")?,
        retry: (retry != pb::RetryPolicy::default()).then_some(retry),
        tags,
        wait_for_dependencies: options.wait_for_dependencies,
        on_dependency_failure: on_dependency_failure.unwrap_or_default() as i32,
        durability: durability.unwrap_or_default() as i32,
        cancel_on_disconnect,
        initiator,
        reason,
        source_system,
        correlation_id,
        concurrency_key: options.keys.concurrency.unwrap_or_default(),
        unique: options.keys.unique.map(to_unique).transpose()?,
    })
}

/// Decodes the options of a request, except for `cancel_on_disconnect`.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(crate) fn task_options(message: pb::TaskOptions) -> Result<TaskOptions, Error> {
    let retry = message.retry.unwrap_or_default();
    Ok(TaskOptions {
        queue: set(message.queue),
        priority: message.priority,
        start: time((message.run_at, "options.run_at"), (message.delay, "options.delay"))?,
        expiry: time((message.expires_at, "options.expires_at"), (message.ttl, "options.ttl"))?,
        timeout: duration(message.timeout, "options.timeout")?,
        retries: retry.retries,
        backoff_base: duration(retry.base, "options.retry.base")?,
        backoff_multiplier: retry.multiplier,
        backoff_max: duration(retry.max, "options.retry.max")?,
        jitter: retry.jitter,
        wait_for_dependencies: message.wait_for_dependencies,
        on_dependency_failure: on_dependency_failure(message.on_dependency_failure)?,
        durability: durability(message.durability)?,
        labels: Labels {
            tags: message.tags,
            initiator: message.initiator,
            reason: message.reason,
            source_system: message.source_system,
            correlation_id: message.correlation_id,
        },
        keys: Keys {
            concurrency: set(message.concurrency_key),
            unique: message.unique.map(unique).transpose()?,
        },
    })
}

fn to_unique(unique: Unique) -> Result<pb::Unique, Error> {
    let window = checked_duration(unique.window, "options.unique.window")?;
    let on_conflict = pb::unique::OnConflict::from(unique.on_conflict) as i32;
    Ok(pb::Unique { key: unique.key, window, on_conflict })
}

fn unique(message: pb::Unique) -> Result<Unique, Error> {
    Ok(Unique {
        key: message.key,
        window: duration(message.window, "options.unique.window")?,
        on_conflict: on_conflict(message.on_conflict)?,
    })
}

/// A time on the wire: absolute, or relative to the acceptance of the task.
type WireTime = (Option<prost_types::Timestamp>, Option<prost_types::Duration>);

fn to_time(time: Option<StartTime>, field: &str) -> Result<WireTime, Error> {
    Ok(match time {
        None => (None, None),
        Some(StartTime::At(time)) => (Some(time.into()), None),
        Some(StartTime::After(length)) => (None, checked_duration(Some(length), field)?),
    })
}

fn time(
    (at, at_field): (Option<prost_types::Timestamp>, &str),
    (after, after_field): (Option<prost_types::Duration>, &str),
) -> Result<Option<StartTime>, Error> {
    match (at, after) {
        (None, None) => Ok(None),
        (Some(at), None) => timestamp(at, at_field).map(|at| Some(StartTime::At(at))),
        (None, after) => Ok(duration(after, after_field)?.map(StartTime::After)),
        (Some(_), Some(_)) => Err(Error::invalid(
            after_field,
            format!("set together with {at_field}; expected one of them"),
        )),
    }
}

impl From<&QueueLimits> for pb::QueueLimits {
    fn from(limits: &QueueLimits) -> Self {
        Self {
            weight: limits.weight,
            concurrency: limits.concurrency.unwrap_or(0),
            max_length: limits.max_length,
            rate: limits.rate.map(pb::RateLimit::from),
            concurrency_per_key: limits.concurrency_per_key,
            rate_per_key: limits.rate_per_key.map(pb::RateLimit::from),
        }
    }
}

/// Decodes the limits of a queue; a limit that is not set has its default.
///
/// # Errors
/// `INVALID_ARGUMENT` when one is out of bounds.
pub(crate) fn queue_limits(message: pb::QueueLimits, field: &str) -> Result<QueueLimits, Error> {
    let default = QueueLimits::default();
    let or = |number: u32, default: u32| if number == 0 { default } else { number };
    let limits = QueueLimits {
        weight: or(message.weight, default.weight),
        concurrency: (message.concurrency != 0).then_some(message.concurrency),
        max_length: message.max_length,
        rate: rate(message.rate, &format!("{field}.rate.per"))?,
        concurrency_per_key: or(message.concurrency_per_key, default.concurrency_per_key),
        rate_per_key: rate(message.rate_per_key, &format!("{field}.rate_per_key.per"))?,
    };
    limits.check(field)?;
    Ok(limits)
}

impl From<Rate> for pb::RateLimit {
    fn from(rate: Rate) -> Self {
        Self { count: rate.count, per: Some(to_duration(rate.per)) }
    }
}

fn rate(message: Option<pb::RateLimit>, per_field: &str) -> Result<Option<Rate>, Error> {
    let Some(message) = message else { return Ok(None) };
    let per = duration(message.per, per_field)?.unwrap_or_default();
    Ok(Some(Rate { count: message.count, per }))
}

impl From<HistoryEntry> for pb::HistoryEntry {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            state: pb::TaskState::from(entry.state) as i32,
            at: Some(entry.at.into()),
            attempt: entry.attempt,
            error: entry.error.unwrap_or_default(),
        }
    }
}

/// Decodes an entry of a task's history.
///
/// # Errors
/// `INVALID_ARGUMENT` when the state is unknown or the time is missing or out of range.
pub(crate) fn history_entry(entry: pb::HistoryEntry) -> Result<HistoryEntry, Error> {
    Ok(HistoryEntry {
        state: state(entry.state, "state")?,
        at: required_timestamp(entry.at, "at")?,
        attempt: entry.attempt,
        error: set(entry.error),
    })
}

impl From<LogLine> for pb::LogLine {
    fn from(line: LogLine) -> Self {
        use pb::log_line::Level;
        let level = match line.level {
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        };
        Self {
            number: line.number,
            at: Some(line.at.into()),
            level: level as i32,
            attempt: line.attempt,
            text: line.text,
        }
    }
}

/// Decodes a line of a task's log. An unknown level, of a newer server, becomes info.
///
/// # Errors
/// `INVALID_ARGUMENT` when the time is missing or out of range.
pub(crate) fn log_line(line: pb::LogLine) -> Result<LogLine, Error> {
    use pb::log_line::Level;
    let level = match line.level() {
        Level::Debug => LogLevel::Debug,
        Level::Unspecified | Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    Ok(LogLine {
        number: line.number,
        at: required_timestamp(line.at, "at")?,
        level,
        attempt: line.attempt,
        text: line.text,
    })
}

impl From<(TaskId, CancelVerdict)> for pb::CancelOutcome {
    fn from((id, verdict): (TaskId, CancelVerdict)) -> Self {
        use pb::cancel_outcome::Verdict;
        let (verdict, state) = match verdict {
            CancelVerdict::Cancelled => (Verdict::Cancelled, pb::TaskState::Cancelled),
            CancelVerdict::Requested => (Verdict::Requested, pb::TaskState::Running),
            CancelVerdict::AlreadyEnded(state) => (Verdict::AlreadyEnded, state.into()),
            CancelVerdict::NotFound => (Verdict::NotFound, pb::TaskState::Unspecified),
        };
        let task_id = id.as_str().into();
        Self { task_id, verdict: verdict as i32, state: state as i32 }
    }
}

/// Decodes the outcome of a cancel request for one task.
///
/// # Errors
/// `INVALID_ARGUMENT` when the id, the verdict or the state is not valid.
pub(crate) fn cancel_outcome(
    outcome: &pb::CancelOutcome,
) -> Result<(TaskId, CancelVerdict), Error> {
    use pb::cancel_outcome::Verdict;
    let verdict = match outcome.verdict() {
        Verdict::Cancelled => CancelVerdict::Cancelled,
        Verdict::Requested => CancelVerdict::Requested,
        Verdict::AlreadyEnded => CancelVerdict::AlreadyEnded(state(outcome.state, "state")?),
        Verdict::NotFound => CancelVerdict::NotFound,
        Verdict::Unspecified => {
            return Err(unknown(outcome.verdict, "verdict", "CANCELLED (1) to NOT_FOUND (4)"));
        }
    };
    Ok((TaskId::parse(&outcome.task_id, "task_id")?, verdict))
}

impl From<Overlap> for pb::OverlapPolicy {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Allow => Self::Allow,
            Overlap::Skip => Self::Skip,
            Overlap::Replace => Self::Replace,
        }
    }
}

/// Decodes an overlap policy.
///
/// # Errors
/// `INVALID_ARGUMENT` for an unknown number.
pub(crate) fn overlap(number: i32, field: &str) -> Result<Overlap, Error> {
    use pb::OverlapPolicy as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Skip) => Ok(Overlap::Skip),
        Ok(Wire::Allow) => Ok(Overlap::Allow),
        Ok(Wire::Replace) => Ok(Overlap::Replace),
        Err(_) => Err(unknown(number, field, "ALLOW (1), SKIP (2) or REPLACE (3)")),
    }
}

/// Encodes a catch-up policy, with its `max_catch_up`.
pub(crate) fn to_catch_up(catch_up: CatchUp) -> (pb::CatchUpPolicy, u32) {
    match catch_up {
        CatchUp::None => (pb::CatchUpPolicy::None, 0),
        CatchUp::Last => (pb::CatchUpPolicy::Last, 0),
        CatchUp::All(max) => (pb::CatchUpPolicy::All, max),
    }
}

/// Decodes a catch-up policy. `default_max` applies where `max_catch_up` is 0.
///
/// # Errors
/// `INVALID_ARGUMENT` for an unknown number, and for a `max_catch_up` without ALL.
pub(crate) fn catch_up(number: i32, max_catch_up: u32, default_max: u32) -> Result<CatchUp, Error> {
    use pb::CatchUpPolicy as Wire;
    let policy = match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Last) => CatchUp::Last,
        Ok(Wire::None) => CatchUp::None,
        Ok(Wire::All) if max_catch_up == 0 => return Ok(CatchUp::All(default_max)),
        Ok(Wire::All) => return Ok(CatchUp::All(max_catch_up)),
        Err(_) => return Err(unknown(number, "catch_up", "NONE (1), LAST (2) or ALL (3)")),
    };
    if max_catch_up != 0 {
        let why = format!("{max_catch_up}, but `catch_up` is not ALL; expected both or neither");
        return Err(Error::invalid("max_catch_up", why));
    }
    Ok(policy)
}

/// Prefixes the fields of a refusal with `outer`, the field that holds the refused message.
pub(crate) fn nested(outer: &str, mut error: Error) -> Error {
    for violation in &mut error.violations {
        violation.field = format!("{outer}.{}", violation.field);
    }
    if !error.violations.is_empty() {
        let texts = error.violations.iter().map(|it| format!("{}: {}", it.field, it.description));
        error.message = texts.collect::<Vec<_>>().join("; ");
    }
    error
}

/// Text that is empty on the wire is not set.
pub(crate) fn set(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn required_timestamp(
    stamp: Option<prost_types::Timestamp>,
    field: &str,
) -> Result<Timestamp, Error> {
    timestamp(stamp.ok_or_else(|| Error::invalid(field, "not set; expected a time"))?, field)
}

fn unknown(number: i32, field: &str, expected: &str) -> Error {
    Error::invalid(field, format!("{number} has no meaning; expected {expected}"))
}
