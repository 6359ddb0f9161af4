//! A model backend: per flag a switch, an exposure below it, a stamp, a revision and a log of other hands.
//!
//! Off is never conditional. Every other write is conditional on the revision where the backend can compare and swap;
//! a variant without that takes whatever arrives last.

use std::collections::BTreeMap;

use flagstaff::backend::{Backend, BackendError, Card, Expose, Prepare, Standing, Switch};
use flagstaff::checkup::{Check, Fault};
use flagstaff::clock::{Answer, Clock};
use flagstaff::engine::input::{NO_PLACE, Observed, Stamp};
use flagstaff::engine::plan::Audience;
use flagstaff::engine::{Exposure, Percentage, Timestamp};

use super::world::{Fate, Inner, Kind, Pid, Shared, Step};

/// What the backend is called: the path that the documents name.
pub(super) const PLACE: &str = "flags.json";

/// What is broken on purpose, to see that the invariants notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lie {
    #[default]
    None,
    /// Says that it switched off, and did not.
    OffIsIgnored,
    /// Writes half of everybody, whatever was asked.
    WritesMore,
    /// Never shows what another hand did: only what was written through it last.
    HidesHands,
    /// Writes over anybody's stamp.
    TakesOver,
    /// Keeps requests and sends them minutes later, as if they were new.
    SendsLate,
}

/// A request for an exposure, as sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) pid: Pid,
    /// Local time of the sender when it was sent.
    pub(super) sent: Timestamp,
    /// True time when it was sent.
    pub(super) at: i64,
    pub(super) expose: Expose,
    /// Nobody waits for it any more.
    pub(super) late: bool,
}

/// Whose write changed the flag.
#[derive(Debug, Clone)]
pub(super) enum Writer {
    Expose(Box<Request>),
    Off,
    Hand,
}

/// One change of what the flag is.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: i64,
    pub(super) by: Writer,
    pub(super) before: Observed,
    pub(super) after: Observed,
}

/// Whoever serves the flag goes on with what was read before.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Since when, and until when.
    pub(super) since: i64,
    pub(super) until: i64,
    /// Whether the file is gone; else something beside the flag keeps it from being taken.
    pub(super) gone: bool,
    /// What is served meanwhile.
    pub(super) serves: Observed,
}

/// The flag and everything that ever happened to it.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) flag: Observed,
    pub(super) revision: u64,
    pub(super) cas: bool,
    pub(super) lie: Lie,
    pub(super) history: Vec<Change>,
    /// What was written through the backend last, for [`Lie::HidesHands`].
    ours: Option<Observed>,
    kept: Option<Kept>,
}

impl Model {
    pub(super) fn new(cas: bool, lie: Lie) -> Model {
        let flag = Observed {
            on: false,
            exposure: Exposure::nobody(),
            foreign: None,
            stamp: None,
            other_hand: None,
            revision: "missing".to_owned(),
            unserved: None,
        };
        Model { flag, revision: 0, cas, lie, history: Vec::new(), ours: None, kept: None }
    }

    fn change(&mut self, at: i64, by: Writer, edit: impl FnOnce(&mut Observed)) {
        let before = self.flag.clone();
        edit(&mut self.flag);
        // what changes nothing is none
        if self.flag != before {
            self.revision += 1;
            self.flag.revision = self.revision.to_string();
        }
        if !matches!(by, Writer::Hand) {
            self.ours = Some(self.flag.clone());
        }
        self.history.push(Change { at, by, before, after: self.flag.clone() });
    }

    /// From now on what is written is not what is served, or nothing can be written at all.
    pub(super) fn keep(&mut self, since: i64, until: i64, gone: bool) {
        self.kept = Some(Kept { since, until, gone, serves: self.flag.clone() });
    }

    /// What is served at an instant, where that is not what is written.
    pub(super) fn kept(&self, at: i64) -> Option<&Kept> {
        self.kept.as_ref().filter(|kept| at < kept.until)
    }

    pub(super) fn is_gone(&self, at: i64) -> bool {
        self.kept(at).is_some_and(|kept| kept.gone)
    }

    fn is_frozen(&self, at: i64) -> bool {
        self.kept(at).is_some_and(|kept| !kept.gone)
    }

    /// What it says about itself.
    fn told(&self, at: i64) -> Observed {
        if self.is_gone(at) {
            let unserved = Some("the file is gone".to_owned());
            return Observed { revision: NO_PLACE.to_owned(), unserved, ..Model::new(true, Lie::None).flag };
        }
        let unserved = self.is_frozen(at).then(|| "a flag beside it is broken".to_owned());
        Observed { unserved, ..self.shown_to_us() }
    }

    fn shown_to_us(&self) -> Observed {
        match &self.ours {
            Some(ours) if self.lie == Lie::HidesHands => {
                Observed { revision: self.flag.revision.clone(), ..ours.clone() }
            }
            _ => self.flag.clone(),
        }
    }

    /// Who gets the feature at a true instant.
    pub(super) fn shown_at(&self, at: i64) -> Exposure {
        let newest = self.history.iter().rev().find(|change| change.at <= at);
        newest.map_or_else(Exposure::nobody, |change| change.after.shown())
    }
}

/// Edits by a hand at the backend itself.
pub(super) fn hand(inner: &mut Inner, key: &str, name: &str, edit: impl FnOnce(&mut Observed)) {
    let now = inner.now;
    let Some(model) = inner.flags.get_mut(key).filter(|model| !model.is_gone(now)) else { return };
    model.change(now, Writer::Hand, |flag| {
        edit(flag);
        flag.other_hand = Some(name.to_owned());
    });
    let shown = model.flag.shown();
    inner.say(format!("{name} leaves {key} at {shown}"));
}

/// A write arrives. `first_half`: the exposure below the switch, before the switch is turned.
pub(super) fn land(inner: &mut Inner, request: &Request, first_half: bool) -> Result<String, BackendError> {
    let now = inner.now;
    let expose = &request.expose;
    let place = PLACE.to_owned();
    let refused = |detail: &str| Err(BackendError::Refused { place: place.clone(), detail: detail.to_owned() });
    if expose.exposure.audiences.iter().any(|name| !expose.audiences.contains_key(name)) {
        return refused("no such audience");
    }
    if expose.stickiness.is_empty() || !expose.exposure.percentage.is_whole() {
        return refused("it is no whole percent by an attribute");
    }
    let Some(model) = inner.flags.get_mut(&expose.flag) else { return refused("no such flag") };
    if model.is_gone(now) {
        return Err(BackendError::Conflict { place, detail: "the file is gone".to_owned() });
    }
    if model.is_frozen(now) && !expose.exposure.within(&model.flag.shown()) {
        return refused("a flag beside it is broken");
    }
    if model.cas && expose.revision != model.flag.revision {
        let detail = format!("revision {} is {} now", expose.revision, model.flag.revision);
        return Err(BackendError::Conflict { place, detail });
    }
    let foreign = model.flag.stamp.as_ref().is_some_and(|stamp| *stamp != expose.stamp);
    let off_under_it = !model.flag.on || model.flag.exposure.is_nobody();
    // a new start of the same journal may write over its own old stamp, below a switch that is off
    let own_old = off_under_it && model.flag.stamp.as_ref().is_some_and(|old| old.journal == expose.stamp.journal);
    if foreign && !own_old && !expose.take_over && model.lie != Lie::TakesOver {
        return Err(BackendError::ForeignStamp { place, detail: format!("{:?}", model.flag.stamp) });
    }
    if expose.switch == Switch::Keep && !model.flag.on && !expose.exposure.is_nobody() {
        return Err(BackendError::SwitchedOff { place, detail: "the switch".to_owned() });
    }
    // what another hand added is set right by a person alone
    let grows = !expose.exposure.within(&model.flag.shown());
    if expose.switch == Switch::Keep && grows && model.flag.reaches_by_foreign() {
        return refused("another hand's part");
    }
    let exposure = match model.lie {
        Lie::WritesMore if !expose.exposure.is_nobody() => Exposure::percent(Percentage::whole(50)),
        _ => expose.exposure.clone(),
    };
    let turn_on = expose.switch == Switch::TurnOn && !first_half;
    let by = Writer::Expose(Box::new(request.clone()));
    model.change(now, by, |flag| {
        flag.exposure = exposure;
        flag.stamp = Some(expose.stamp.clone());
        flag.foreign = None;
        flag.other_hand = None;
        flag.on |= turn_on;
    });
    let revision = model.flag.revision.clone();
    let shown = model.flag.shown();
    let late = if request.late { " late" } else { "" };
    inner.say(format!("p{} write{late}: {} {} → now {shown}", request.pid, expose.flag, expose.exposure));
    Ok(revision)
}

/// One process' way to the backend.
pub(super) struct Door {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) host: usize,
}

/// A crash while a request is under way: it may land all the same.
struct InFlight<'a> {
    door: &'a Door,
    request: Option<Request>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let Some(mut request) = self.request.take() else { return };
        request.late = true;
        self.door.world.with(|inner| {
            if inner.rng.chance(500) {
                let at = inner.now + inner.rng.between(1, 60_000);
                inner.late.push((at, request));
            }
        });
    }
}

impl Door {
    fn unreachable(&self) -> Option<BackendError> {
        let down = self.world.with(|inner| inner.now < inner.faults.backend_down);
        down.then(|| BackendError::Unreachable { place: PLACE.to_owned(), detail: "no answer".to_owned() })
    }

    async fn call(&self, kind: Kind) -> Fate {
        Step::new(&self.world, self.pid, kind).await
    }

    async fn write(&self, expose: &Expose) -> Result<(), BackendError> {
        let request = self.world.with(|inner| {
            let sent = inner.local(self.host);
            Request { pid: self.pid, sent, at: inner.now, expose: expose.clone(), late: false }
        });
        let timed_out =
            || BackendError::Unreachable { place: PLACE.to_owned(), detail: "timed out, perhaps written".to_owned() };
        let mut under_way = InFlight { door: self, request: Some(request) };
        let fate = self.call(Kind::Write).await;
        let mut request = under_way.request.take().expect("taken once");
        if let Some(error) = self.unreachable() {
            return Err(error);
        }
        if self.world.with(|inner| inner.flags.get(&expose.flag).is_some_and(|model| model.lie == Lie::SendsLate)) {
            self.world.with(|inner| {
                let after = inner.rng.between(1, 240_000);
                request.sent = inner.local(self.host).plus(flagstaff::engine::Span(after.unsigned_abs()));
                let at = inner.now + after;
                request.at = at;
                inner.late.push((at, request.clone()));
            });
            return Err(timed_out());
        }
        match fate {
            Fate::Lost => return Err(timed_out()),
            Fate::Later(after) => {
                request.late = true;
                self.world.with(|inner| {
                    let at = inner.now + after;
                    inner.late.push((at, request));
                });
                return Err(timed_out());
            }
            Fate::Done => {}
        }
        if expose.switch == Switch::TurnOn {
            // below the switch first, then the switch: a crash may come between
            request.expose.revision = self.world.with(|inner| land(inner, &request, true))?;
            under_way.request = Some(request.clone());
            self.call(Kind::Call).await;
            under_way.request = None;
        }
        self.world.with(|inner| land(inner, &request, false))?;
        if self.call(Kind::Write).await != Fate::Done {
            return Err(timed_out());
        }
        self.effective(&expose.flag)
    }

    /// Whether what was written is served.
    fn effective(&self, key: &str) -> Result<(), BackendError> {
        let frozen = self.world.with(|inner| inner.flags.get(key).is_some_and(|model| model.is_frozen(inner.now)));
        match frozen {
            true => Err(BackendError::NotEffective { place: PLACE.to_owned(), detail: "a broken flag".to_owned() }),
            false => Ok(()),
        }
    }
}

impl Backend for Door {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn resolution(&self) -> Percentage {
        Percentage::whole(1)
    }

    fn read<'a>(
        &'a self,
        key: &'a str,
        _: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            self.call(Kind::Call).await;
            if let Some(error) = self.unreachable() {
                return Err(error);
            }
            let seen = self.world.with(|inner| inner.flags.get(key).map(|model| model.told(inner.now)));
            let seen = seen.unwrap_or_else(|| Model::new(true, Lie::None).flag);
            // the answer travels too: what it says may be old when it arrives
            self.call(Kind::Call).await;
            Ok(seen)
        })
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.write(request))
    }

    fn rehearse<'a>(&'a self, _: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn switch_off<'a>(&'a self, key: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            self.call(Kind::Call).await;
            if let Some(error) = self.unreachable() {
                return Err(error);
            }
            self.world.with(|inner| {
                let now = inner.now;
                let takes = |model: &&mut Model| model.lie != Lie::OffIsIgnored && !model.is_gone(now);
                let Some(model) = inner.flags.get_mut(key).filter(takes) else { return };
                model.change(now, Writer::Off, |flag| flag.on = false);
                inner.say(format!("p{} switches {key} off", self.pid));
            });
            self.call(Kind::Call).await;
            self.effective(key)
        })
    }

    fn standing<'a>(&'a self, key: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(async move {
            self.call(Kind::Call).await;
            if let Some(error) = self.unreachable() {
                return Err(error);
            }
            let there = self.world.with(|inner| inner.flags.contains_key(key));
            Ok(match there {
                true => Standing::Ours { prepared: true, card: Card::default(), reaches: None, stamp: None },
                false => Standing::Missing,
            })
        })
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            self.call(Kind::Call).await;
            if let Some(error) = self.unreachable() {
                return Err(error);
            }
            self.world.with(|inner| {
                inner.flags.entry(request.flag.clone()).or_insert_with(|| Model::new(true, Lie::None));
            });
            Ok(())
        })
    }

    fn examine<'a>(&'a self, _: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(async move {
            vec![match self.unreachable() {
                None => Check::fine("reachable", "the model"),
                Some(error) => Check::failed("reachable", Fault::Unreachable, error.to_string(), "wait"),
            }]
        })
    }
}

/// Whether a stamp belongs to another journal.
pub(super) fn is_foreign(stamp: Option<&Stamp>, journal: &str) -> bool {
    stamp.is_some_and(|stamp| stamp.journal != journal)
}
