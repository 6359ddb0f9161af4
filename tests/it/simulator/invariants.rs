//! What must hold after every step, judged by what was recorded, what the flag really was and what really was so:
//! never by the state that a process believes in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flagstaff::engine::decide::fold;
use flagstaff::engine::{
    Command, Decimal, Effect, EffectKind, Event, Exposure, Input, Observation, Phase, Plan, Reading, State, Tick,
    Timestamp,
};
use flagstaff::journal::verify::verify;
use flagstaff::journal::{Journal, Sequence};

use super::backend::{Change, Writer, is_foreign};
use super::ledger::{Entry, Store};
use super::telemetry::Trouble;
use super::world::{Inner, Shared};

pub(super) const RECORDED_REASON: &str = "exposure_has_a_recorded_reason";
pub(super) const HELD: &str = "never_grows_while_held";
pub(super) const BAD_EVIDENCE: &str = "never_grows_on_bad_evidence";
pub(super) const STOP_STAYS: &str = "stop_arrives_and_stays";
pub(super) const BAKE_PROVEN: &str = "bake_is_proven";
pub(super) const REPLAY: &str = "replay_is_identical";
pub(super) const EVERYTHING_ENDS: &str = "everything_ends";
pub(super) const FOREIGN: &str = "foreign_stamp_is_never_grown";
pub(super) const ONE_LIVE: &str = "one_live_rollout_per_flag";
pub(super) const CHAIN: &str = "journal_chain_verifies";
pub(super) const OBEYED: &str = "people_are_obeyed";

/// How long a stop or a hold may be contradicted by our own writes while somebody drives and nothing is down: each
/// call may take a minute and a half in bad weather, and the driver comes round once a tick.
const PATIENCE: i64 = 900_000;

type Broken = (&'static str, String);

/// A person stopped growth.
#[derive(Debug, Clone)]
struct Held {
    /// What was allowed when they did.
    allowed: Exposure,
}

/// One rollout, from its records alone.
struct Track {
    plan: Plan,
    state: State,
    held: Option<Held>,
    was_held: bool,
    paused: bool,
    /// Every growth or shrink that was ever recorded.
    intents: Vec<Effect>,
    /// Ticks in a row that proved health at the present stage.
    proven: u32,
    /// When the stage's exposure was read back.
    effective: Option<Timestamp>,
    commands: Vec<Command>,
    /// How long our own writes have contradicted a stop, or a hold.
    stop_waits: i64,
    hold_waits: i64,
}

struct HostView {
    journal: Box<dyn Journal>,
    id: String,
    seen: Sequence,
    tracks: BTreeMap<String, Track>,
    /// The host's clock was ahead of the source's not long ago: instants may be asked for before they happen.
    ahead_until: i64,
}

/// Acknowledged commands: host, stream, what.
pub(super) type Acks = Arc<Mutex<Vec<(usize, String, Command)>>>;

pub(super) struct Checker {
    world: Shared,
    hosts: Vec<HostView>,
    only: Option<&'static str>,
    cas: bool,
    changes_seen: usize,
    acks: Acks,
    last: i64,
    checks: u64,
    records: u64,
    advances: u64,
    intended: u64,
    found: Vec<Broken>,
}

impl Checker {
    pub(super) fn new(world: &Shared, stores: &[Store], only: Option<&'static str>, cas: bool) -> Checker {
        let view = |store: &Store| {
            let journal = store.open();
            let id = journal.id().to_owned();
            HostView { journal, id, seen: Sequence(0), tracks: BTreeMap::new(), ahead_until: i64::MIN }
        };
        Checker {
            world: Arc::clone(world),
            hosts: stores.iter().map(view).collect(),
            only,
            cas,
            changes_seen: 0,
            acks: Arc::default(),
            last: world.with(|inner| inner.now),
            checks: 0,
            records: 0,
            advances: 0,
            intended: 0,
            found: Vec::new(),
        }
    }

    pub(super) fn acks(&self) -> Acks {
        Arc::clone(&self.acks)
    }

    /// How many writes of an exposure were ever intended.
    pub(super) fn intents(&self) -> u64 {
        self.intended
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.records, self.advances)
    }

    /// A process of the host is gone: what it was doing begins anew elsewhere.
    pub(super) fn disturbed(&mut self, host: usize) {
        for track in self.hosts[host].tracks.values_mut() {
            track.stop_waits = 0;
            track.hold_waits = 0;
        }
    }

    pub(super) fn newest(&self, host: usize) -> Option<State> {
        self.hosts[host].tracks.values().next_back().map(|track| track.state.clone())
    }

    /// Every rollout is completed or stopped, with nothing left to do, and what is shown agrees.
    pub(super) fn all_ended(&self) -> bool {
        let mut tracks = self.hosts.iter().flat_map(|host| host.tracks.values());
        tracks.all(|track| !track.state.is_live() && track.state.effect.is_none() && track.stop_waits == 0)
    }

    pub(super) fn describe(&self) -> String {
        let tracks = self.hosts.iter().flat_map(|host| &host.tracks);
        let open = tracks.filter(|(_, track)| track.state.is_live() || track.state.effect.is_some());
        open.map(|(stream, track)| {
            let State { phase, stage, causes, effect, missing, .. } = &track.state;
            format!("{stream} is {phase:?} at stage {stage}, causes {causes:?}, effect {effect:?}, missing {missing:?}")
        })
        .collect::<Vec<_>>()
        .join("; ")
    }

    /// Checks everything that happened since the last call. `alive`: which hosts have a driver.
    pub(super) fn check(&mut self, alive: &[bool]) -> Result<(), Broken> {
        let world = Arc::clone(&self.world);
        self.checks += 1;
        for host in 0..self.hosts.len() {
            let whole = self.checks.is_multiple_of(200);
            self.check_chain(host, whole);
            let after = self.hosts[host].seen;
            let records = self.hosts[host].journal.load(after).unwrap_or_default();
            for record in records {
                self.records += 1;
                self.hosts[host].seen = record.sequence;
                let entry: Entry = serde_json::from_str(&record.new.body).expect("the pilot wrote it");
                world.with(|inner| self.take(inner, host, &record.new.stream, &entry));
            }
            let live = self.hosts[host].tracks.values().filter(|track| track.state.is_live()).count();
            if live > 1 {
                self.found.push((ONE_LIVE, format!("{live} rollouts are live on host {host}")));
            }
        }
        world.with(|inner| {
            self.flag_changes(inner);
            self.time_passes(inner, alive);
        });
        self.acknowledged();
        let only = self.only;
        let found = self.found.drain(..).find(|(name, _)| only.is_none_or(|only| only == *name));
        found.map_or(Ok(()), Err)
    }

    fn check_chain(&mut self, host: usize, whole: bool) {
        let view = &mut self.hosts[host];
        if !whole {
            return;
        }
        let records = view.journal.load(Sequence(0)).unwrap_or_default();
        if let Err(damage) = verify(&view.id, &records, None) {
            self.found.push((CHAIN, format!("{damage:?}")));
        }
        if records.len() as u64 != self.hosts[host].seen.0 && records.len() as u64 <= self.hosts[host].seen.0 {
            self.found.push((CHAIN, "records are gone".to_owned()));
        }
    }

    fn take(&mut self, inner: &mut Inner, host: usize, stream: &str, entry: &Entry) {
        let found = &mut self.found;
        let view = &mut self.hosts[host];
        if inner.offsets[host] > 0 {
            view.ahead_until = inner.now + 300_000;
        }
        let track = view.tracks.entry(stream.to_owned()).or_insert_with(|| Track {
            plan: entry.plan.clone().expect("the first record carries the plan"),
            state: State::default(),
            held: None,
            was_held: false,
            paused: false,
            intents: Vec::new(),
            proven: 0,
            effective: None,
            commands: Vec::new(),
            stop_waits: 0,
            hold_waits: 0,
        });
        let mut again = track.state.clone();
        match fold(&track.plan, &mut again, &entry.input) {
            Ok(events) if events == entry.events => {}
            other => found.push((REPLAY, format!("{stream}: recorded {:?}, replayed {other:?}", entry.events))),
        }
        let before = track.state.clone();
        for event in &entry.events {
            track.state.apply(event);
        }
        if let Input::Command(issued) = &entry.input {
            track.commands.push(issued.command.clone());
        }
        if let Input::Tick(tick) = &entry.input {
            prove(inner, track, &before, tick, view.ahead_until);
        }
        for event in &entry.events {
            match event {
                Event::Advancing { at, .. } | Event::Completed { at } => {
                    self.advances += u64::from(matches!(event, Event::Advancing { .. }));
                    if track.held.is_some() || before.phase == Phase::Stopped {
                        found.push((HELD, format!("{stream} goes on at {at} while a person holds it")));
                    }
                    let need = track.plan.ticks(track.plan.stages[before.stage].bake);
                    if track.proven < need {
                        let detail = format!("{stream} goes on at {at} with {} of {need} proven ticks", track.proven);
                        found.push((BAKE_PROVEN, detail));
                    }
                    if let Err(why) = evidence(inner, track, &before, &entry.input, view.ahead_until) {
                        found.push((BAD_EVIDENCE, format!("{stream} goes on at {at}: {why}")));
                    }
                }
                Event::Intended(effect) => {
                    if effect.kind == EffectKind::Grow && !effect.by_person && track.held.is_some() {
                        found.push((HELD, format!("{stream} intends {} while a person holds it", effect.to)));
                    }
                    self.intended += u64::from(effect.kind != EffectKind::Off);
                    track.intents.push(effect.clone());
                }
                Event::Effective { at, changed, .. } => {
                    track.effective = Some(*at);
                    if *changed {
                        track.proven = 0;
                    }
                }
                Event::Paused { .. } => track.paused = true,
                Event::RolledBack { .. } | Event::Reduced { .. } | Event::LateWrite { .. } => {
                    track.paused |= matches!(event, Event::RolledBack { .. });
                    track.proven = 0;
                }
                Event::Resumed { .. } | Event::Forced { .. } => {
                    track.paused = false;
                    track.held = None;
                    if matches!(event, Event::Forced { .. }) {
                        track.proven = 0;
                    }
                }
                _ => {}
            }
        }
        let by_person =
            |event: &Event| matches!(event, Event::Paused { by: Some(_), .. } | Event::RolledBack { by: Some(_), .. });
        if entry.events.iter().any(by_person) {
            track.held = Some(Held { allowed: track.state.allowed.clone() });
            track.was_held = true;
            track.hold_waits = 0;
        }
        if let Some(held) = &track.held
            && !track.state.allowed.within(&held.allowed)
        {
            let detail = format!("{stream}: {} is allowed where {} was held", track.state.allowed, held.allowed);
            found.push((OBEYED, detail));
        }
    }

    fn flag_changes(&mut self, inner: &mut Inner) {
        let new: Vec<Change> = inner.backend.history[self.changes_seen..].to_vec();
        self.changes_seen += new.len();
        for change in new {
            let Writer::Expose(request) = &change.by else { continue };
            let stamp = &request.expose.stamp;
            if self.cas
                && is_foreign(change.before.stamp.as_ref(), &stamp.journal)
                && !self.person_takes_over(stamp, &change)
            {
                let detail = format!("{stamp:?} wrote over {:?}", change.before.stamp);
                self.found.push((FOREIGN, detail));
            }
            if change.after.shown().within(&change.before.shown()) {
                continue;
            }
            let track = self.track(&stamp.journal, &stamp.rollout);
            let reason = track.is_some_and(|track| {
                track.intents.iter().any(|effect| {
                    let to = effect.to == change.after.exposure;
                    let switch = change.before.on || effect.switch_on;
                    let in_time = effect.expires.is_none_or(|expires| request.sent < expires);
                    match effect.kind {
                        EffectKind::Grow => to && switch && in_time,
                        // without compare-and-swap a reduction may land on a smaller one that came between
                        EffectKind::Shrink => to && !self.cas,
                        EffectKind::Off => false,
                    }
                })
            });
            let by_rule = |effect: &&Effect| {
                effect.kind == EffectKind::Grow && !effect.by_person && effect.to == change.after.exposure
            };
            // what a hand made smaller since the tick looked must not be overwritten by what the tick decided
            if let Some(track) = track
                && self.cas
                && track.intents.last().filter(by_rule).is_some()
                && change.before.other_hand.is_some()
                && change.before.shown() != track.state.allowed
            {
                let detail = format!(
                    "p{} grew to {} over a hand's {}",
                    request.pid,
                    change.after.shown(),
                    change.before.shown()
                );
                self.found.push((OBEYED, detail));
            }
            if !reason {
                let detail = format!(
                    "p{} wrote {} over {}, sent at {}, and nothing recorded asks for it",
                    request.pid,
                    change.after.shown(),
                    change.before.shown(),
                    request.sent
                );
                self.found.push((RECORDED_REASON, detail));
            }
        }
    }

    fn person_takes_over(&self, stamp: &flagstaff::engine::input::Stamp, change: &Change) -> bool {
        let track = self.track(&stamp.journal, &stamp.rollout);
        let asked = |effect: &Effect| effect.take_over && effect.to == change.after.exposure;
        track.is_some_and(|track| track.intents.iter().any(asked))
    }

    fn track(&self, journal: &str, rollout: &str) -> Option<&Track> {
        self.hosts.iter().find(|host| host.id == journal)?.tracks.get(rollout)
    }

    fn time_passes(&mut self, inner: &mut Inner, alive: &[bool]) {
        let passed = inner.now - self.last;
        self.last = inner.now;
        let flag = inner.backend.flag.clone();
        let by_hand = by_hand(inner);
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let journal_down = inner.faults.journal_down.get(&index).copied().unwrap_or(i64::MIN);
            let can = alive[index] && inner.now >= inner.faults.backend_down && inner.now >= journal_down;
            for (stream, track) in &mut host.tracks {
                let ours = flag.stamp.as_ref() == Some(&track.state.stamp);
                let shown = flag.shown();
                let stopped = track.state.phase == Phase::Stopped;
                let wrong = ours && stopped && !shown.is_nobody() && !by_hand;
                track.stop_waits = if wrong && can { track.stop_waits + passed } else { 0 };
                if track.stop_waits > PATIENCE {
                    let detail = format!("{stream} was stopped, and {shown} still have it");
                    self.found.push((STOP_STAYS, detail));
                }
                let beyond = track.held.as_ref().is_some_and(|held| !shown.within(&held.allowed));
                let wrong = ours && beyond && track.state.is_live() && !by_hand;
                track.hold_waits = if wrong && can { track.hold_waits + passed } else { 0 };
                if track.hold_waits > PATIENCE {
                    self.found.push((OBEYED, format!("{stream} is held, and {shown} have it")));
                }
            }
        }
    }

    /// What people were told was done is in the journal.
    fn acknowledged(&mut self) {
        let acks: Vec<_> = self.acks.lock().expect("no step panics under the lock").drain(..).collect();
        for (host, stream, command) in acks {
            let track = self.hosts[host].tracks.get(&stream);
            let recorded = track.is_some_and(|track| match &command {
                // one that finds a person's hold standing changes nothing
                Command::Pause => track.was_held || !track.state.is_live(),
                Command::Abort => track.commands.contains(&command) || track.state.phase == Phase::Stopped,
                _ => true,
            });
            if !recorded {
                self.found
                    .push((OBEYED, format!("{} of {stream} was acknowledged and is not recorded", command.word())));
            }
        }
    }
}

/// Whether another hand has been at the flag since our last write that enlarged it.
fn by_hand(inner: &Inner) -> bool {
    let enlarged = |change: &&Change| !change.after.shown().within(&change.before.shown());
    let newest = inner.backend.history.iter().rev().find(enlarged);
    inner.backend.flag.other_hand.is_some() || newest.is_some_and(|change| matches!(change.by, Writer::Hand))
}

/// Counts a recorded tick towards the bake if it really proves health at this stage.
fn prove(inner: &Inner, track: &mut Track, before: &State, tick: &Tick, ahead_until: i64) {
    match tick.readings.first() {
        Some(Reading::Value(value)) if *value < Decimal::new(2, -2) => {
            let settled = track.effective.is_some_and(|effective| tick.at >= effective.plus(track.plan.settle));
            // what was asked for before it happened is the newest sample repeated: the truth has moved on since
            let known = inner.now >= ahead_until;
            let stage = &track.plan.stages[before.stage].exposure;
            let really = !known || (inner.is_well(tick.at.0) && inner.backend.shown_at(tick.at.0) == *stage);
            if settled && really && !track.paused {
                track.proven += 1;
            }
        }
        Some(Reading::Value(_)) => track.proven = 0,
        _ => {}
    }
}

/// Whether a decision to grow stands on fresh, complete evidence of its own.
fn evidence(inner: &Inner, track: &Track, before: &State, input: &Input, ahead_until: i64) -> Result<(), String> {
    let Input::Tick(tick) = input else { return Err("not on a tick".to_owned()) };
    let plan = &track.plan;
    if !tick.present || tick.evaluated >= tick.at.plus(plan.every).plus(plan.delay) {
        return Err(format!("the tick of {} was evaluated at {}", tick.at, tick.evaluated));
    }
    for reading in &tick.readings {
        match reading {
            Reading::Value(value) if *value < Decimal::new(2, -2) => {}
            other => return Err(format!("on {other:?}")),
        }
    }
    let covers = |(from, to, trouble): &(i64, i64, Trouble)| {
        matches!(trouble, Trouble::Lost(_)) && (*from..*to).contains(&tick.at.0)
    };
    if inner.now >= ahead_until && inner.truth.troubles.iter().any(covers) {
        return Err("no source had a value for that instant".to_owned());
    }
    match &tick.gates.backend {
        Observation::Seen(seen) if seen.stamp.as_ref() != Some(&before.stamp) => Err("under another stamp".to_owned()),
        Observation::Seen(seen) if seen.shown() != before.allowed => Err(format!("{} was shown", seen.shown())),
        Observation::Seen(_) => Ok(()),
        other => Err(format!("with the backend {other:?}")),
    }
}
