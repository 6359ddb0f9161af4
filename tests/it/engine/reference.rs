//! The engine against a slow, obvious reference model on random histories, and against broken ones.

mod model;
pub(super) mod random;
mod shape;

use flagstaff::canonical;
use flagstaff::engine::decide::fold;
use flagstaff::engine::state::EffectKind;
use flagstaff::engine::{Decimal, State};

use self::model::{Model, Mutant, Near, View, Want};
use self::random::{History, histories};
use self::shape::Who;

fn view_of(state: &State) -> View {
    let want = |kind| match kind {
        EffectKind::Grow => Want::Grow,
        EffectKind::Shrink => Want::Shrink,
        EffectKind::Off => Want::Off,
    };
    View {
        phase: state.phase,
        stage: state.stage,
        allowed: Who::of(&state.allowed),
        causes: state.causes.clone(),
        baked: state.baked,
        samples: state.samples.to_string().parse().expect("a whole number"),
        lacks_nothing: state.last_tick.map(|_| state.missing.is_empty()),
        open: state.effect.as_ref().map(|effect| (want(effect.kind), Who::of(&effect.to), effect.stage)),
        approvals: state.approvals.len(),
        evidence: state.rules.iter().map(|timer| near(timer.weight)).collect(),
    }
}

fn near(number: Decimal) -> Near {
    Near(number.to_string().parse().expect("a number"))
}

/// The first step at which engine and reference part, and what each says.
fn parts(history: &History, mutant: Option<Mutant>) -> Option<(usize, String)> {
    let mut state = State::default();
    let mut model = Model::new(&history.shape, mutant);
    let mut moments = vec![model.moment()];
    for (step, (input, looked)) in history.inputs.iter().zip(&history.looked).enumerate() {
        let accepted = fold(&history.plan, &mut state, input);
        let expected = model.take(input, moments.get(*looked).copied());
        moments.push(model.moment());
        let (engine, reference) = (view_of(&state), model.view());
        if accepted.is_ok() != expected || engine != reference {
            let said =
                format!("engine    {accepted:?}\n          {engine:?}\nreference {expected}\n          {reference:?}");
            return Some((step, said));
        }
    }
    None
}

fn told(history: &History, step: usize, said: &str) -> String {
    let mut text = format!("seed {}\n{:#?}\n", history.seed, history.shape);
    for (index, input) in history.inputs[..=step].iter().enumerate() {
        text += &format!("{index:3} {}\n", canonical::to_string(input).expect("canonical"));
    }
    text + said
}

/// Everything after the first step that parts is cut off; of the failures the shortest is shown.
#[test]
fn engine_and_reference_agree_on_random_histories() {
    let mut shortest: Option<(usize, String)> = None;
    let mut failures = 0;
    for history in histories(7, 24_000) {
        if let Some((step, said)) = parts(&history, None) {
            failures += 1;
            if shortest.as_ref().is_none_or(|(best, _)| step < *best) {
                shortest = Some((step, told(&history, step, &said)));
            }
        }
        if failures >= 200 {
            break;
        }
    }
    if let Some((step, told)) = shortest {
        panic!("{failures} histories part; the shortest after {} inputs:\n{told}", step + 1);
    }
}

/// The comparison can fail: each broken rule is noticed.
#[test]
fn every_mutant_is_caught() {
    use Mutant::*;
    let mutants = [
        EarnsOnUnknown,
        AnAnswerIsHealth,
        ForIsOneShort,
        BakeIsOneShort,
        ResumeKeepsTimers,
        AdvancesOnCaughtUp,
        RollbackMayEnlarge,
        RulePauseKeepsBake,
        UnknownNeverLapses,
        MuteLastsForEver,
        DriftSmallerIsIgnored,
        NoSettling,
        ApprovalOutlivesPause,
        RollbackRepeats,
        IdleIsNoData,
        PausedRulesSleep,
        LateEarlierRunsFire,
        FailedGrowthStartsTimersAnew,
        OldTicksEarnAfterMute,
        UnseenStateMayResume,
        SecondPauseIsSwallowed,
        FirstRollbackIsNoStop,
        ShortMuteKeepsTimer,
        LateWriteStands,
        SettledInFlight,
        UnknownResetsEvidence,
        EvidenceIsNeverPaidBack,
        LateEvidenceGoesOn,
        ObservedRulesAct,
        SilenceProves,
        ProofOutlivesRestart,
    ];
    let mut alive: Vec<Mutant> = mutants.to_vec();
    for history in histories(8, 20_000) {
        alive.retain(|mutant| parts(&history, Some(*mutant)).is_none());
        if alive.is_empty() {
            return;
        }
    }
    panic!("not noticed: {alive:?}");
}

/// Histories that never get anywhere would prove nothing.
#[test]
fn the_histories_reach_every_corner() {
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for history in histories(9, 2_000) {
        let mut state = State::default();
        for input in &history.inputs {
            for event in fold(&history.plan, &mut state, input).unwrap_or_default() {
                let name = format!("{event:?}");
                let name = name.split([' ', '(']).next().unwrap_or_default().to_owned();
                *seen.entry(name).or_default() += 1;
            }
        }
    }
    let all = [
        "Started",
        "Ticked",
        "Notified",
        "WouldAct",
        "Advancing",
        "Intended",
        "Effective",
        "NotApplied",
        "Withdrawn",
        "Confirmed",
        "Paused",
        "RolledBack",
        "Stopped",
        "Resumed",
        "Forced",
        "Approved",
        "Muted",
        "Adopted",
        "Reduced",
        "Drifted",
        "DriftEnded",
        "LateWrite",
        "Touched",
        "Completed",
    ];
    for name in all {
        assert!(seen.get(name).is_some_and(|count| *count >= 20), "{name} is too rare: {seen:?}");
    }
}
