//! What people do: commands at any moment, edits at the backend itself, and the plan they wrote.

use std::collections::{BTreeMap, BTreeSet};

use flagstaff::engine::condition::Comparison;
use flagstaff::engine::input::{Observed, Stamp};
use flagstaff::engine::plan::{
    Action, Approval, Arm, Audience, Form, HealthLine, NoData, Query, RollbackStage, Rule, Selector, Series, Stage,
    Target, Unit,
};
use flagstaff::engine::{Command, Condition, Decimal, Exposure, Percentage, Plan, Span, Term, Timestamp};

use super::world::Rng;

fn compare(op: Comparison, limit: &str) -> Condition {
    Condition::Compare {
        left: Term::Series { series: 0, factor: Decimal::whole(1) },
        op,
        right: Term::Number(limit.parse().expect("a number")),
    }
}

/// The employees and a share.
pub(super) fn exposure(percent: u32) -> Exposure {
    Exposure { audiences: BTreeSet::from(["employees".to_owned()]), percentage: Percentage::whole(percent) }
}

/// Four stages with short bakes; what the rules do is up to the seed.
pub(super) fn plan(rng: &mut Rng) -> Plan {
    let every = Span::seconds(30);
    let selector = Selector { metric: "errors_total".to_owned(), matchers: Vec::new() };
    let query = Query {
        source: "model".to_owned(),
        form: Form::Ratio { of: selector.clone(), over: selector },
        matchers: Vec::new(),
        window: every,
        every,
        flag: "checkout".to_owned(),
    };
    let approval = Approval { groups: Vec::new(), people: BTreeSet::new(), count: 1 };
    let stage = |name: &str, percent, ticks: u64, approval: Option<Approval>| Stage {
        name: name.to_owned(),
        exposure: exposure(percent),
        bake: Span::seconds(30 * (ticks - 1)),
        samples: None,
        idle_bakes: false,
        approval,
    };
    let then = [
        Action::Pause,
        Action::Shutdown,
        Action::Rollback(RollbackStage::Previous),
        Action::Rollback(RollbackStage::Named("internal".to_owned())),
    ];
    let asks = rng.chance(300).then_some(approval);
    Plan {
        format: 1,
        release: "checkout-v2".to_owned(),
        flag: "checkout".to_owned(),
        environment: "production".to_owned(),
        template: "standard".to_owned(),
        policy: "web".to_owned(),
        protected: false,
        full_start_reason: None,
        target: Target::Flagd { path: "flags.json".to_owned() },
        stickiness: "userId".to_owned(),
        audiences: BTreeMap::from([("employees".to_owned(), Audience { any: Vec::new() })]),
        sources: BTreeMap::new(),
        every,
        delay: Span::seconds(5),
        settle: Span::seconds(60),
        catch_up: Span::hours(1),
        stages: vec![
            stage("internal", 0, 2, None),
            stage("ten", 10, 4, asks),
            stage("half", 50, 3, None),
            stage("everyone", 100, 2, None),
        ],
        series: vec![Series { name: "error_rate".to_owned(), arm: Arm::Exposed, unit: Unit::Ratio, query }],
        healthy: vec![HealthLine {
            text: "error_rate < 2%".to_owned(),
            condition: compare(Comparison::Less, "0.02"),
            hold_for: None,
        }],
        rules: vec![Rule {
            name: "errors".to_owned(),
            text: "error_rate > 5%".to_owned(),
            condition: compare(Comparison::Greater, "0.05"),
            hold_for: rng.chance(700).then_some(every),
            then: rng.pick(&then),
        }],
        no_data: rng.chance(500).then_some(NoData { after: Span::minutes(5), then: Action::Pause }),
    }
}

/// A start, of which the process that types it fills in the names.
pub(super) fn start(again: bool, take_over: bool) -> Command {
    Command::Start { stage: 0, stamp: Stamp::default(), plan: String::new(), again, take_over }
}

/// Any command at any moment.
pub(super) fn command(rng: &mut Rng, now: Timestamp) -> Command {
    match rng.below(100) {
        0..25 => start(rng.chance(500), false),
        25..28 => start(true, true),
        28..43 => Command::Pause,
        43..65 => Command::Resume,
        65..70 => Command::Abort,
        70..80 => Command::Approve,
        80..87 => Command::Force { stage: usize::try_from(rng.below(4)).expect("small") },
        87..94 => Command::Rollback { stage: None },
        _ => {
            let minutes = rng.below(20) + 1;
            Command::Mute { rule: "errors".to_owned(), until: now.plus(Span::minutes(minutes)) }
        }
    }
}

/// Any edit at the backend itself.
pub(super) fn edit(rng: &mut Rng) -> impl FnOnce(&mut Observed) + use<> {
    let what = rng.below(6);
    let percent = rng.pick(&[0, 5, 10, 50, 100]);
    move |flag: &mut Observed| match what {
        0 | 1 => flag.on = false,
        2 => flag.on = true,
        3 | 4 => flag.exposure = exposure(percent),
        _ => flag.foreign = Some("another strategy".to_owned()),
    }
}
