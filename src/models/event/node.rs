//! The events of a server process: `node.*`.

use super::declare::declare_events;
use super::payload::time;
use super::{Fact, FieldKind, example};
use crate::clock::Timestamp;
use FieldKind::{Number, Text, Time};

/// What happened to this process. The payload of each is declared below it.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeFact {
    /// The server started.
    Started {
        /// Counts the starts of servers on this store.
        epoch: u64,
        /// The server's version.
        version: &'static str,
    },
    /// The server began its graceful shutdown: it accepts no more tasks.
    Draining,
    /// The server finished its graceful shutdown; the last event of its epoch.
    Stopped {
        /// The epoch that ends.
        epoch: u64,
    },
    /// A start found that the process before it ended without a graceful shutdown.
    Crashed {
        /// The epoch of the process that crashed.
        epoch: u64,
        /// When that process last wrote to the store.
        last_alive: Timestamp,
        /// How many of its tasks run again.
        rescued: u64,
        /// How many of its tasks failed with `QUARANTINED`.
        quarantined: u64,
    },
}

declare_events! {
    category: Node;
    fired_by: "the engine, at start and at shutdown";
    example_of: |fact| Fact::Node(fact);
    impl NodeFact, out;

    "node.started": "A server started";
    Self::Started { epoch, version } => {
        out.field("epoch", Number, *epoch, "counts the starts of servers on this store");
        out.field("version", Text, *version, "the server's version");
    }
    examples: [Self::Started { epoch: 2, version: "0.1.0" }];

    "node.draining": "A server began its graceful shutdown and accepts no more tasks";
    Self::Draining => {}
    examples: [Self::Draining];

    "node.stopped": "A server finished its graceful shutdown; its last event";
    Self::Stopped { epoch } => {
        out.field("epoch", Number, *epoch, "counts the starts of servers on this store");
    }
    examples: [Self::Stopped { epoch: 2 }];

    "node.crashed": "A start found that the server before it ended without a graceful shutdown";
    Self::Crashed { epoch, last_alive, rescued, quarantined } => {
        out.field("epoch", Number, *epoch, "the epoch of the server that crashed");
        out.field("last_alive_at", Time, time(*last_alive), "when that server was last known to run");
        out.field("rescued", Number, *rescued, "how many of its running tasks run again");
        out.field("quarantined", Number, *quarantined, "how many of them were quarantined instead");
    }
    examples: [Self::Crashed { epoch: 1, last_alive: example::at(5), rescued: 2, quarantined: 1 }];
}
