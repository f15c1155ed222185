//! How processes end: they die, or they are told to stop.

use super::requests::Waiting;
use super::world::{Work, World};

impl World {
    /// The process dies; another one opens the store.
    pub(super) fn crash(&mut self) {
        // A commit on its way may reach the store all the same.
        if self.rng.bool() {
            self.commit_unheard();
        }
        self.reopen();
        assert!(self.found_a_crash, "it did not end as it was told to");
    }

    /// The process shuts down in order.
    pub(super) fn drain(&mut self) {
        self.act(|core, now, out| core.drain(now, out));
        for _ in 0..self.rng.u32(0..60) {
            match self.rng.u32(0..3) {
                0 => self.commit_step(),
                1 => self.work_step(),
                _ => self.end_some_body(),
            }
        }
        self.act(|core, now, out| core.abandon_all(now, out));
        let faults = std::mem::replace(&mut self.calm, true);
        while !self.writes.is_empty() || self.committing.is_some() || self.claims_are_under_way() {
            self.commit_step();
            self.hear_claims();
        }
        let ticket = self.requests.ticket(&mut self.rng);
        self.requests.waiting.insert(ticket, Waiting::Queue);
        self.act(|core, _, out| core.stop(ticket, out));
        while !self.writes.is_empty() || self.committing.is_some() {
            self.commit_step();
        }
        self.calm = faults;
        self.reopen();
        assert!(!self.found_a_crash, "it ended as it was told to");
        assert_eq!(self.ledger.rescued, 0, "a drain leaves nothing running");
    }

    pub(super) fn claims_are_under_way(&self) -> bool {
        self.work.iter().any(|it| matches!(it, Work::Claim { .. } | Work::Claimed { .. }))
    }

    fn hear_claims(&mut self) {
        let (claims, rest) = std::mem::take(&mut self.work)
            .into_iter()
            .partition(|it| matches!(it, Work::Claim { .. } | Work::Claimed { .. }));
        self.work = rest;
        for work in claims {
            self.do_work(work);
        }
    }
}
