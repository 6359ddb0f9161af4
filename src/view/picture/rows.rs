//! A row per rollout: name, exposure, stage, bake progress, why.

use super::super::attention::{Attention, attention};
use super::super::printer::Tone;
use super::super::safe::safe;
use super::super::text::{clip, pad, tone, width};
use super::super::words;
use super::{Look, detail};
use crate::control::Rollout;
use crate::engine::Phase;
use crate::engine::event::Missing;

/// The rows, in the order given.
pub(super) fn rows(rollouts: &[&Rollout], look: Look) -> Vec<String> {
    let environment = rollouts.first().map(|rollout| &rollout.plan.environment);
    let one_environment = rollouts.iter().all(|rollout| Some(&rollout.plan.environment) == environment);
    let name = |rollout: &Rollout| match look.is_narrow() && one_environment {
        true => safe(&rollout.plan.release),
        false => safe(&rollout.address()),
    };
    let gap = if look.is_narrow() { " " } else { "  " };
    // a long name may take what is left of the line, but not the room of the others
    let most = [if look.is_narrow() { 14 } else { look.columns * 2 / 5 }, 28, 16, 20];
    let layout = |given_up: usize| {
        let cells: Vec<[String; 5]> =
            rollouts.iter().map(|rollout| cells(rollout, name(rollout), given_up, look)).collect();
        let widest = |column: usize| cells.iter().map(|cells| width(&cells[column])).max().unwrap_or(0);
        let wide: Vec<usize> = (0..4).map(|column| widest(column).min(most[column])).collect();
        let taken: usize = wide.iter().filter(|wide| **wide > 0).map(|wide| wide + gap.len()).sum();
        let fits = 2 + taken + widest(4).min(if look.is_narrow() { 12 } else { 20 }) <= look.line();
        (cells, wide, fits)
    };
    // why it stands still is worth more than audiences, a bar, and on a telephone the stage's name
    let least = if look.is_narrow() { 2 } else { 0 };
    let (cells, wide, _) = (least..3).map(layout).find(|(.., fits)| *fits).unwrap_or_else(|| layout(3));
    let row = |(rollout, cells): (&&Rollout, &[String; 5])| {
        let kind = attention(rollout);
        let mark = if kind <= Attention::Unhealthy { "!" } else { " " };
        let mut line = format!("{mark} ");
        for (cell, wide) in cells.iter().zip(&wide).filter(|(_, wide)| **wide > 0) {
            line.push_str(&pad(cell, *wide));
            line.push_str(gap);
        }
        line.push_str(&cells[4]);
        coloured(&clip(&line, look.line()), kind)
    };
    rollouts.iter().zip(&cells).map(row).collect()
}

/// A text in the tone of how much it wants to be looked at.
pub(super) fn coloured(text: &str, kind: Attention) -> String {
    match kind {
        Attention::Person | Attention::Unhealthy => tone(text, Tone::Warn),
        Attention::Stopping | Attention::Stopped => tone(text, Tone::Bad),
        Attention::Completed => tone(text, Tone::Good),
        Attention::Baking => text.to_owned(),
    }
}

/// Name, exposure, stage, bake and why; with audiences unless 1 is given up, a bar unless 2, a stage unless 3.
fn cells(rollout: &Rollout, name: String, given_up: usize, look: Look) -> [String; 5] {
    let state = &rollout.state;
    let stage = rollout.plan.stages.get(state.stage).map(|stage| safe(&stage.name));
    [
        name,
        match given_up < 1 && state.drift.is_none() {
            true => safe(&state.allowed.to_string()),
            false => words::exposed_briefly(state),
        },
        stage.filter(|_| given_up < 3).unwrap_or_default(),
        progress(rollout, given_up < 2),
        why(rollout, look),
    ]
}

fn progress(rollout: &Rollout, with_bar: bool) -> String {
    let (plan, state) = (&rollout.plan, &rollout.state);
    match plan.stages.get(state.stage).filter(|_| state.is_live()) {
        Some(stage) if with_bar => detail::bar(plan, state.baked, stage),
        Some(stage) => detail::fraction(plan, state.baked, stage),
        None => String::new(),
    }
}

/// Why it is where it is, in a few words: the row has no room for more.
fn why(rollout: &Rollout, look: Look) -> String {
    let state = &rollout.state;
    match state.phase {
        Phase::Paused if look.is_narrow() => words::causes(state),
        Phase::Paused => format!("paused: {}", words::causes(state)),
        Phase::Stopped if state.is_stopping() => format!("stopping: {}", words::causes(state)),
        Phase::Stopped if look.is_narrow() => format!("off: {}", words::causes(state)),
        Phase::Stopped => format!("shut down: {}", words::causes(state)),
        Phase::Completed => "completed".to_owned(),
        Phase::None => "not started".to_owned(),
        Phase::Running if state.waits_for_approval(&rollout.plan) => "needs approval".to_owned(),
        Phase::Running => {
            let mut newest = state.missing.iter().filter(|_| state.judged_here);
            let first = newest.find(|missing| !matches!(missing, Missing::Bake { .. }));
            match first {
                Some(Missing::Settling { .. }) => "settling".to_owned(),
                Some(missing) => words::missing(&rollout.plan, missing),
                None => "baking".to_owned(),
            }
        }
    }
}
