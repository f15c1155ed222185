//! One line of a ledger as a value.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};

use task_scheduler::models::{Fence, State};

use super::LINE_BYTES;

/// How a task that is left alone ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Well,
    /// Its body fails as often as it runs.
    Failed,
    /// Well, or because its time was over.
    WellOrTimedOut,
    /// It takes the process with it.
    Quarantined,
}

/// What a dependant waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Well,
    Anyhow,
}

/// What a body said when it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Well,
    Failed,
    Snoozed,
}

/// How a process went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    Killed,
    /// And what was not synced went with it: claims need not be.
    PowerLost,
    Drained,
}

/// An outcome, as somebody was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: State,
    /// The result; of a failure its code, a colon, and its message.
    pub(crate) text: String,
}

impl Told {
    /// Cut and cleaned so that it stands in a line.
    pub(crate) fn new(state: State, text: &str) -> Self {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.truncate(text.floor_char_boundary(LINE_BYTES / 3));
        Self { state, text: text.trim_end().to_owned() }
    }

    /// The claim that came to this, where a body did.
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

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.state, self.text)
    }
}

/// One line. The table in [`super`] says what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Start { id: String, attempt: u32, fence: Fence, at: u64, found: u64 },
    Saving { id: String, fence: Fence, value: u64 },
    Saved { id: String, fence: Fence, value: u64 },
    Spawning { id: String, fence: Fence, child: String },
    Spawned { id: String, fence: Fence, child: String },
    End { id: String, fence: Fence, how: Ending, at: u64, wait: u64 },
    Asked { id: String, ends: Ends, retries: u32, due: u64 },
    Needs { id: String, parent: String, how: Need },
    Accepted { id: String },
    Refused { id: String, reason: String },
    Told { id: String, told: Told },
    Missing { id: String },
    Cancelling { id: String },
    Verdict { id: String, verdict: String, state: Option<State> },
    Booted { at: u64 },
    Died { how: Death, at: u64 },
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
                write!(f, "end {id} {fence} {} {at} {wait}", name(&ENDINGS, *how))
            }
            Self::Asked { id, ends, retries, due } => {
                write!(f, "asked {id} {} {retries} {due}", name(&ENDS, *ends))
            }
            Self::Needs { id, parent, how } => {
                write!(f, "needs {id} {parent} {}", name(&NEEDS, *how))
            }
            Self::Accepted { id } => write!(f, "accepted {id}"),
            Self::Refused { id, reason } => write!(f, "refused {id} {reason}"),
            Self::Told { id, told } => write!(f, "told {id} {told}"),
            Self::Missing { id } => write!(f, "missing {id}"),
            Self::Cancelling { id } => write!(f, "cancelling {id}"),
            Self::Verdict { id, verdict, state: Some(state) } => {
                write!(f, "verdict {id} {verdict} {state}")
            }
            Self::Verdict { id, verdict, state: None } => write!(f, "verdict {id} {verdict}"),
            Self::Booted { at } => write!(f, "booted {at}"),
            Self::Died { how, at } => write!(f, "{} {at}", name(&DEATHS, *how)),
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
            how: named(&ENDINGS, next()?)?,
            at: next()?.parse().ok()?,
            wait: next()?.parse().ok()?,
        },
        "asked" => Entry::Asked {
            id: next()?.into(),
            ends: named(&ENDS, next()?)?,
            retries: next()?.parse().ok()?,
            due: next()?.parse().ok()?,
        },
        "needs" => Entry::Needs {
            id: next()?.into(),
            parent: next()?.into(),
            how: named(&NEEDS, next()?)?,
        },
        "accepted" => Entry::Accepted { id: next()?.into() },
        "refused" => Entry::Refused { id: next()?.into(), reason: next()?.into() },
        "told" => {
            let (id, state) = (next()?.into(), state(next()?)?);
            let text = words.by_ref().collect::<Vec<_>>().join(" ");
            Entry::Told { id, told: Told { state, text } }
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
        _ => Entry::Died { how: named(&DEATHS, kind)?, at: next()?.parse().ok()? },
    })
}

const ENDS: [(Ends, &str); 4] = [
    (Ends::Well, "well"),
    (Ends::Failed, "failed"),
    (Ends::WellOrTimedOut, "well-or-timed-out"),
    (Ends::Quarantined, "quarantined"),
];
const NEEDS: [(Need, &str); 2] = [(Need::Well, "well"), (Need::Anyhow, "anyhow")];
const ENDINGS: [(Ending, &str); 3] =
    [(Ending::Well, "well"), (Ending::Failed, "failed"), (Ending::Snoozed, "snoozed")];
const DEATHS: [(Death, &str); 3] =
    [(Death::Killed, "killed"), (Death::PowerLost, "power-lost"), (Death::Drained, "drained")];

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
fn what_is_written_is_read() {
    let fence = Fence { epoch: 3, counter: 14 };
    let entries = [
        Entry::Start { id: "a".into(), attempt: 1, fence, at: 5, found: 2 },
        Entry::Saving { id: "a".into(), fence, value: 3 },
        Entry::Saved { id: "a".into(), fence, value: 3 },
        Entry::Spawning { id: "a".into(), fence, child: "a/1".into() },
        Entry::Spawned { id: "a".into(), fence, child: "a/1".into() },
        Entry::End { id: "a".into(), fence, how: Ending::Snoozed, at: 5, wait: 20 },
        Entry::Asked { id: "a".into(), ends: Ends::WellOrTimedOut, retries: 3, due: 0 },
        Entry::Needs { id: "a".into(), parent: "b".into(), how: Need::Anyhow },
        Entry::Accepted { id: "a".into() },
        Entry::Refused { id: "a".into(), reason: "DRAINING".into() },
        Entry::Told { id: "a".into(), told: Told::new(State::Succeeded, "3.14") },
        Entry::Told { id: "a".into(), told: Told::new(State::Failed, "X: it\n went  wrong") },
        Entry::Missing { id: "a".into() },
        Entry::Cancelling { id: "a".into() },
        Entry::Verdict { id: "a".into(), verdict: "CANCELLED".into(), state: None },
        Entry::Verdict { id: "a".into(), verdict: "X".into(), state: Some(State::Expired) },
        Entry::Booted { at: 1 },
        Entry::Died { how: Death::Killed, at: 2 },
        Entry::Died { how: Death::PowerLost, at: 2 },
        Entry::Died { how: Death::Drained, at: 2 },
    ];
    for entry in entries {
        assert_eq!(entry.to_string().parse(), Ok(entry));
    }
    assert_eq!("start a 1 3.14 5".parse::<Entry>(), Err(()));
    assert_eq!("accepted a b".parse::<Entry>(), Err(()));
}
