//! Driving everything there is until told to end: rollouts that others start meanwhile, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::drive::{LOOK, Seen};
use super::effects::Patience;
use super::pass::BACKEND_PATIENCE;
use super::rollout::Rollout;
use super::site::Site;
use crate::clock::within;
use crate::engine::{Phase, Span, Timestamp};

impl Site {
    /// Drives every rollout, of one environment only where that is named, until `end` says so or is gone: the pass in hand
    /// is finished, with its effects. A journal that cannot be used is tried again for as long as it takes; nothing grows
    /// meanwhile, and stops are sent all the same.
    pub async fn serve(
        &mut self,
        environment: Option<&str>,
        mut end: watch::Receiver<bool>,
        see: &mut (dyn FnMut(Seen<'_>) + Send),
    ) {
        let mut reading = tokio::task::JoinSet::new();
        let (mut watched, mut driven) = (BTreeSet::new(), BTreeSet::new());
        while !*end.borrow() {
            self.follow_sources();
            for scrape in self.scrapes.iter().skip(reading.len()) {
                let scrape = scrape.clone();
                // reads pages and touches no backend; ends with this drive
                reading.spawn(async move { scrape.keep_reading().await });
                watched.clear();
            }
            let next = match self.serve_once(environment, &mut watched, &mut driven, see).await {
                Some(next) => next,
                None => self.now().plus(LOOK),
            };
            tokio::select! {
                () = self.rest(next) => {}
                changed = end.changed() => if changed.is_err() { break },
            }
        }
        // stops that were sent and have no end yet are what a process that leaves still owes
        let (clock, ids) = (Arc::clone(&self.clock), self.to_be_driven(environment));
        let _ = within(&*clock, BACKEND_PATIENCE, async {
            let _ = self.carry_out(&ids, Patience::ToTheEnd).await;
            // those that could not be recorded, too
            self.under_way.wait(&*clock, None).await;
        })
        .await;
    }

    /// One pass over everything, and when the next one is due; none where the journal could not be used.
    async fn serve_once(
        &mut self,
        environment: Option<&str>,
        watched: &mut BTreeSet<String>,
        driven: &mut BTreeSet<String>,
        see: &mut (dyn FnMut(Seen<'_>) + Send),
    ) -> Option<Timestamp> {
        let ids = self.to_be_driven(environment);
        self.keep_metrics_of(&ids, watched);
        let passed = match self.pass(&ids).await {
            Ok(passed) => passed,
            Err(error) => {
                see(Seen::Trouble(&error));
                return None;
            }
        };
        for (id, step) in &passed.steps {
            // what others began meanwhile is told too, and driven from the next pass on
            if let Some(rollout) = self.store.rollout(id).filter(|rollout| is_meant(rollout, environment)) {
                see(Seen::Step(rollout, step));
            }
        }
        let now = self.now();
        let rollouts: Vec<&Rollout> = self.store.rollouts().filter(|rollout| is_meant(rollout, environment)).collect();
        see(Seen::Pass(&rollouts, now));
        let next = passed.next.map_or(now.plus(LOOK), |next| next.min(now.plus(LOOK))).max(now.plus(Span(20)));
        if *driven != ids {
            // whoever has just started one sees at once who drives it
            self.driving.iter_mut().for_each(|driving| driving.alive = Timestamp(0));
            self.beat(&ids, now, next);
            *driven = ids;
        } else {
            self.beat(driven, now, next);
        }
        Some(next)
    }

    /// The newest rollout of each release and environment that is not over; a stopped one is still read.
    fn to_be_driven(&self, environment: Option<&str>) -> BTreeSet<String> {
        let all = self.store.rollouts().filter(|rollout| is_meant(rollout, environment));
        let open = all.filter(|rollout| {
            rollout.state.effect.is_some() || !matches!(rollout.state.phase, Phase::None | Phase::Completed)
        });
        open.map(|rollout| rollout.id.clone()).collect()
    }

    /// Pages are read for the metrics of rollouts that came since, too.
    fn keep_metrics_of(&self, ids: &BTreeSet<String>, watched: &mut BTreeSet<String>) {
        if self.scrapes.is_empty() {
            return;
        }
        let plans = ids.iter().filter_map(|id| self.store.rollout(id));
        let new = plans.filter(|rollout| watched.insert(format!("{} {}", rollout.id, rollout.plan_hash)));
        let queries: Vec<_> = new.flat_map(|rollout| &rollout.plan.series).map(|series| series.query.clone()).collect();
        self.scrapes.iter().for_each(|scrape| scrape.watch(&queries));
    }
}

fn is_meant(rollout: &Rollout, environment: Option<&str>) -> bool {
    environment.is_none_or(|meant| meant == rollout.plan.environment)
}
