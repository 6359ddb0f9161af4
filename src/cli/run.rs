//! `run`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::abort::open;
use super::args::Growing;
use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use super::notifying::{self, Beginning, Notifying};
use super::signals;
use super::start::{Start, begin};
use crate::control::drift::Serving;
use crate::control::drive::{Seen, Until};
use crate::control::served::Served;
use crate::control::{Rollout, Site};
use crate::engine::Span;
use crate::notify::Tell;
use crate::view::live::Live;
use crate::view::progress::End;
use crate::view::{ending, safe::safe, status};

/// Drive rollouts in the foreground; releases that are named and not started yet are started
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The releases; everything that has been started if none is named
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
    /// Evaluate what is due, then end; for cron and CI
    #[arg(long, conflicts_with = "stay")]
    pub(crate) once: bool,
    /// Go on while anybody is exposed, also when a person is needed: safeguards stay armed
    #[arg(long)]
    pub(crate) stay: bool,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

/// Of so many rollouts at most a single pass looks again at what they serve, and for so long.
const LOOKED_AT: usize = 200;
const LOOK: Span = Span::seconds(5);
/// What was recorded last is told to others within this; whoever comes for one pass has no other time for it.
const TELL_WITHIN: Span = Span::seconds(2);
const TELL_ONCE_WITHIN: Span = Span::seconds(5);

/// What a run is about.
#[derive(Debug, Default)]
struct Wanted {
    /// Release and environment of what has begun.
    begun: Vec<(String, String)>,
    /// What is to be started.
    start: Vec<(String, String)>,
    /// Declared, not begun and not named.
    left: BTreeSet<String>,
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (mut notifying, lines) = (None, Arc::new(Mutex::new(Vec::new())));
        let within = if self.once { TELL_ONCE_WITHIN } else { TELL_WITHIN };
        let tell = notifying::for_the_end(Arc::clone(&lines));
        let exit = self.run_telling(context, tell, &mut notifying).await;
        // after everything else: nothing that has to do with exposure waits for it
        if let Some(notifying) = notifying {
            notifying.leave(within).await;
        }
        for line in lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            context.printer.err(&format!("not told to others: {}", safe(line)));
        }
        exit
    }

    async fn run_telling(
        self,
        context: &Context,
        tell: Tell,
        notifying: &mut Option<Notifying>,
    ) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let from = Beginning::of(&site);
        if site.loaded.has_errors() {
            context.printer.err(
                "the documents have errors: nothing starts, what runs goes on by its pinned plan; flagstaff validate",
            );
        }
        let mut wanted = wanted(context, &site, &self.releases)?;
        let mut live = Live::new(&context.printer);
        let mut worst = Exit::Done;
        for (release, environment) in std::mem::take(&mut wanted.start) {
            match self.start(context, &mut site, &mut live, &release, &environment).await {
                Ok(()) => wanted.begun.push((release, environment)),
                // what did start must not be left without a driver
                Err(failure) => worst = worst.worst(context.fail(&failure)),
            }
        }
        let newest = wanted.begun.iter().filter_map(|(release, environment)| site.store.newest(release, environment));
        let ids: BTreeSet<String> = newest.map(|rollout| rollout.id.clone()).collect();
        if !wanted.left.is_empty() {
            let names: Vec<String> = wanted.left.iter().map(|name| safe(name)).collect();
            context.printer.note(&format!("not started: {}; name a release to start it", names.join(", ")));
        }
        if ids.is_empty() && worst == Exit::Done {
            context.printer.note("nothing to drive");
            return knows_of_nothing_else(context).await;
        }
        let command = if self.once { "run --once" } else { "run" };
        site.declare_driver(command, &context.host());
        if from.is_wanted() {
            let begun = Notifying::begin(context, &site, from, tell);
            *notifying = begun.map_err(|why| context.printer.err(&format!("nobody is told: {}", safe(&why)))).ok();
        }
        let until = match (self.once, self.stay) {
            (true, _) => Until::Once,
            (false, true) => Until::NobodyIsExposed,
            (false, false) => Until::PersonIsNeeded,
        };
        let clock = context.clock.clone();
        let interrupted = {
            let mut see = |seen: Seen<'_>| match seen {
                Seen::Step(rollout, step) => live.step(rollout, step),
                Seen::Trouble(error) => live.trouble(error, clock.now()),
                Seen::Pass(rollouts, now) => live.draw(rollouts, now),
            };
            let drive = site.drive(&ids, until, &mut see);
            tokio::select! {
                end = drive => { end?; false }
                () = signals::told_to_end() => true,
            }
        };
        let end = match (interrupted, self.once) {
            (true, _) => End::Interrupted,
            (_, true) => End::Once,
            (_, false) => End::Done,
        };
        let rows = status::rows(&mut site, &Vec::from_iter(ids.iter().cloned()));
        if !self.once {
            // one that comes back from time to time is still the driver
            site.retire_driver();
        }
        let driven: Vec<&Rollout> = ids.iter().filter_map(|id| site.store.rollout(id)).collect();
        live.finish(end, rows, &driven, site.now());
        if interrupted {
            context.printer.err("interrupted: exposure stays as it is, and nothing grows or stops while nobody drives");
            context.printer.err(&format!("go on with: {}", self.again(context)));
            return Ok(Exit::Interrupted);
        }
        // one pass of many leaves what runs to the next pass
        let left: Vec<&Rollout> = driven
            .iter()
            .copied()
            .filter(|rollout| !self.once || rollout.state.waits_for_approval(&rollout.plan))
            .collect();
        if !context.printer.machine() {
            ending::lines(&left).iter().for_each(|line| context.printer.note(line));
        }
        if self.once {
            worst = worst.worst(self.once_told(context, &site, &ids).await);
        }
        for rollout in ids.iter().filter_map(|id| site.store.rollout(id)) {
            // only what was named on the command line is answered for
            if self.releases.contains(&rollout.plan.release) {
                let held = site.is_held_for_good(rollout).then_some(Exit::NeedsPerson);
                worst = worst.worst(held.unwrap_or_else(|| ended(rollout)));
            }
        }
        Ok(worst)
    }

    /// A pass that is over was seen by nobody: what backends serve against the journal, or do not say, is told at its end.
    async fn once_told(&self, context: &Context, site: &Site, ids: &BTreeSet<String>) -> Exit {
        let newest: Vec<String> = ids.iter().take(LOOKED_AT).cloned().collect();
        let mut worst = Exit::Done;
        for drift in site.drift_soon(&newest, LOOK).await {
            let (address, served, allowed) = (safe(&drift.address), safe(&drift.served.to_string()), &drift.allowed);
            context.printer.err(&format!("{address} serves {served}, {allowed} allowed"));
            worst = worst.worst(match (&drift.served, drift.larger) {
                (Serving::Unknown(_), _) => Exit::Unreachable,
                (_, true) => Exit::Failed,
                (_, false) => Exit::Done,
            });
        }
        worst
    }

    async fn start(
        &self,
        context: &Context,
        site: &mut Site,
        live: &mut Live,
        release: &str,
        environment: &str,
    ) -> Result<(), Failure> {
        let growing = self.growing.clone();
        let args = Start { releases: Vec::new(), again: false, at: None, take_over: false, growing };
        let begun = begin(context, site, release, environment, &args).await?;
        if let Some(rollout) = site.store.rollout(&begun.rollout) {
            begun.steps.iter().for_each(|step| live.step(rollout, step));
        }
        Ok(())
    }

    /// The words that go on with this.
    fn again(&self, context: &Context) -> String {
        let mut words = context.words();
        words.push("run".to_owned());
        words.extend(self.releases.iter().map(|release| safe(release)));
        words.extend(self.stay.then(|| "--stay".to_owned()));
        words.join(" ")
    }
}

/// A journal without a rollout beside flags that are on under the stamp of one stands in the place of another.
async fn knows_of_nothing_else(context: &Context) -> Result<Exit, Failure> {
    let site = open(context)?;
    if !site.knows_nothing() || !site.served().await.iter().any(Served::is_of_a_rollout) {
        return Ok(Exit::Done);
    }
    let why = "the journal knows no rollout, and yet flags are on under the stamp of one: it is another journal";
    Err(Failure::new(Exit::Unreachable, why).help("flagstaff status shows what the backends serve"))
}

/// What is meant: everything that has begun, and what is named and has not. A start names one environment, unless there is
/// only one.
fn wanted(context: &Context, site: &Site, named: &[String]) -> Result<Wanted, Failure> {
    let is_named = |release: &String| named.is_empty() || named.contains(release);
    let is_meant = |environment: &String| context.environment.as_ref().is_none_or(|meant| meant == environment);
    let mut wanted = Wanted::default();
    for rollout in site.store.rollouts() {
        let key = (rollout.plan.release.clone(), rollout.plan.environment.clone());
        if is_named(&key.0) && is_meant(&key.1) {
            wanted.begun.push(key);
        }
    }
    for known in site.loaded.releases().into_iter().filter(|known| is_named(&known.release)) {
        if wanted.begun.iter().any(|(release, _)| *release == known.release) && context.environment.is_none() {
            continue;
        }
        let begun = |environment: &String| site.store.newest(&known.release, environment).is_some();
        let mut open = known.environments.iter().filter(|environment| is_meant(environment) && !begun(environment));
        match (open.next(), open.next()) {
            (Some(_), _) if named.is_empty() => _ = wanted.left.insert(known.release.clone()),
            (Some(one), None) => wanted.start.push((known.release.clone(), one.clone())),
            (Some(_), Some(_)) => {
                let help = format!("name one of them with -e: {}", known.environments.join(", "));
                let what = format!("`{}` goes to several environments", safe(&known.release));
                return Err(Failure::new(Exit::Usage, what).help(help));
            }
            (None, _) => {}
        }
    }
    let known = |name: &&String| wanted.begun.iter().chain(&wanted.start).any(|(release, _)| release == *name);
    match named.iter().find(|name| !known(name)) {
        None => Ok(wanted),
        Some(_) if site.loaded.has_errors() => Err(Failure::invalid(site.loaded.findings.clone())),
        Some(name) => Err(Failure::new(Exit::Failed, safe(&site.no_release(name)))
            .help("flagstaff status, and the documents, list them")),
    }
}
