//! Task states, and their transitions.

use proptest::prelude::*;
use task_scheduler::models::State;
use task_scheduler::models::State::{
    Cancelled, Expired, Failed, Pending, Queued, Retrying, Running, Succeeded,
};

/// The transitions of the design: from, to, and those only allowed before the first start.
const TABLE: [(State, &[State], &[State]); 8] = [
    (Pending, &[Queued, Failed, Cancelled], &[Expired]),
    (Queued, &[Running, Failed, Cancelled], &[Expired]),
    (Running, &[Succeeded, Failed, Retrying, Pending, Queued, Cancelled], &[]),
    (Retrying, &[Queued, Cancelled], &[]),
    // Manually, or back to waiting with a dependency that was retried.
    (Succeeded, &[Queued, Succeeded, Pending], &[]),
    (Failed, &[Queued, Succeeded, Pending], &[]),
    (Cancelled, &[Queued, Succeeded, Pending], &[]),
    (Expired, &[Queued, Succeeded, Pending], &[]),
];

#[test]
fn only_transitions_of_the_table_are_allowed() {
    for (from, always, before_start) in TABLE {
        for to in State::ALL {
            for started in [false, true] {
                let legal = always.contains(&to) || (!started && before_start.contains(&to));
                assert_eq!(from.may_become(to, started), legal, "{from} to {to}, {started}");
            }
        }
    }
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL.to_vec())
}

proptest! {
    #[test]
    fn an_outcome_changes_only_manually(
        wishes in prop::collection::vec(state(), 1..100),
    ) {
        let mut life = vec![Pending];
        let mut started = false;
        for wish in wishes {
            let now = *life.last().expect("it began");
            if now.may_become(wish, started) {
                started |= wish == Running;
                life.push(wish);
            }
        }
        for pair in life.windows(2) {
            if pair[0].has_ended() {
                prop_assert!(matches!(pair[1], Queued | Succeeded | Pending), "{life:?}");
            }
            if pair[1] == Running {
                prop_assert_eq!(pair[0], Queued, "{:?}", life);
            }
        }
        let first = life.iter().position(|state| *state == Running).unwrap_or(life.len());
        prop_assert!(!life[first..].contains(&Expired), "{life:?}");
    }

    #[test]
    fn every_state_can_reach_an_end(from in state(), started: bool) {
        let mut reached = vec![from];
        let mut at = 0;
        while at < reached.len() {
            for next in State::ALL {
                if reached[at].may_become(next, started) && !reached.contains(&next) {
                    reached.push(next);
                }
            }
            at += 1;
        }
        prop_assert!(reached.iter().any(|state| state.has_ended()));
    }
}
