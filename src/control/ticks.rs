//! Which ticks of a rollout are due.

use crate::engine::{Plan, State, Timestamp};

/// The ticks that are due and not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The first and last missed tick, where any was missed.
    pub missed: Option<(Timestamp, Timestamp)>,
    /// The newest due tick.
    pub present: Timestamp,
}

/// What is due at `now`. A clock that went back makes nothing due.
pub fn due(plan: &Plan, state: &State, now: Timestamp) -> Option<Due> {
    let present = now.minus(plan.delay).floor_to(plan.every);
    let last = state.last_tick.map_or(state.started, |last| last.max(state.started));
    if plan.every.0 == 0 || present <= last {
        return None;
    }
    let oldest = last.max(present.minus(plan.catch_up));
    let first = oldest.floor_to(plan.every).plus(plan.every);
    let newest = present.minus(plan.every);
    Some(Due { missed: (first <= newest).then_some((first, newest)), present })
}

/// The tick that is present by a clock that went back behind ticks which are recorded already, unless it was judged
/// (`judged`: the newest tick of the last late run). It can stop and do nothing else.
pub fn behind(plan: &Plan, state: &State, judged: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let present = now.minus(plan.delay).floor_to(plan.every);
    // a tick at or before the start is not its
    let went_back = plan.every.0 > 0 && state.last_tick.is_some_and(|last| last > present) && present > state.started;
    (went_back && judged != Some(present)).then_some(present)
}

/// When the next tick after the newest one falls due.
pub fn next_due(plan: &Plan, now: Timestamp) -> Timestamp {
    now.minus(plan.delay).floor_to(plan.every).plus(plan.every).plus(plan.delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Span;

    fn plan() -> Plan {
        let text = include_str!("../../tests/fixtures/plan.json");
        let mut plan: Plan = serde_json::from_str(text).unwrap();
        (plan.every, plan.delay, plan.catch_up) = (Span::seconds(30), Span::seconds(15), Span::minutes(5));
        plan
    }

    #[test]
    fn the_present_tick_is_the_newest_due_one_and_the_start_is_not_its_own() {
        let state = State { started: Timestamp(60_000), ..State::default() };
        assert_eq!(due(&plan(), &state, Timestamp(104_999)), None, "90 s is asked at 105 s");
        let first = due(&plan(), &state, Timestamp(105_000)).unwrap();
        assert_eq!(first, Due { missed: None, present: Timestamp(90_000) });
        assert_eq!(next_due(&plan(), Timestamp(105_000)), Timestamp(135_000));
    }

    #[test]
    fn an_absence_is_caught_up_so_far_and_a_clock_that_went_back_makes_nothing_due() {
        let state = State { last_tick: Some(Timestamp(90_000)), ..State::default() };
        let back = due(&plan(), &state, Timestamp(3_600_000)).unwrap();
        assert_eq!(back.present, Timestamp(3_570_000));
        assert_eq!(back.missed, Some((Timestamp(3_300_000), Timestamp(3_540_000))));
        assert_eq!(due(&plan(), &state, Timestamp(50_000)), None);
        assert_eq!(behind(&plan(), &state, None, Timestamp(50_000)), Some(Timestamp(30_000)));
        assert_eq!(behind(&plan(), &state, Some(Timestamp(30_000)), Timestamp(50_000)), None, "once is enough");
        assert_eq!(behind(&plan(), &state, None, Timestamp(110_000)), None, "the newest tick is judged");
        let started = State { started: Timestamp(60_000), ..State::default() };
        assert_eq!(behind(&plan(), &started, None, Timestamp(61_000)), None, "no tick is its own yet");
        let back = State { started: Timestamp(60_000), ..state };
        assert_eq!(behind(&plan(), &back, None, Timestamp(50_000)), None, "30 s is before its start");
    }
}
