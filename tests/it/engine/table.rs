//! The state table, cell by cell.

use flagstaff::engine::decide::Refusal;
use flagstaff::engine::plan::Action;
use flagstaff::engine::{Cause, Command, Phase, Plan};

use super::kit::*;

/// What a cell says.
#[derive(Debug, Clone, Copy)]
enum Cell {
    /// Changes nothing and succeeds, or does not concern it.
    Nothing,
    /// Refused, naming this command, which would do or says what to wait for.
    Refused(&'static str),
    /// The phase and stage it leads to, with the exposure sent.
    To(Phase, usize),
    /// Stays paused where it is, with this many causes.
    Causes(usize),
    /// Stays stopped; off is sent again.
    OffAgain,
}
use Cell::{Causes, Nothing, OffAgain, Refused, To};
use Phase::{Completed, Paused, Running, Stopped};

type Act = fn(&mut Timeline) -> Result<(), Refusal>;

/// The stage that the running, paused and stopped rollouts of this table are at.
const HERE: usize = 2;

/// One row: what is done, and what it leads to for none, running, paused, stopped, completed.
type Row = (&'static str, Act, [Cell; 5]);

const ROWS: &[Row] = &[
    (
        "start",
        |t| t.start().map(drop),
        [To(Running, 0), Nothing, Refused("resume"), Refused("start --again"), Refused("start --again")],
    ),
    (
        "start --again",
        |t| t.command(start_again("r2", 0)).map(drop),
        [To(Running, 0), Refused("abort"), Refused("abort"), To(Running, 0), Refused("abort")],
    ),
    (
        "start --again --at",
        |t| t.command(start_again("r2", 1)).map(drop),
        [To(Running, 1), Refused("abort"), Refused("abort"), To(Running, 1), Refused("abort")],
    ),
    (
        "pause",
        |t| t.command(Command::Pause).map(drop),
        [Refused("start"), To(Paused, HERE), Causes(2), Nothing, Nothing],
    ),
    (
        "resume",
        |t| t.command(Command::Resume).map(drop),
        [Refused("start"), Nothing, To(Running, HERE), Refused("start --again"), Refused("rollback")],
    ),
    (
        "approve",
        |t| t.command(Command::Approve).map(drop),
        [Refused("start"), Refused("explain"), Refused("resume"), Refused("start --again"), Refused("status")],
    ),
    (
        "force higher",
        |t| t.command(Command::Force { stage: 3 }).map(drop),
        [Refused("start"), To(Running, 3), To(Running, 3), Refused("start --again"), Refused("rollback")],
    ),
    (
        "force same",
        |t| t.command(Command::Force { stage: t.state.stage }).map(drop),
        [Refused("start"), Refused("explain"), Refused("resume"), Refused("start --again"), Refused("rollback")],
    ),
    (
        "force lower",
        |t| t.command(Command::Force { stage: 1 }).map(drop),
        [Refused("start"), To(Paused, 1), To(Paused, 1), Nothing, To(Paused, 1)],
    ),
    (
        "rollback",
        |t| t.command(Command::Rollback { stage: None }).map(drop),
        [Refused("start"), To(Paused, HERE - 1), To(Paused, HERE - 1), Nothing, To(Paused, 2)],
    ),
    (
        "rollback --to",
        |t| t.command(Command::Rollback { stage: Some(0) }).map(drop),
        [Refused("start"), To(Paused, 0), To(Paused, 0), Nothing, To(Paused, 0)],
    ),
    (
        "abort",
        |t| t.command(Command::Abort).map(drop),
        [To(Stopped, 0), To(Stopped, HERE), To(Stopped, HERE), OffAgain, To(Stopped, 3)],
    ),
    (
        "apply --adopt",
        |t| t.adopt(Plan { policy: "other".to_owned(), ..t.plan.clone() }).map(drop),
        [Refused("start"), To(Running, HERE), Causes(1), Refused("start --again"), Refused("abort")],
    ),
    (
        "mute",
        |t| t.command(Command::Mute { rule: "errors".to_owned(), until: t.later().plus(EVERY) }).map(drop),
        [Refused("start"), Nothing, Nothing, Refused("start --again"), Refused("status")],
    ),
    (
        "rule: shut down",
        |t| {
            t.tick(with(P99, value("9")));
            Ok(())
        },
        [Nothing, To(Stopped, HERE), To(Stopped, HERE), Nothing, Nothing],
    ),
    (
        "signal: shut down",
        |t| {
            t.signal(Action::Shutdown);
            Ok(())
        },
        [Nothing, To(Stopped, HERE), To(Stopped, HERE), Nothing, Nothing],
    ),
    (
        "rule: roll back",
        |t| {
            t.tick(with(REQUESTS, value("99999")));
            Ok(())
        },
        [Nothing, To(Paused, HERE - 1), To(Paused, HERE - 1), Nothing, Nothing],
    ),
    (
        "rule: pause",
        |t| {
            t.tick(errors(500));
            Ok(())
        },
        [Nothing, To(Paused, HERE), Causes(2), Nothing, Nothing],
    ),
    (
        "signal: pause",
        |t| {
            t.signal(Action::Pause);
            Ok(())
        },
        [Nothing, To(Paused, HERE), Causes(1), Nothing, Nothing],
    ),
    (
        "drift: smaller",
        |t| {
            t.hand(percent(1));
            t.seen();
            Ok(())
        },
        [Nothing, To(Paused, HERE), Causes(2), Nothing, Nothing],
    ),
    (
        "drift: larger",
        |t| {
            t.hand(percent(99));
            t.seen();
            Ok(())
        },
        [Nothing, To(Paused, HERE), Causes(2), Nothing, Nothing],
    ),
    (
        "nothing missing",
        |t| {
            t.healthy(1);
            Ok(())
        },
        [Nothing, To(Running, HERE + 1), Nothing, Nothing, Nothing],
    ),
];

fn table_plan() -> Plan {
    with_rules(vec![
        rule("errors", above(ERRORS, "0.02"), 1, Action::Pause),
        rule("latency", above(P99, "1.5"), 1, Action::Shutdown),
        rule("flood", above(REQUESTS, "10000"), 1, previous()),
    ])
}

/// A rollout in each column's phase; one healthy tick short of the next stage where it is live.
fn in_phase(phase: Phase) -> Timeline {
    let plan = table_plan();
    if phase == Phase::None {
        return Timeline::new(plan);
    }
    if phase == Completed {
        let mut timeline = Timeline::at(plan, 3);
        timeline.healthy(2);
        timeline.is(Completed, 3);
        return timeline;
    }
    let mut timeline = Timeline::at(plan, HERE);
    timeline.healthy(1);
    match phase {
        Paused => drop(timeline.signal(Action::Pause)),
        Stopped => drop(timeline.command(Command::Abort).expect("always")),
        _ => {}
    }
    assert_eq!(timeline.state.phase, phase);
    assert!(timeline.state.effect.is_none());
    timeline
}

#[test]
fn every_cell() {
    for (name, act, cells) in ROWS {
        for (phase, cell) in [Phase::None, Running, Paused, Stopped, Completed].into_iter().zip(cells) {
            let mut timeline = in_phase(phase);
            let before = timeline.clone();
            let result = act(&mut timeline);
            let what =
                format!("{name} on {phase:?}: {result:?}\nis {:?} at {}", timeline.state.phase, timeline.state.stage);
            match cell {
                Refused(instead) => {
                    let refusal = result.expect_err(&what);
                    assert_eq!(refusal.instead.as_deref(), Some(*instead), "{what}");
                    let typed = refusal.at("checkout", "production").instead.expect(&what);
                    assert!(typed.contains(" checkout -e production"), "{typed}");
                    assert_eq!(timeline.state, before.state, "{what}");
                    continue;
                }
                Nothing => {
                    let (old, new) = (&before.state, &timeline.state);
                    assert_eq!((old.phase, old.stage), (new.phase, new.stage), "{what}");
                    assert_eq!(
                        (&old.causes, &old.allowed, &old.effect),
                        (&new.causes, &new.allowed, &new.effect),
                        "{what}"
                    );
                    assert_eq!(old.last_effect, new.last_effect, "{what}: sent something");
                }
                To(phase, stage) => {
                    assert_eq!((timeline.state.phase, timeline.state.stage), (*phase, *stage), "{what}");
                    let shown = timeline.backend.shown();
                    match phase {
                        Stopped => assert!(shown.is_nobody(), "{what}"),
                        Paused if !name.starts_with("drift") => {
                            assert_eq!(shown, timeline.plan.stages[*stage].exposure, "{what}")
                        }
                        Running => assert_eq!(shown, timeline.plan.stages[*stage].exposure, "{what}"),
                        _ => {}
                    }
                }
                Causes(count) => {
                    assert_eq!((timeline.state.phase, timeline.state.stage), (Paused, HERE), "{what}");
                    assert_eq!(timeline.state.causes.len(), *count, "{what}: {:?}", timeline.state.causes);
                }
                OffAgain => {
                    assert_eq!(timeline.state.phase, Stopped, "{what}");
                    assert_eq!(timeline.state.last_effect, before.state.last_effect + 1, "{what}");
                }
            }
            result.expect(&what);
        }
    }
}

#[test]
fn after_the_last_stage_it_is_completed() {
    let mut timeline = Timeline::at(table_plan(), 3);
    timeline.healthy(1);
    timeline.running(3);
    timeline.healthy(1);
    timeline.is(Completed, 3).allows(&audience(&["employees"], 100));
}

#[test]
fn approve_is_counted_or_says_what_is_missing() {
    let mut plan = table_plan();
    plan.stages[0].approval = approval(&["ana", "bo"], 1);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(1);
    let refusal = timeline.command(Command::Approve).unwrap_err();
    assert_eq!(refusal.instead.as_deref(), Some("explain"));
    timeline.healthy(1);
    timeline.command(Command::Approve).unwrap();
    assert_eq!(timeline.state.approvals.len(), 1);
}

#[test]
fn a_rule_rolls_back_once_until_somebody_resumes() {
    let mut timeline = in_phase(Running);
    timeline.tick(with(REQUESTS, value("99999")));
    timeline.paused(1, &[by_rule("flood")]);
    timeline.ticks(3, &with(REQUESTS, value("99999")));
    timeline.paused(1, &[by_rule("flood")]);
    timeline.resume();
    timeline.tick(with(REQUESTS, value("99999")));
    timeline.paused(0, &[by_rule("flood")]);
}

#[test]
fn rollback_from_the_first_stage_is_a_stop_for_people_and_rules() {
    let mut by_hand = Timeline::at(table_plan(), 0);
    by_hand.command(Command::Rollback { stage: None }).unwrap();
    assert_eq!(by_hand.stopped().state.stopped_by, Some(Cause::Person));
    let mut by_rules = Timeline::at(table_plan(), 0);
    by_rules.tick(with(REQUESTS, value("99999")));
    assert_eq!(by_rules.stopped().state.stopped_by, Some(by_rule("flood")));
}

#[test]
fn what_is_refused_names_a_command_that_can_be_typed() {
    let mut paused = in_phase(Paused);
    let refused = |result: Result<Vec<flagstaff::engine::Event>, Refusal>| {
        result.unwrap_err().at("checkout", "production").instead.expect("every refusal of the table names one")
    };
    assert_eq!(refused(paused.start()), "resume checkout -e production");
    assert_eq!(
        refused(paused.command(Command::Rollback { stage: Some(3) })),
        "force checkout -e production --to everyone"
    );
    let mut stopped = in_phase(Stopped);
    assert_eq!(refused(stopped.command(Command::Resume)), "start checkout -e production --again");
}
