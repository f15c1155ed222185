//! Ends of processes: crashes and graceful shutdowns.

use super::requests::Waiting;
use super::world::{Work, World};

impl World {
    /// The process crashes; another one opens the store.
    pub(super) fn crash(&mut self) {
        // A commit on its way may still reach the store.
        if self.rng.bool() {
            self.commit_without_answer();
        }
        self.reopen();
        assert!(self.found_a_crash, "the crash is found");
    }

    /// The process shuts down gracefully.
    pub(super) fn drain(&mut self) {
        self.act(|core, now, out| core.drain(now, out));
        for _ in 0..self.rng.u32(0..60) {
            match self.rng.u32(0..3) {
                0 => self.commit_step(),
                1 => self.work_step(),
                _ => self.handler_returns(),
            }
        }
        self.act(|core, now, out| core.abandon_all(now, out));
        let faults = std::mem::replace(&mut self.calm, true);
        while !self.writes.is_empty() || self.committing.is_some() || self.has_pending_claims() {
            self.commit_step();
            self.finish_claims();
        }
        let ticket = self.requests.ticket(&mut self.rng);
        self.requests.waiting.insert(ticket, Waiting::Queue);
        self.act(|core, _, out| core.stop(ticket, out));
        while !self.writes.is_empty() || self.committing.is_some() {
            self.commit_step();
        }
        self.calm = faults;
        self.reopen();
        assert!(!self.found_a_crash, "the shutdown was graceful");
        assert_eq!(self.ledger.rescued, 0, "a drain leaves nothing running");
    }

    pub(super) fn has_pending_claims(&self) -> bool {
        self.work.iter().any(|it| matches!(it, Work::Claim { .. } | Work::Claimed { .. }))
    }

    fn finish_claims(&mut self) {
        let (claims, rest) = std::mem::take(&mut self.work)
            .into_iter()
            .partition(|it| matches!(it, Work::Claim { .. } | Work::Claimed { .. }));
        self.work = rest;
        for work in claims {
            self.do_work(work);
        }
    }
}
