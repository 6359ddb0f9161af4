//! Whether a flag can go: what is known of it, and what that makes of it. Pure: the same facts give the same verdict.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::{Exposure, Percentage, Phase, Span, Timestamp};

/// Types of flags that stay as long as what they guard.
const PERMANENT: [&str; 3] = ["operational", "kill-switch", "permission"];
/// How long a flag is expected to live, where its document says nothing.
pub const LIFETIME: Span = Span::hours(24 * 40);

/// Where a flag is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LifeWord")]
pub enum Life {
    /// Declared, and never started.
    Defined,
    /// Started, but not yet where its release ends.
    Developing,
    /// On its way in the last of its environments.
    Releasing,
    /// Everybody has it in the last of its environments, and not in all others.
    Live,
    /// Everybody has it, everywhere.
    Completed,
    /// Stopped: nobody has it anywhere.
    Off,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "VerdictWord")]
pub enum Verdict {
    /// It is over everywhere for long enough, and nothing stands against it.
    Ready,
    /// It is over everywhere, but not for long.
    Candidate,
    /// It has outlived what was expected, or is over, and something stands against its removal.
    Blocked,
    /// It stays.
    Keep,
}

/// A flag in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The environment.
    pub environment: String,
    /// Where its newest rollout is; none where it was never started.
    pub phase: Option<Phase>,
    /// Whether a stop is not confirmed yet.
    pub stopping: bool,
    /// What is allowed there.
    pub allowed: Exposure,
    /// Since when nothing has changed.
    pub since: Option<Timestamp>,
    /// What is served, where that is not what is allowed.
    pub serves: Option<String>,
}

/// What is known of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its type.
    pub kind: Option<String>,
    /// How long it should live.
    pub lifetime: Span,
    /// When a rollout was first started on it.
    pub born: Option<Timestamp>,
    /// Where it is released, in order.
    pub places: Vec<Place>,
    /// Releases that wait for one of its releases.
    pub dependents: Vec<String>,
}

/// What that makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Where it is in its life.
    pub life: Life,
    /// What to do.
    pub verdict: Verdict,
    /// What code can go by once it is gone, where all environments agree.
    pub value: Option<bool>,
    /// Why, for people.
    pub reasons: Vec<String>,
}

impl Place {
    /// What everybody gets there, for good; none while anything is open.
    fn settled(&self) -> Option<bool> {
        match self.phase? {
            Phase::Completed => (self.allowed.percentage == Percentage::FULL).then_some(true),
            Phase::Stopped => (!self.stopping).then_some(false),
            Phase::None | Phase::Running | Phase::Paused => None,
        }
    }

    fn told(&self) -> String {
        let state = match self.phase {
            None | Some(Phase::None) => "never started".to_owned(),
            Some(Phase::Running) => format!("on its way, for {}", self.allowed),
            Some(Phase::Paused) => format!("paused, for {}", self.allowed),
            Some(Phase::Stopped) if self.stopping => "stopping".to_owned(),
            Some(Phase::Stopped) => "off".to_owned(),
            Some(Phase::Completed) => format!("completed, for {}", self.allowed),
        };
        format!("{}: {state}", self.environment)
    }
}

/// Whether a flag can go, `after` being how long it must have been over.
pub fn judge(facts: &Facts, now: Timestamp, after: Span) -> Judgement {
    let life = life(&facts.places);
    let settled: Vec<Option<bool>> = facts.places.iter().map(Place::settled).collect();
    let value = settled.first().copied().flatten().filter(|first| settled.iter().all(|value| *value == Some(*first)));
    let judged = |verdict, reasons| Judgement { life, verdict, value, reasons };
    if let Some(kind) = facts.kind.as_deref().filter(|kind| PERMANENT.contains(kind)) {
        return judged(Verdict::Keep, vec![format!("a flag of type {kind} stays")]);
    }
    let age = facts.born.map(|born| now.since(born));
    let is_old = age.is_some_and(|age| age > facts.lifetime);
    let mut against: Vec<String> = Vec::new();
    if facts.places.is_empty() {
        against.push("no release uses it".to_owned());
    }
    if value.is_none() {
        against.extend(facts.places.iter().map(Place::told));
    }
    let serving = facts.places.iter().filter_map(|place| Some((place, place.serves.as_ref()?)));
    against.extend(serving.map(|(place, serves)| format!("{} serves {serves}", place.environment)));
    against.extend(facts.dependents.iter().map(|release| format!("release {release} waits for it")));
    let since = facts.places.iter().filter_map(|place| place.since).max();
    match value {
        Some(value) if against.is_empty() => {
            let over = since.map_or(Span(0), |since| now.since(since));
            let what = if value { "everybody has it everywhere" } else { "it is off everywhere" };
            let reasons = vec![format!("{what}, for {}", about(over))];
            if over >= after {
                judged(Verdict::Ready, reasons)
            } else {
                judged(Verdict::Candidate, [reasons, vec![format!("ready after {after}")]].concat())
            }
        }
        Some(_) => judged(Verdict::Blocked, against),
        None if is_old => {
            let age = age.unwrap_or_default();
            let aged = format!("it was to live for {}, and was first started {} ago", facts.lifetime, about(age));
            judged(Verdict::Blocked, [vec![aged], against].concat())
        }
        None => judged(Verdict::Keep, against),
    }
}

/// In the largest unit that fits, down: nobody counts the minutes of months.
fn about(span: Span) -> Span {
    let units = [24 * 3_600_000, 3_600_000, 60_000, 1000];
    let unit = units.into_iter().find(|unit| span.0 >= *unit).unwrap_or(1);
    Span(span.0 / unit * unit)
}

fn life(places: &[Place]) -> Life {
    let is_live = |place: &Place| matches!(place.phase, Some(Phase::Running | Phase::Paused));
    let begun = |place: &Place| place.phase.is_some_and(|phase| phase != Phase::None);
    let Some(last) = places.last() else { return Life::Defined };
    if !places.iter().any(begun) {
        Life::Defined
    } else if is_live(last) {
        Life::Releasing
    } else if places.iter().all(|place| place.settled() == Some(true)) {
        Life::Completed
    } else if last.settled() == Some(true) {
        Life::Live
    } else if places.iter().all(|place| place.settled() == Some(false)) {
        Life::Off
    } else {
        Life::Developing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const WEEK: Span = Span::hours(24 * 7);

    fn ago(days: u64) -> Timestamp {
        NOW.minus(Span::hours(24 * days))
    }

    fn place(environment: &str, phase: Option<Phase>, percent: u32, days: u64) -> Place {
        Place {
            environment: environment.to_owned(),
            phase,
            stopping: false,
            allowed: Exposure::percent(Percentage::whole(percent)),
            since: phase.map(|_| ago(days)),
            serves: None,
        }
    }

    fn facts(places: Vec<Place>) -> Facts {
        Facts {
            kind: Some("release".to_owned()),
            lifetime: LIFETIME,
            born: Some(ago(30)),
            places,
            dependents: Vec::new(),
        }
    }

    fn done(days: u64) -> Facts {
        let completed = Some(Phase::Completed);
        facts(vec![place("staging", completed, 100, days + 5), place("production", completed, 100, days)])
    }

    fn verdict(facts: &Facts) -> (Life, Verdict, Option<bool>) {
        let judged = judge(facts, NOW, WEEK);
        assert!(!judged.reasons.is_empty(), "every verdict has a reason");
        (judged.life, judged.verdict, judged.value)
    }

    #[test]
    fn what_everybody_has_for_long_enough_can_go() {
        assert_eq!(verdict(&done(8)), (Life::Completed, Verdict::Ready, Some(true)));
        assert_eq!(verdict(&done(7)), (Life::Completed, Verdict::Ready, Some(true)));
        assert_eq!(verdict(&done(6)), (Life::Completed, Verdict::Candidate, Some(true)));
    }

    #[test]
    fn what_is_off_everywhere_can_go_with_the_other_value() {
        let off =
            facts(vec![place("staging", Some(Phase::Stopped), 0, 9), place("production", Some(Phase::Stopped), 0, 9)]);
        assert_eq!(verdict(&off), (Life::Off, Verdict::Ready, Some(false)));
        let mut stopping = off;
        stopping.places[1].stopping = true;
        assert_eq!(verdict(&stopping).1, Verdict::Keep, "who may still have it is not known");
    }

    #[test]
    fn an_environment_that_differs_stands_against_it() {
        let mut one = done(8);
        one.places[0] = place("staging", Some(Phase::Stopped), 0, 9);
        assert_eq!(verdict(&one), (Life::Live, Verdict::Keep, None));
        one.born = Some(ago(41));
        assert_eq!(verdict(&one), (Life::Live, Verdict::Blocked, None));
        // completed at less than everybody is no value that all code can go by
        let half = facts(vec![place("production", Some(Phase::Completed), 50, 20)]);
        assert_eq!(verdict(&half).2, None);
    }

    #[test]
    fn what_is_on_its_way_stays_until_it_is_too_old() {
        let mut running = done(8);
        running.places[1] = place("production", Some(Phase::Running), 10, 0);
        assert_eq!(verdict(&running), (Life::Releasing, Verdict::Keep, None));
        running.born = Some(ago(60));
        let judged = judge(&running, NOW, WEEK);
        assert_eq!(judged.verdict, Verdict::Blocked);
        assert!(judged.reasons.iter().any(|reason| reason == "production: on its way, for 10%"), "{judged:?}");
    }

    #[test]
    fn what_is_served_otherwise_and_who_waits_for_it_block() {
        let mut drifted = done(8);
        drifted.places[0].serves = Some("50%".to_owned());
        assert_eq!(verdict(&drifted), (Life::Completed, Verdict::Blocked, Some(true)));
        let mut waited = done(8);
        waited.dependents = vec!["search".to_owned()];
        assert_eq!(judge(&waited, NOW, WEEK).reasons, ["release search waits for it"]);
    }

    #[test]
    fn permanent_kinds_stay_and_what_was_never_started_too() {
        let mut switch = done(400);
        switch.kind = Some("kill-switch".to_owned());
        assert_eq!(verdict(&switch).1, Verdict::Keep);
        let mut never = facts(vec![place("production", None, 0, 0)]);
        never.born = None;
        assert_eq!(verdict(&never), (Life::Defined, Verdict::Keep, None));
    }
}
