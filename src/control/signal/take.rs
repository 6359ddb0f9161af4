//! Taking in deliveries: which rollouts they are about, what the engine makes of them, and one commit for all.

use std::collections::BTreeSet;

use super::{Delivery, Item, RecordedWord, SignalRow, SignalWord};
use crate::control::effects::Errand;
use crate::control::rollout::Rollout;
use crate::control::site::Site;
use crate::control::spooled::{self, SpooledAct, SpooledSignal};
use crate::control::store::{Batch, Stop, is_conflict};
use crate::engine::input::{Origin, Signal};
use crate::engine::plan::Action;
use crate::engine::{Event, Input, Phase, Timestamp};

/// How often a record is judged again because others appended meanwhile.
const CONFLICTS: usize = 20;

/// What was made of deliveries.
pub(super) struct Taken {
    /// For each delivery, what came of it: at backends it is still to be done.
    pub(super) rows: Vec<Vec<SignalRow>>,
    /// What is to be done at backends now.
    pub(super) errands: Vec<Errand>,
    /// Whether what is to be done there is in the journal.
    pub(super) recorded: bool,
}

/// One signal on its way to one rollout.
struct Way {
    id: String,
    signal: Signal,
}

impl Site {
    /// Records deliveries with what they decide. What cannot be recorded within the journal's patience is put aside, and
    /// acted on all the same.
    pub(super) fn take_signals(&mut self, deliveries: &[Delivery]) -> Taken {
        match self.hear() {
            // what had been put aside is recorded now
            Ok(_) => self.aside_signals.clear(),
            // what cannot be taken in holds growth, and no stop
            Err(_) => _ = self.store.refresh(),
        }
        let now = self.now();
        for _ in 0..CONFLICTS {
            let (mut batch, mut rows, mut ways) = (Batch::default(), Vec::new(), Vec::new());
            for delivery in deliveries {
                rows.push(self.fold_delivery(&mut batch, delivery, now, &mut ways));
            }
            let stops = self.store.stops_in(&batch);
            match self.store.commit(now, batch) {
                Ok(_) => {
                    let ids = rows.iter().flatten().filter_map(|row| row.rollout.clone()).collect();
                    let errands = self.stops_of(&ids);
                    return Taken { rows, errands, recorded: true };
                }
                Err(error) if is_conflict(&error) => match self.store.refresh() {
                    Ok(_) => {}
                    Err(error) => return self.act_unrecorded(rows, ways, stops, &error.chain()),
                },
                Err(error) => return self.act_unrecorded(rows, ways, stops, &error.chain()),
            }
        }
        // somebody writes all the time: whoever hears the spool next takes them in
        let (mut batch, mut rows, mut ways) = (Batch::default(), Vec::new(), Vec::new());
        for delivery in deliveries {
            rows.push(self.fold_delivery(&mut batch, delivery, now, &mut ways));
        }
        let stops = self.store.stops_in(&batch);
        self.act_unrecorded(rows, ways, stops, "the journal is written faster than it can be read")
    }

    fn act_unrecorded(&mut self, mut rows: Vec<Vec<SignalRow>>, ways: Vec<Way>, stops: Vec<Stop>, why: &str) -> Taken {
        let signals: Vec<SpooledSignal> =
            ways.into_iter().map(|Way { id, signal }| SpooledSignal { rollout: id, signal }).collect();
        let keys: Vec<(String, String)> = signals.iter().filter_map(SpooledSignal::key).collect();
        let mut recorded = RecordedWord::Spool;
        if !signals.is_empty() {
            match spooled::put_aside(&self.spool, self.now(), "signals", &SpooledAct::Signals(signals)) {
                Ok(_) => self.aside_signals.extend(keys),
                Err(_) => recorded = RecordedWord::Nowhere,
            }
        }
        for row in rows.iter_mut().flatten().filter(|row| row.recorded.is_some()) {
            row.recorded = Some(recorded);
            row.detail = Some(format!("it waits to be recorded: {why}"));
        }
        Taken { rows, errands: self.errands_of(stops), recorded: false }
    }

    fn fold_delivery(
        &self,
        batch: &mut Batch,
        delivery: &Delivery,
        now: Timestamp,
        ways: &mut Vec<Way>,
    ) -> Vec<SignalRow> {
        let mut rows = Vec::new();
        for item in &delivery.items {
            for named in &item.names {
                let ids = self.meant(named, item, delivery);
                if ids.is_empty() {
                    rows.push(self.nobody(named, item));
                }
                for id in ids {
                    rows.extend(self.fold_signal(batch, named, &id, item, delivery, now, ways));
                }
            }
        }
        rows
    }

    /// The rollouts that a name is about: of a release, or else of a flag, in every environment that is meant.
    fn meant(&self, named: &str, item: &Item, delivery: &Delivery) -> Vec<String> {
        let is_meant = |environment: &str| {
            item.environment.as_deref().is_none_or(|meant| meant == environment)
                && (delivery.allowed.is_empty() || delivery.allowed.iter().any(|allowed| allowed == environment))
        };
        let environments: BTreeSet<&str> = match &item.environment {
            Some(environment) => BTreeSet::from([environment.as_str()]),
            None => self.store.rollouts().map(|rollout| rollout.plan.environment.as_str()).collect(),
        };
        let newest = |environment: &&str| {
            let of_release = self.store.newest(named, environment);
            of_release.or_else(|| self.store.newest_of_flag(named, environment)).map(|rollout| rollout.id.clone())
        };
        environments.iter().filter(|environment| is_meant(environment)).filter_map(newest).collect()
    }

    /// A name without a rollout.
    fn nobody(&self, named: &str, item: &Item) -> SignalRow {
        let releases = self.loaded.releases();
        let mut declared = releases.iter().filter(|known| known.release == named || known.flag == named);
        let is_there = |environment: &String| item.environment.as_ref().is_none_or(|meant| meant == environment);
        let is_declared = declared.any(|known| known.environments.iter().any(is_there));
        let (result, detail) = match is_declared {
            _ if named.is_empty() => (SignalWord::Unknown, "nothing in it names a release"),
            true => (SignalWord::Nothing, "it was not started there, or this signal may not act there"),
            false => (SignalWord::Unknown, "there is no such release or flag there"),
        };
        SignalRow {
            named: named.to_owned(),
            address: None,
            rollout: None,
            result,
            detail: Some(detail.to_owned()),
            recorded: None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what is folded, onto what, and what is told of it")]
    fn fold_signal(
        &self,
        batch: &mut Batch,
        named: &str,
        id: &str,
        item: &Item,
        delivery: &Delivery,
        now: Timestamp,
        ways: &mut Vec<Way>,
    ) -> Option<SignalRow> {
        let rollout = self.store.rollout(id)?;
        let row = |result, detail: Option<String>| SignalRow {
            named: named.to_owned(),
            address: Some(rollout.address()),
            rollout: Some(id.to_owned()),
            result,
            detail,
            recorded: None,
        };
        let key = super::key(&[&delivery.name, &item.key, &format!("{:?}", delivery.then)]);
        let is_aside = || self.aside_signals.contains(&(id.to_owned(), key.clone()));
        let is_here = || ways.iter().any(|way| way.id == id && way.key() == Some(&key));
        if rollout.signals.contains(&key) || is_aside() || is_here() {
            return Some(row(SignalWord::Known, None));
        }
        if let Some(why) = is_over(rollout) {
            return Some(row(SignalWord::Nothing, Some(why)));
        }
        let origin = Origin {
            source: delivery.source.clone(),
            key,
            digest: delivery.digest.clone(),
            labels: item.labels.clone(),
            by: delivery.by.clone(),
        };
        let signal = Signal {
            name: delivery.name.clone(),
            at: now,
            then: delivery.then.clone(),
            detail: item.detail.clone(),
            origin: Some(origin),
        };
        let events = self.store.fold(batch, id, now, Input::Signal(signal.clone())).unwrap_or_default();
        ways.push(Way { id: id.to_owned(), signal });
        let done = events.iter().find_map(|event| match event {
            Event::Stopped { .. } => Some(SignalWord::ShutDown),
            Event::RolledBack { .. } => Some(SignalWord::RolledBack),
            Event::Paused { .. } => Some(SignalWord::Paused),
            Event::Notified(_) => Some(SignalWord::Notified),
            _ => None,
        });
        let why = match (done, &delivery.then) {
            (Some(_), _) => None,
            (None, Action::Rollback(_)) => {
                Some("it has rolled back once, and nobody has let it go on since".to_owned())
            }
            (None, _) => Some("it has paused it already".to_owned()),
        };
        let recorded = Some(RecordedWord::Journal);
        Some(SignalRow { recorded, ..row(done.unwrap_or(SignalWord::Nothing), why) })
    }
}

impl Way {
    fn key(&self) -> Option<&String> {
        self.signal.origin.as_ref().map(|origin| &origin.key)
    }
}

/// Why nothing is to be done about a rollout any more.
fn is_over(rollout: &Rollout) -> Option<String> {
    match rollout.state.phase {
        Phase::Running | Phase::Paused => None,
        Phase::Stopped if rollout.state.is_stopping() => Some("it is being stopped".to_owned()),
        Phase::Stopped => Some("it was stopped".to_owned()),
        Phase::None => Some("it was not started".to_owned()),
        Phase::Completed => {
            let flag = &rollout.plan.flag;
            Some(format!("it is completed and no longer watched; flagstaff abort {flag} switches it off"))
        }
    }
}
