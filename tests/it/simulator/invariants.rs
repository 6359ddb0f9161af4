//! What must hold after every step, judged by what was recorded, what the flag really was and what really was so:
//! never by the state that a process believes in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use flagstaff::control::record::{FOLD, FREEZE, FoldBody, Freeze, PLAN, PlanBody, Step};
use flagstaff::control::stop::Recorded;
use flagstaff::control::{StopKind, StopOutcome};
use flagstaff::engine::decide::fold;
use flagstaff::engine::input::{HoldKind, Late, LateTick, Observed};
use flagstaff::engine::plan::Arm;
use flagstaff::engine::{
    Command, Decimal, Effect, EffectKind, Event, Exposure, Input, Observation, Phase, Plan, Reading, Standing, State,
    Tick, Timestamp, Unknown,
};
use flagstaff::journal::verify::verify;
use flagstaff::journal::{Journal, Record, Sequence};

use super::backend::{Change, Writer, is_foreign};
use super::crew::Ack;
use super::ledger::Ledger;
use super::people::OPEN_MINUTES;
use super::telemetry::Trouble;
use super::world::{Inner, Shared};

pub(super) const RECORDED_REASON: &str = "exposure_has_a_recorded_reason";
pub(super) const HELD: &str = "never_grows_while_held";
pub(super) const WINDOW: &str = "never_grows_outside_its_window";
pub(super) const BAD_EVIDENCE: &str = "never_grows_on_bad_evidence";
pub(super) const STOP_STAYS: &str = "stop_arrives_and_stays";
pub(super) const BAKE_PROVEN: &str = "bake_is_proven";
pub(super) const REPLAY: &str = "replay_is_identical";
pub(super) const EVERYTHING_ENDS: &str = "everything_ends";
pub(super) const FOREIGN: &str = "foreign_stamp_is_never_grown";
pub(super) const ONE_LIVE: &str = "one_live_rollout_per_flag";
pub(super) const CHAIN: &str = "journal_chain_verifies";
pub(super) const OBEYED: &str = "people_are_obeyed";
pub(super) const BREACH_STOPS: &str = "a_breach_stops";
pub(super) const LATE_HEARD: &str = "late_answers_are_heard";
pub(super) const OFF_IS_SERVED: &str = "a_confirmed_stop_is_served";
pub(super) const SPOOL_FIRST: &str = "spooled_stops_come_first";

/// How long a stop or a hold may be contradicted by our own writes while somebody drives and nothing is down: each
/// call may take a minute and a half in bad weather, and the driver comes round once a tick.
const PATIENCE: i64 = 900_000;
/// How old what was read may be when it is recorded.
const OLD: i64 = 120_000;

type Broken = (&'static str, String);

/// A person stopped growth.
#[derive(Debug, Clone)]
struct Held {
    /// What was allowed when they did.
    allowed: Exposure,
}

/// One rollout, from its records alone.
struct Track {
    /// Where its first record is: rollouts of one release are told apart by it.
    opened: Sequence,
    plan: Plan,
    state: State,
    /// What others are told by.
    standing: Standing,
    held: Option<Held>,
    was_held: bool,
    paused: bool,
    /// Every growth or shrink that was ever recorded.
    intents: Vec<Effect>,
    /// Ticks in a row that proved health at the present stage.
    proven: u32,
    /// What `samples` counted at those ticks.
    sampled: Decimal,
    /// Ticks in a row, present or caught up, whose reading broke the threshold of `errors`.
    breaches: u32,
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
    freezes: Vec<Freeze>,
    spool: PathBuf,
    /// Stops that were told to be in the spool: since when, and of what.
    waiting: Vec<(i64, String)>,
    /// The host's clock was ahead of the source's not long ago: instants may be asked for before they happen.
    ahead_until: i64,
}

/// Whether the window of lives that have one is open, by the hour alone.
fn is_open(at: Timestamp) -> bool {
    at.0.div_euclid(60_000).rem_euclid(60) < OPEN_MINUTES
}

/// What a person was told, where and when.
pub(super) struct Told {
    pub(super) host: usize,
    pub(super) at: i64,
    pub(super) ack: Ack,
}

pub(super) type AllTold = Arc<Mutex<Vec<Told>>>;

pub(super) struct Checker {
    world: Shared,
    hosts: Vec<HostView>,
    only: Option<&'static str>,
    cas: bool,
    changes_seen: BTreeMap<String, usize>,
    told: AllTold,
    last: i64,
    checks: u64,
    records: u64,
    advances: u64,
    intended: u64,
    /// What ever happened: kinds of inputs and events.
    happened: BTreeSet<String>,
    found: Vec<Broken>,
}

impl Checker {
    pub(super) fn new(
        world: &Shared,
        ledgers: &[Ledger],
        spools: Vec<PathBuf>,
        only: Option<&'static str>,
        cas: bool,
    ) -> Checker {
        let view = |(ledger, spool): (&Ledger, PathBuf)| {
            let journal = ledger.open();
            let id = journal.id().to_owned();
            HostView {
                journal,
                id,
                seen: Sequence(0),
                tracks: BTreeMap::new(),
                freezes: Vec::new(),
                spool,
                waiting: Vec::new(),
                ahead_until: i64::MIN,
            }
        };
        Checker {
            world: Arc::clone(world),
            hosts: ledgers.iter().zip(spools).map(view).collect(),
            only,
            cas,
            changes_seen: BTreeMap::new(),
            told: Arc::default(),
            last: world.with(|inner| inner.now),
            checks: 0,
            records: 0,
            advances: 0,
            intended: 0,
            happened: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn told(&self) -> AllTold {
        Arc::clone(&self.told)
    }

    /// How many writes of an exposure were ever intended.
    pub(super) fn intents(&self) -> u64 {
        self.intended
    }

    pub(super) fn happened(&self) -> &BTreeSet<String> {
        &self.happened
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

    /// The newest rollout of each release, with its flag.
    pub(super) fn newest(&self, host: usize) -> Vec<(String, String, State)> {
        let mut newest: BTreeMap<&str, &Track> = BTreeMap::new();
        for track in self.hosts[host].tracks.values() {
            let known = newest.entry(&track.plan.release).or_insert(track);
            if track.opened > known.opened {
                *known = track;
            }
        }
        newest
            .values()
            .map(|track| (track.plan.release.clone(), track.plan.flag.clone(), track.state.clone()))
            .collect()
    }

    /// Every rollout is completed or stopped, with nothing left to do, what is shown agrees, and no stop waits.
    pub(super) fn all_ended(&self) -> bool {
        let mut tracks = self.hosts.iter().flat_map(|host| host.tracks.values());
        let settled = |track: &Track| {
            let superseded = self.is_superseded(track);
            !track.state.is_live() && (track.state.effect.is_none() || superseded) && track.stop_waits == 0
        };
        tracks.all(settled) && self.hosts.iter().all(|host| host.spooled() == 0)
    }

    /// A newer rollout has the flag: what this one still wanted would hit that one.
    fn is_superseded(&self, track: &Track) -> bool {
        let mut others = self.hosts.iter().flat_map(|host| host.tracks.values());
        others.any(|other| {
            other.plan.flag == track.plan.flag
                && other.state.stamp.journal == track.state.stamp.journal
                && other.opened > track.opened
        })
    }

    pub(super) fn describe(&self) -> String {
        let waiting: usize = self.hosts.iter().map(HostView::spooled).sum();
        let tracks = self.hosts.iter().flat_map(|host| &host.tracks);
        let open = tracks.filter(|(_, track)| track.state.is_live() || track.state.effect.is_some());
        open.map(|(stream, track)| {
            let State { phase, stage, causes, effect, missing, .. } = &track.state;
            format!("{stream} is {phase:?} at stage {stage}, causes {causes:?}, effect {effect:?}, missing {missing:?}")
        })
        .chain((waiting > 0).then(|| format!("{waiting} stops wait in a spool")))
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
            let records = self.hosts[host].journal.load(after, usize::MAX).unwrap_or_default();
            for record in records {
                self.records += 1;
                self.hosts[host].seen = record.sequence;
                world.with(|inner| self.take_record(inner, host, &record));
            }
            let mut live: BTreeMap<&str, usize> = BTreeMap::new();
            for track in self.hosts[host].tracks.values().filter(|track| track.state.is_live()) {
                *live.entry(&track.plan.flag).or_default() += 1;
            }
            if let Some((flag, live)) = live.into_iter().find(|(_, live)| *live > 1) {
                self.found.push((ONE_LIVE, format!("{live} rollouts of {flag} are live on host {host}")));
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
        let records = view.journal.load(Sequence(0), usize::MAX).unwrap_or_default();
        if let Err(damage) = verify(&view.id, &records, None) {
            self.found.push((CHAIN, format!("{damage:?}")));
        }
        if records.len() as u64 != self.hosts[host].seen.0 && records.len() as u64 <= self.hosts[host].seen.0 {
            self.found.push((CHAIN, "records are gone".to_owned()));
        }
    }

    fn take_record(&mut self, inner: &mut Inner, host: usize, record: &Record) {
        let (stream, body) = (&record.new.stream, &record.new.body);
        match record.new.kind.as_str() {
            PLAN => {
                let PlanBody { plan, .. } = serde_json::from_str(body).expect("control wrote it");
                let known = self.hosts[host].tracks.insert(stream.clone(), Track::new(record.sequence, plan));
                if known.is_some() {
                    self.found.push((ONE_LIVE, format!("{stream} was opened twice")));
                }
            }
            FOLD => {
                let body: FoldBody = serde_json::from_str(body).expect("control wrote it");
                for step in &body.steps {
                    self.take(inner, host, stream, step);
                }
            }
            FREEZE => {
                let freeze: Freeze = serde_json::from_str(body).expect("control wrote it");
                let freezes = &mut self.hosts[host].freezes;
                freezes.retain(|known| known.name != freeze.name);
                freezes.push(freeze);
            }
            _ => {}
        }
    }

    fn take(&mut self, inner: &mut Inner, host: usize, stream: &str, entry: &Step) {
        let found = &mut self.found;
        let view = &mut self.hosts[host];
        if inner.offsets[host] > 0 {
            view.ahead_until = inner.now + 300_000;
        }
        let local = inner.local(host);
        let Some(track) = view.tracks.get_mut(stream) else {
            found.push((REPLAY, format!("{stream} has steps and no plan")));
            return;
        };
        self.happened.insert(kind(&entry.input));
        self.happened.extend(entry.events.iter().map(kind));
        let mut again = track.state.clone();
        match fold(&track.plan, &mut again, &entry.input) {
            Ok(events) if events == entry.events => {}
            other => found.push((REPLAY, format!("{stream}: recorded {:?}, replayed {other:?}", entry.events))),
        }
        let before = track.state.clone();
        for event in &entry.events {
            track.state.apply(event);
            track.standing.take(event);
            let (told, is) = (&track.standing, &track.state);
            // both come from events alone, so that nothing that is broken elsewhere can make them differ
            assert_eq!((told.stage, &told.allowed), (is.stage, &is.allowed), "{stream} after {event:?}");
        }
        if let Input::Command(issued) = &entry.input {
            track.commands.push(issued.command.clone());
            if let Command::Adopt { plan, hash } = &issued.command
                && track.state.plan == *hash
            {
                track.plan = (**plan).clone();
            }
            // a person lets go: whoever typed that heard of the stop
            let lets_go =
                |event: &Event| matches!(event, Event::Started { .. } | Event::Resumed { .. } | Event::Forced { .. });
            if entry.events.iter().any(lets_go) {
                view.waiting.retain(|(_, flag)| *flag != track.plan.flag);
            }
        }
        if let Input::Tick(tick) = &entry.input {
            if tick.gates.holds.iter().any(|hold| hold.kind == HoldKind::Window) {
                self.happened.insert("Windowed".to_owned());
            }
            prove(inner, track, &before, tick, view.ahead_until);
            if let Err(why) = breach(track, &before, tick) {
                found.push((BREACH_STOPS, format!("{stream}: {why}")));
            }
        }
        if let Input::Late(late) = &entry.input {
            if let Err(why) = late_breach(track, &before, late) {
                found.push((BREACH_STOPS, format!("{stream}: {why}")));
            }
            for tick in late.ticks.iter().filter(|tick| tick.late) {
                if let Err(why) = heard(inner, host, track, tick.at, &tick.readings) {
                    found.push((LATE_HEARD, format!("{stream}: {why}")));
                }
            }
        }
        for event in &entry.events {
            match event {
                Event::Advancing { at, .. } | Event::Completed { at } => {
                    self.advances += u64::from(matches!(event, Event::Advancing { .. }));
                    if track.held.is_some() || before.phase == Phase::Stopped {
                        found.push((HELD, format!("{stream} goes on at {at} while a person holds it")));
                    }
                    let grows = matches!(event, Event::Advancing { .. });
                    if grows && !track.plan.windows.is_empty() && !(is_open(*at) && is_open(entry.at)) {
                        found.push((WINDOW, format!("{stream} goes on at {at}, decided {}", entry.at)));
                    }
                    if let Some(freeze) = view.freezes.iter().find(|freeze| grows && holds(freeze, &track.plan, local))
                    {
                        found.push((HELD, format!("{stream} goes on at {at} through {}", freeze.name)));
                    }
                    if let Some(samples) = &track.plan.stages[before.stage].samples
                        && track.sampled < Decimal::whole(i64::try_from(samples.at_least).expect("small"))
                    {
                        let detail = format!("{stream} goes on at {at} with {} of {samples:?}", track.sampled);
                        found.push((BAKE_PROVEN, detail));
                    }
                    let need = track.plan.ticks(track.plan.stages[before.stage].bake);
                    if track.proven < need {
                        let detail = format!("{stream} goes on at {at} with {} of {need} proven ticks", track.proven);
                        found.push((BAKE_PROVEN, detail));
                    }
                    if let Err(why) = evidence(inner, track, &before, entry, (local, view.ahead_until)) {
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
                        track.disprove();
                    }
                    track.breaches = 0;
                }
                Event::Confirmed { .. } if before.phase == Phase::Stopped && before.is_stopping() => {
                    // what this rollout exposed, by its own records, and whoever serves it has kept since
                    let kept = inner.flags.get(&track.plan.flag).and_then(|model| model.kept(inner.now));
                    if let Some(kept) = kept.filter(|kept| inner.now - kept.since > OLD)
                        && track.effective.is_some()
                        && kept.serves.stamp.as_ref() == Some(&before.stamp)
                        && !kept.serves.shown().is_nobody()
                    {
                        let detail = format!("{stream} is recorded as off, and {} have it", kept.serves.shown());
                        found.push((OFF_IS_SERVED, detail));
                    }
                }
                Event::Paused { .. } => track.paused = true,
                Event::RolledBack { .. } | Event::Reduced { .. } | Event::LateWrite { .. } => {
                    track.paused |= matches!(event, Event::RolledBack { .. });
                    track.disprove();
                    track.breaches = 0;
                }
                Event::Adopted { .. } => {
                    track.disprove();
                    track.breaches = 0;
                }
                Event::Resumed { .. } | Event::Forced { .. } => {
                    track.paused = false;
                    track.held = None;
                    track.breaches = 0;
                    if matches!(event, Event::Forced { .. }) {
                        track.disprove();
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
        let mut new: Vec<Change> = Vec::new();
        for (key, model) in &inner.flags {
            let seen = self.changes_seen.entry(key.clone()).or_default();
            new.extend(model.history[*seen..].iter().cloned());
            *seen = model.history.len();
        }
        let mut found = Vec::new();
        for change in new {
            let Writer::Expose(request) = &change.by else { continue };
            let stamp = &request.expose.stamp;
            if self.cas
                && is_foreign(change.before.stamp.as_ref(), &stamp.journal)
                && !self.person_takes_over(stamp, &change)
            {
                let detail = format!("{stamp:?} wrote over {:?}", change.before.stamp);
                found.push((FOREIGN, detail));
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
            if let Some((since, host)) = self.waits(&stamp.journal, &request.expose.flag)
                && request.at > since
                && track.is_some_and(|track| track.intents.last().is_some_and(|effect| !effect.by_person))
            {
                let detail =
                    format!("p{} grew {} past a stop in the spool of host {host}", request.pid, request.expose.flag);
                found.push((SPOOL_FIRST, detail));
            }
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
                found.push((OBEYED, detail));
            }
            if !reason {
                let detail = format!(
                    "p{} wrote {} over {}, sent at {}, and nothing recorded asks for it",
                    request.pid,
                    change.after.shown(),
                    change.before.shown(),
                    request.sent
                );
                found.push((RECORDED_REASON, detail));
            }
        }
        self.found.extend(found);
    }

    fn person_takes_over(&self, stamp: &flagstaff::engine::input::Stamp, change: &Change) -> bool {
        let track = self.track(&stamp.journal, &stamp.rollout);
        let asked = |effect: &Effect| effect.take_over && effect.to == change.after.exposure;
        track.is_some_and(|track| track.intents.iter().any(asked))
    }

    /// Since when a stop of a flag has waited beside a journal.
    fn waits(&self, journal: &str, flag: &str) -> Option<(i64, usize)> {
        let (host, view) = self.hosts.iter().enumerate().find(|(_, view)| view.id == journal)?;
        let since = view.waiting.iter().filter(|(_, of)| of == flag).map(|(since, _)| *since).min()?;
        Some((since, host))
    }

    fn track(&self, journal: &str, rollout: &str) -> Option<&Track> {
        self.hosts.iter().find(|host| host.id == journal)?.tracks.get(rollout)
    }

    fn time_passes(&mut self, inner: &mut Inner, alive: &[bool]) {
        let passed = inner.now - self.last;
        self.last = inner.now;
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let journal_down = inner.faults.journal_down.get(&index).copied().unwrap_or(i64::MIN);
            let can = alive[index] && inner.now >= inner.faults.backend_down && inner.now >= journal_down;
            for (stream, track) in &mut host.tracks {
                let Some(model) = inner.flags.get(&track.plan.flag) else { continue };
                let (flag, by_hand) = (&model.flag, by_hand(model));
                let ours = flag.stamp.as_ref() == Some(&track.state.stamp);
                let shown = flag.shown();
                let stopped = track.state.phase == Phase::Stopped;
                let wrong = ours && stopped && !shown.is_nobody() && !by_hand;
                // nothing can be written where there is nothing to write into
                let can = can && !model.is_gone(inner.now);
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

    /// What people were told was done is in the journal, or in the spool.
    fn acknowledged(&mut self) {
        let all: Vec<Told> = self.told.lock().expect("no step panics under the lock").drain(..).collect();
        for Told { host, at, ack } in all {
            let view = &mut self.hosts[host];
            let (stream, word, recorded) = match &ack {
                Ack::Other => continue,
                Ack::Command(stream, command) => {
                    let track = view.tracks.get(stream);
                    let recorded = track.is_some_and(|track| match command {
                        Command::Abort => track.commands.contains(command) || track.state.phase == Phase::Stopped,
                        _ => true,
                    });
                    (stream.clone(), command.word(), recorded)
                }
                Ack::Stop(report) => {
                    let named = report.rollout.as_ref().and_then(|id| view.tracks.get(id));
                    if matches!(report.recorded, Recorded::Spool(_)) {
                        self.happened.insert("Spooled".to_owned());
                        // what the journal could not be asked about may be nobody's
                        let of_address = view.tracks.values().filter(|track| track.plan.address() == report.address);
                        if let Some(track) = named.or_else(|| of_address.max_by_key(|track| track.opened)) {
                            view.waiting.push((at, track.plan.flag.clone()));
                        }
                        continue;
                    }
                    let nothing = matches!(
                        report.outcome,
                        StopOutcome::NoSuchFlag | StopOutcome::NothingToPause { .. } | StopOutcome::NotOff { .. }
                    );
                    let kind = if report.undo.is_some() || matches!(report.outcome, StopOutcome::Off { .. }) {
                        StopKind::Abort
                    } else {
                        StopKind::Pause
                    };
                    let recorded = nothing
                        || named.is_none_or(|track| match kind {
                            StopKind::Abort => track.commands.contains(&Command::Abort) || !track.state.is_live(),
                            // one that finds a person's hold standing changes nothing
                            StopKind::Pause => track.was_held || !track.state.is_live(),
                        });
                    (report.address.clone(), if kind == StopKind::Abort { "abort" } else { "pause" }, recorded)
                }
            };
            if !recorded {
                self.found.push((OBEYED, format!("{word} of {stream} was acknowledged and is not recorded")));
            }
        }
    }
}

/// The variant's name.
fn kind<T: std::fmt::Debug>(of: &T) -> String {
    format!("{of:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

impl HostView {
    /// How many records wait in the spool.
    fn spooled(&self) -> usize {
        let Ok(entries) = std::fs::read_dir(&self.spool) else { return 0 };
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json")).count()
    }
}

impl Track {
    fn new(opened: Sequence, plan: Plan) -> Track {
        Track {
            opened,
            plan,
            state: State::default(),
            standing: Standing::default(),
            held: None,
            was_held: false,
            paused: false,
            intents: Vec::new(),
            proven: 0,
            sampled: Decimal::ZERO,
            breaches: 0,
            effective: None,
            commands: Vec::new(),
            stop_waits: 0,
            hold_waits: 0,
        }
    }

    /// The bake begins anew.
    fn disprove(&mut self) {
        self.proven = 0;
        self.sampled = Decimal::ZERO;
    }

    /// Where the exposed group's error rate stands among the readings.
    fn error_rate(&self) -> usize {
        let is = |series: &flagstaff::engine::plan::Series| series.name == "error_rate" && series.arm == Arm::Exposed;
        self.plan.series.iter().position(is).expect("every policy here has it")
    }
}

fn holds(freeze: &Freeze, plan: &Plan, now: Timestamp) -> bool {
    freeze.until > now
        && freeze.environment.as_ref().is_none_or(|frozen| *frozen == plan.environment)
        && freeze.release.as_ref().is_none_or(|frozen| *frozen == plan.release)
}

/// Whether another hand has been at the flag since our last write that enlarged it.
fn by_hand(model: &super::backend::Model) -> bool {
    let enlarged = |change: &&Change| !change.after.shown().within(&change.before.shown());
    let newest = model.history.iter().rev().find(enlarged);
    model.flag.other_hand.is_some() || newest.is_some_and(|change| matches!(change.by, Writer::Hand))
}

/// A run of breaches as long as the rule's `for`, and some, must have stopped it, unless it was muted.
fn breach(track: &mut Track, before: &State, tick: &Tick) -> Result<(), String> {
    let rule = &track.plan.rules[0];
    let muted = before.muted.get(&rule.name).is_some_and(|until| tick.at < *until);
    let above = matches!(&tick.readings[track.error_rate()], Reading::Value(value) if *value > Decimal::new(5, -2));
    track.breaches = if above && !muted && before.phase == Phase::Running { track.breaches + 1 } else { 0 };
    let need = track.plan.rule_ticks(rule.hold_for);
    if track.breaches > need + 1 && track.state.phase == Phase::Running {
        return Err(format!("{} breaches in a row up to {}, and it is running", track.breaches, tick.at));
    }
    Ok(())
}

/// So must one that ticks answered late are part of, up to the newest one recorded.
fn late_breach(track: &Track, before: &State, late: &Late) -> Result<(), String> {
    let rule = &track.plan.rules[0];
    let muted = |at: Timestamp| before.muted.get(&rule.name).is_some_and(|until| at < *until);
    let above = |tick: &&LateTick| {
        let above = matches!(&tick.readings[track.error_rate()], Reading::Value(value) if *value > Decimal::new(5, -2));
        above && tick.at > before.started && !muted(tick.at)
    };
    let run: Vec<&LateTick> = late.ticks.iter().rev().take_while(above).collect();
    let follows = |pair: &&[&LateTick]| pair[0].at.since(pair[1].at) == track.plan.every;
    let consecutive = run.windows(2).take_while(follows).count() + 1;
    let need = track.plan.rule_ticks(rule.hold_for);
    let is_late = run.iter().take(consecutive).any(|tick| tick.late);
    if is_late && consecutive > need as usize && before.phase == Phase::Running && track.state.phase == Phase::Running {
        return Err(format!(
            "{consecutive} late breaches in a row up to {:?}, and it is running",
            run.first().map(|tick| tick.at)
        ));
    }
    Ok(())
}

/// What came late is what the source knows of that instant.
fn heard(inner: &Inner, host: usize, track: &Track, at: Timestamp, readings: &[Reading]) -> Result<(), String> {
    let index = track.error_rate();
    let (Some(reading), Some(series)) = (readings.get(index), track.plan.series.get(index)) else { return Ok(()) };
    let known = inner.said(host, at.0, &series.query);
    match (reading, known) {
        (Reading::Unknown(Unknown::Unobserved), Reading::Value(value)) if inner.offsets[host] == 0 => {
            Err(format!("the source knows {value} at {at}, and nobody heard"))
        }
        _ => Ok(()),
    }
}

/// Counts a recorded tick towards the bake if it really proves health at this stage.
fn prove(inner: &Inner, track: &mut Track, before: &State, tick: &Tick, ahead_until: i64) {
    let stage = track.plan.stages[before.stage].clone();
    let idle = matches!(&tick.readings[track.error_rate()], Reading::Unknown(Unknown::Idle));
    match &tick.readings[track.error_rate()] {
        Reading::Value(value) if *value >= Decimal::new(2, -2) => track.disprove(),
        Reading::Unknown(_) if !(idle && stage.idle_bakes) => {}
        _ => {
            let settled = track.effective.is_some_and(|effective| tick.at >= effective.plus(track.plan.settle));
            // what was asked for before it happened is the newest sample repeated: the truth has moved on since
            let known = inner.now >= ahead_until;
            let flag = &track.plan.flag;
            let shown = inner.shown_at(flag, tick.at.0) == stage.exposure;
            let really = !known || (shown && (idle || inner.is_well(flag, tick.at.0)));
            if settled && really && !track.paused {
                track.proven += 1;
                if let Some(samples) = &stage.samples
                    && let Reading::Value(count) = &tick.readings[samples.series]
                {
                    track.sampled = track.sampled.plus(*count);
                }
            }
        }
    }
}

/// Whether a decision to grow stands on fresh, complete evidence of its own. `clocks`: what the host's clock really
/// showed, and until when its instants may lie ahead of the source's.
fn evidence(inner: &Inner, track: &Track, before: &State, step: &Step, clocks: (Timestamp, i64)) -> Result<(), String> {
    let (local, ahead_until) = clocks;
    let Input::Tick(tick) = &step.input else { return Err("not on a tick".to_owned()) };
    let plan = &track.plan;
    if !tick.present || local >= tick.at.plus(plan.every).plus(plan.delay) {
        return Err(format!("the tick of {} was evaluated at {local}", tick.at));
    }
    match &tick.readings[track.error_rate()] {
        Reading::Value(value) if *value < Decimal::new(2, -2) => {}
        Reading::Unknown(Unknown::Idle) if plan.stages[before.stage].idle_bakes => {}
        other => return Err(format!("on {other:?}")),
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
        Observation::Seen(Observed { unserved: Some(why), .. }) => Err(format!("not served: {why}")),
        Observation::Seen(_) => Ok(()),
        other => Err(format!("with the backend {other:?}")),
    }
}
