//! One line of a ledger as a value.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};

use task_scheduler::models::{Fence, State};

use super::LINE_BYTES;

/// The outcome of a task that no client cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Succeeded,
    /// Its handler fails in every attempt.
    Failed,
    /// It succeeds or times out.
    SucceededOrTimedOut,
    /// It crashes the process.
    Quarantined,
}

/// When a dependant may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Succeeded,
    Ended,
}

/// The result that a handler returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerResult {
    Succeeded,
    Failed,
    Snoozed,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessExit {
    Killed,
    /// All unsynced writes are lost; claims need not be synced.
    PowerLost,
    Drained,
}

/// An outcome, as the server reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) state: State,
    /// The result; for a failure its code, a colon, and its message.
    pub(crate) text: String,
}

impl Outcome {
    /// Shortens the text and removes line breaks, so that it fits into a line.
    pub(crate) fn new(state: State, text: &str) -> Self {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.truncate(text.floor_char_boundary(LINE_BYTES / 3));
        Self { state, text: text.trim_end().to_owned() }
    }

    /// The fence of the claim whose handler returned this outcome.
    pub(crate) fn fence(&self) -> Option<Fence> {
        let text = match self.state {
            State::Succeeded => self.text.as_str(),
            State::Failed => self.text.strip_prefix("HANDLER_FAILED:")?,
            _ => return None,
        };
        fence(text)
    }

    /// The code of a failure.
    pub(crate) fn code(&self) -> Option<&str> {
        Some(self.text.split_once(':')?.0).filter(|_| self.state == State::Failed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.state, self.text)
    }
}

/// One line. The table in [`super`] explains each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Start { id: String, attempt: u32, fence: Fence, at: u64, found: u64 },
    Saving { id: String, fence: Fence, value: u64 },
    Saved { id: String, fence: Fence, value: u64 },
    Spawning { id: String, fence: Fence, child: String },
    Spawned { id: String, fence: Fence, child: String },
    End { id: String, fence: Fence, how: HandlerResult, at: u64, wait: u64 },
    Requested { id: String, expected: Expected, retries: u32, due: u64 },
    Needs { id: String, parent: String, how: Condition },
    Accepted { id: String },
    Refused { id: String, reason: String },
    Outcome { id: String, outcome: Outcome },
    Missing { id: String },
    Cancelling { id: String },
    Verdict { id: String, verdict: String, state: Option<State> },
    Booted { at: u64 },
    Exited { how: ProcessExit, at: u64 },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { id, attempt, fence, at, found } => {
                write!(f, "start {id} {attempt} {fence} {at} {found}")
            }
            Self::Saving { id, fence, value } => write!(f, "saving {id} {fence} {value}"),
            Self::Saved { id, fence, value } => write!(f, "saved {id} {fence} {value}"),
            Self::Spawning { id, fence, child } => write!(f, "spawning {id} {fence} {child}"),
            Self::Spawned { id, fence, child } => write!(f, "spawned {id} {fence} {child}"),
            Self::End { id, fence, how, at, wait } => {
                write!(f, "end {id} {fence} {} {at} {wait}", name(&RESULTS, *how))
            }
            Self::Requested { id, expected, retries, due } => {
                write!(f, "requested {id} {} {retries} {due}", name(&EXPECTED, *expected))
            }
            Self::Needs { id, parent, how } => {
                write!(f, "needs {id} {parent} {}", name(&CONDITIONS, *how))
            }
            Self::Accepted { id } => write!(f, "accepted {id}"),
            Self::Refused { id, reason } => write!(f, "refused {id} {reason}"),
            Self::Outcome { id, outcome } => write!(f, "outcome {id} {outcome}"),
            Self::Missing { id } => write!(f, "missing {id}"),
            Self::Cancelling { id } => write!(f, "cancelling {id}"),
            Self::Verdict { id, verdict, state: Some(state) } => {
                write!(f, "verdict {id} {verdict} {state}")
            }
            Self::Verdict { id, verdict, state: None } => write!(f, "verdict {id} {verdict}"),
            Self::Booted { at } => write!(f, "booted {at}"),
            Self::Exited { how, at } => write!(f, "{} {at}", name(&EXITS, *how)),
        }
    }
}

impl FromStr for Entry {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let mut words = line.split_whitespace();
        read(&mut words).filter(|_| words.next().is_none()).ok_or(())
    }
}

fn read(words: &mut SplitWhitespace<'_>) -> Option<Entry> {
    let kind = words.next()?;
    let mut next = || words.next();
    Some(match kind {
        "start" => Entry::Start {
            id: next()?.into(),
            attempt: next()?.parse().ok()?,
            fence: fence(next()?)?,
            at: next()?.parse().ok()?,
            found: next()?.parse().ok()?,
        },
        "saving" | "saved" => {
            let (id, fence, value) = (next()?.into(), fence(next()?)?, next()?.parse().ok()?);
            match kind {
                "saving" => Entry::Saving { id, fence, value },
                _ => Entry::Saved { id, fence, value },
            }
        }
        "spawning" | "spawned" => {
            let (id, fence, child) = (next()?.into(), fence(next()?)?, next()?.into());
            match kind {
                "spawning" => Entry::Spawning { id, fence, child },
                _ => Entry::Spawned { id, fence, child },
            }
        }
        "end" => Entry::End {
            id: next()?.into(),
            fence: fence(next()?)?,
            how: named(&RESULTS, next()?)?,
            at: next()?.parse().ok()?,
            wait: next()?.parse().ok()?,
        },
        "requested" => Entry::Requested {
            id: next()?.into(),
            expected: named(&EXPECTED, next()?)?,
            retries: next()?.parse().ok()?,
            due: next()?.parse().ok()?,
        },
        "needs" => Entry::Needs {
            id: next()?.into(),
            parent: next()?.into(),
            how: named(&CONDITIONS, next()?)?,
        },
        "accepted" => Entry::Accepted { id: next()?.into() },
        "refused" => Entry::Refused { id: next()?.into(), reason: next()?.into() },
        "outcome" => {
            let (id, state) = (next()?.into(), state(next()?)?);
            let text = words.by_ref().collect::<Vec<_>>().join(" ");
            Entry::Outcome { id, outcome: Outcome { state, text } }
        }
        "missing" => Entry::Missing { id: next()?.into() },
        "cancelling" => Entry::Cancelling { id: next()?.into() },
        "verdict" => Entry::Verdict {
            id: next()?.into(),
            verdict: next()?.into(),
            state: match next() {
                Some(word) => Some(state(word)?),
                None => None,
            },
        },
        "booted" => Entry::Booted { at: next()?.parse().ok()? },
        _ => Entry::Exited { how: named(&EXITS, kind)?, at: next()?.parse().ok()? },
    })
}

const EXPECTED: [(Expected, &str); 4] = [
    (Expected::Succeeded, "succeeded"),
    (Expected::Failed, "failed"),
    (Expected::SucceededOrTimedOut, "succeeded-or-timed-out"),
    (Expected::Quarantined, "quarantined"),
];
const CONDITIONS: [(Condition, &str); 2] =
    [(Condition::Succeeded, "succeeded"), (Condition::Ended, "ended")];
const RESULTS: [(HandlerResult, &str); 3] = [
    (HandlerResult::Succeeded, "succeeded"),
    (HandlerResult::Failed, "failed"),
    (HandlerResult::Snoozed, "snoozed"),
];
const EXITS: [(ProcessExit, &str); 3] = [
    (ProcessExit::Killed, "killed"),
    (ProcessExit::PowerLost, "power-lost"),
    (ProcessExit::Drained, "drained"),
];

fn name<T: PartialEq>(names: &[(T, &'static str)], value: T) -> &'static str {
    names.iter().find(|(known, _)| *known == value).expect("every value has a name").1
}

fn named<T: Copy>(names: &[(T, &'static str)], name: &str) -> Option<T> {
    Some(names.iter().find(|(_, known)| *known == name)?.0)
}

fn fence(word: &str) -> Option<Fence> {
    let (epoch, counter) = word.split_once('.')?;
    Some(Fence { epoch: epoch.parse().ok()?, counter: counter.parse().ok()? })
}

fn state(word: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.as_str() == word)
}

#[test]
fn every_entry_is_parsed_as_it_is_written() {
    let fence = Fence { epoch: 3, counter: 14 };
    let entries = [
        Entry::Start { id: "a".into(), attempt: 1, fence, at: 5, found: 2 },
        Entry::Saving { id: "a".into(), fence, value: 3 },
        Entry::Saved { id: "a".into(), fence, value: 3 },
        Entry::Spawning { id: "a".into(), fence, child: "a/1".into() },
        Entry::Spawned { id: "a".into(), fence, child: "a/1".into() },
        Entry::End { id: "a".into(), fence, how: HandlerResult::Snoozed, at: 5, wait: 20 },
        Entry::Requested {
            id: "a".into(),
            expected: Expected::SucceededOrTimedOut,
            retries: 3,
            due: 0,
        },
        Entry::Needs { id: "a".into(), parent: "b".into(), how: Condition::Ended },
        Entry::Accepted { id: "a".into() },
        Entry::Refused { id: "a".into(), reason: "DRAINING".into() },
        Entry::Outcome { id: "a".into(), outcome: Outcome::new(State::Succeeded, "3.14") },
        Entry::Outcome {
            id: "a".into(),
            outcome: Outcome::new(State::Failed, "X: it\n went  wrong"),
        },
        Entry::Missing { id: "a".into() },
        Entry::Cancelling { id: "a".into() },
        Entry::Verdict { id: "a".into(), verdict: "CANCELLED".into(), state: None },
        Entry::Verdict { id: "a".into(), verdict: "X".into(), state: Some(State::Expired) },
        Entry::Booted { at: 1 },
        Entry::Exited { how: ProcessExit::Killed, at: 2 },
        Entry::Exited { how: ProcessExit::PowerLost, at: 2 },
        Entry::Exited { how: ProcessExit::Drained, at: 2 },
    ];
    for entry in entries {
        assert_eq!(entry.to_string().parse(), Ok(entry));
    }
    assert_eq!("start a 1 3.14 5".parse::<Entry>(), Err(()));
    assert_eq!("accepted a b".parse::<Entry>(), Err(()));
}
