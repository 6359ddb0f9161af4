//! Starting a release: the plan is pinned, every query asked once, and nobody is exposed before all of that.

use std::collections::BTreeSet;

use super::command::CommandReport;
use super::effects::Patience;
use super::error::ControlError;
use super::pass::BACKEND_PATIENCE;
use super::record::Step;
use super::rollout::Rollout;
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::backend::{BackendError, Expose, Switch};
use crate::clock::within;
use crate::engine::decide::{Opening, Refusal, RefusalKind, may_start};
use crate::engine::input::{Command, Issued, Observation, Stamp};
use crate::engine::plan::Query;
use crate::engine::{Input, Phase, Plan};
use crate::spec::Severity;

/// How a start is asked for.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// A new rollout after a stopped one.
    pub again: bool,
    /// The stage to begin at, by name; only with `again`.
    pub at_stage: Option<String>,
    /// Take over a flag under another journal's stamp.
    pub take_over: bool,
    /// Why.
    pub reason: Option<String>,
    /// What the person saw ([`Site::seen_of`]); refused if that has changed. Nothing compares where it is nothing.
    pub saw: Option<String>,
    /// Hash of the plan that the person saw; refused if the documents declare another one by now. Nothing compares where it
    /// is nothing.
    pub plan: Option<String>,
}

impl Site {
    /// Starts a release in an environment.
    ///
    /// # Errors
    /// Wrong documents, a refusal, a metric that does not exist, or something that cannot be reached.
    pub async fn start(
        &mut self,
        release: &str,
        environment: &str,
        options: &StartOptions,
    ) -> Result<CommandReport, ControlError> {
        self.hear()?;
        // a value that could not be read has become a default: nothing starts on that
        if self.loaded.has_errors() {
            let errors = self.loaded.findings.iter().filter(|finding| finding.severity == Severity::Error);
            return Err(ControlError::Invalid(errors.cloned().collect()));
        }
        let resolved = self.loaded.plan(release, environment).map_err(|findings| match findings.is_empty() {
            true => ControlError::NotFound(self.no_release(release)),
            false => ControlError::Invalid(findings),
        })?;
        let plan = resolved.plan;
        if options.plan.as_ref().is_some_and(|hash| *hash != resolved.hash) {
            let reason = "its documents changed since you looked, and declare another plan".to_owned();
            let instead = Some("plan".to_owned());
            return Err(self.refused(Refusal { reason, instead, kind: RefusalKind::Changed }, &plan));
        }
        if self.runs_already(&plan, options)? {
            let id = self.store.newest(release, environment).map(|rollout| rollout.id.clone()).unwrap_or_default();
            return self.report(&id, false, &[]);
        }
        let stage = match &options.at_stage {
            None => 0,
            Some(name) => plan
                .stage_named(name)
                .ok_or_else(|| ControlError::NotFound(format!("template `{}` has no stage `{name}`", plan.template)))?,
        };
        self.metrics_exist(&plan).await?;
        self.room_to_grow(&plan).await;
        let backend = self.backend_of(&plan);
        loop {
            let looked = within(&*self.clock, BACKEND_PATIENCE, backend.read(&plan.flag, &plan.audiences)).await;
            let seen = match looked {
                Some(Ok(seen)) => Observation::Seen(seen),
                Some(Err(error @ BackendError::NotAuthorised { .. })) => {
                    return Err(ControlError::NotAuthorised(error.to_string()));
                }
                Some(Err(error @ BackendError::Unreachable { .. })) => {
                    return Err(ControlError::Unreachable(error.to_string()));
                }
                // it answered, and asking again will not help
                Some(Err(error)) => return Err(ControlError::Failed(error.to_string())),
                None => return Err(ControlError::Unreachable(format!("{} does not answer", backend.place()))),
            };
            // whoever started, stopped or froze something meanwhile is heard before anything is opened
            self.hear()?;
            if self.runs_already(&plan, options)? {
                let id = self.store.newest(release, environment).map(|rollout| rollout.id.clone()).unwrap_or_default();
                return self.report(&id, false, &[]);
            }
            self.refuse_gone(&plan, &seen)?;
            self.rehearse(&plan, stage, options, &seen).await?;
            match self.open_rollout(&plan, &resolved.hash, stage, options, seen) {
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
                Ok((id, steps)) => {
                    let more = self.carry_out(&BTreeSet::from([id.clone()]), Patience::ToTheEnd).await?;
                    return self.report(&id, true, &[steps, more].concat());
                }
            }
        }
    }

    /// What the backend would refuse is refused before a rollout is opened: there would be one that exposes nobody, paused.
    async fn rehearse(
        &self,
        plan: &Plan,
        stage: usize,
        options: &StartOptions,
        seen: &Observation,
    ) -> Result<(), ControlError> {
        let (Observation::Seen(seen), Some(stage)) = (seen, plan.stages.get(stage)) else { return Ok(()) };
        // whoever has it already is refused in the engine's words, and another journal's stamp too
        if seen.reaches_anybody() || seen.stamp.as_ref().is_some_and(|stamp| stamp.journal != self.store.journal_id()) {
            return Ok(());
        }
        let request = Expose {
            flag: plan.flag.clone(),
            exposure: stage.exposure.clone(),
            audiences: plan.audiences.clone(),
            stickiness: plan.stickiness.clone(),
            stamp: Stamp { journal: self.store.journal_id().to_owned(), rollout: String::new() },
            switch: Switch::TurnOn,
            revision: seen.revision.clone(),
            take_over: options.take_over,
        };
        let backend = self.backend_of(plan);
        match within(&*self.clock, BACKEND_PATIENCE, backend.rehearse(&request)).await {
            Some(Err(BackendError::Refused { place, detail })) => {
                Err(ControlError::Failed(format!("{place} cannot do that: {detail}; nothing was started")))
            }
            // whatever else there is, is found by the write
            _ => Ok(()),
        }
    }

    /// What there is of a release in an environment, in a word that is another one once anything about it has changed.
    pub fn seen_of(&self, release: &str, environment: &str) -> String {
        match self.store.newest(release, environment) {
            Some(rollout) => format!("{} {}", rollout.id, rollout.state.version),
            None => "nothing".to_owned(),
        }
    }

    /// Whether the release runs already; refused where it may not start.
    fn runs_already(&self, plan: &Plan, options: &StartOptions) -> Result<bool, ControlError> {
        let newest = self.store.newest(&plan.release, &plan.environment);
        let mut phase = newest.map_or(Phase::None, |rollout| rollout.state.phase);
        // a flag that a person switched off without a rollout is stopped all the same
        if matches!(phase, Phase::None | Phase::Completed) && self.store.is_switched_off(&plan.flag, &plan.environment)
        {
            phase = Phase::Stopped;
        }
        let opening = may_start(phase, options.again).map_err(|refusal| self.refused(refusal, plan))?;
        if opening == Opening::Running {
            return Ok(true);
        }
        let now = self.seen_of(&plan.release, &plan.environment);
        if options.saw.as_ref().is_some_and(|saw| *saw != now) {
            let reason = "it was started and ended since you looked".to_owned();
            let instead = Some("status".to_owned());
            return Err(self.refused(Refusal { reason, instead, kind: RefusalKind::Changed }, plan));
        }
        self.refuse_second_rollout(plan)?;
        self.refuse_open_stop(plan, options)?;
        Ok(false)
    }

    /// Records the plan and the start in one commit, and says that the growth is ours to send.
    fn open_rollout(
        &mut self,
        plan: &Plan,
        hash: &str,
        stage: usize,
        options: &StartOptions,
        backend: Observation,
    ) -> Result<(String, Vec<(String, Step)>), ControlError> {
        let now = self.now();
        let mut batch = Batch::default();
        let id = self.store.open(&mut batch, now, plan.clone(), hash.to_owned());
        let stamp = Stamp { journal: self.store.journal_id().to_owned(), rollout: id.clone() };
        let (again, take_over) = (options.again, options.take_over);
        let issued = Issued {
            command: Command::Start { stage, stamp, plan: hash.to_owned(), again, take_over },
            actor: self.actor.clone(),
            at: now,
            reason: options.reason.clone(),
            saw: None,
            holds: self.frozen(&plan.release, &plan.environment),
            backend: backend.clone(),
        };
        let folded = self.store.fold(&mut batch, &id, now, Input::Command(Box::new(issued)));
        let events = folded.map_err(|refusal| self.refused(refusal, plan))?;
        let steps = self.store.commit(now, batch)?;
        self.own(&id, &events, &backend);
        Ok((id, steps))
    }

    /// The journal admits one live rollout per flag and environment, whatever the documents are called now.
    fn refuse_second_rollout(&self, plan: &Plan) -> Result<(), ControlError> {
        let other = self.store.rollouts().find(|rollout| {
            rollout.plan.flag == plan.flag
                && rollout.plan.environment == plan.environment
                && rollout.plan.release != plan.release
                && rollout.state.is_live()
        });
        match other {
            Some(other) => Err(ControlError::Failed(format!(
                "flag `{}` is on its way already in {}; abort that first",
                plan.flag,
                other.address()
            ))),
            None => Ok(()),
        }
    }

    /// A stop goes on until it is read back, and a newer rollout would be the end of it: another address may still serve. A
    /// person who knows that it does not may say so.
    fn refuse_open_stop(&self, plan: &Plan, options: &StartOptions) -> Result<(), ControlError> {
        let of_flag = |rollout: &&Rollout| {
            rollout.plan.flag == plan.flag
                && rollout.plan.environment == plan.environment
                && rollout.state.is_stopping()
        };
        let Some(open) = self.store.rollouts().find(of_flag).filter(|_| !options.take_over) else { return Ok(()) };
        let place = self.backend_of(&open.plan).place();
        let reason = format!(
            "{} is not off yet at {place}, and nothing starts before it is; if that is gone for good, `--take-over` says so",
            open.address()
        );
        let refusal = Refusal { reason, instead: Some("abort".to_owned()), kind: RefusalKind::NotReady };
        Err(self.refused(refusal, plan))
    }

    /// Asks every query once before anybody is exposed.
    async fn metrics_exist(&self, plan: &Plan) -> Result<(), ControlError> {
        let now = self.now();
        let at = now.minus(plan.delay).floor_to(plan.every);
        for (name, source) in &self.sources {
            let series = plan.series.iter().filter(|series| series.query.source == *name);
            let distinct: BTreeSet<Query> = series.map(|series| series.query.clone()).collect();
            let queries: Vec<Query> = distinct.into_iter().collect();
            if queries.is_empty() {
                continue;
            }
            let Some(found) = within(&*self.clock, BACKEND_PATIENCE, source.exists(&queries, at)).await else {
                return Err(ControlError::Unreachable(format!("{} does not answer", source.place())));
            };
            if let Some((query, Err(missing))) = queries.iter().zip(found).find(|(_, found)| found.is_err()) {
                let series = plan.series.iter().find(|series| series.query == *query);
                let metric = series.map(|series| series.name.clone()).unwrap_or_default();
                return Err(ControlError::Unreachable(format!("`{metric}` cannot be measured: {missing}")));
            }
        }
        Ok(())
    }
}
