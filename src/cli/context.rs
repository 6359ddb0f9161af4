//! What every command starts from: the printer, the project, who acts, and how failures are told.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Global, Growing};
use super::exit::{Exit, Failure};
use crate::clock::{Clock, SystemClock};
use crate::control::{CommandReport, ControlError, Rollout, Site};
use crate::engine::decide::RefusalKind;
use crate::engine::input::Actor;
use crate::engine::{Command, Phase, Plan, Span, Timestamp};
use crate::env;
use crate::journal::DriverSeen;
use crate::view::answers::{self, CommandAnswer};
use crate::view::error::ErrorAnswer;
use crate::view::printer::Printer;
use crate::view::{findings, safe::safe, verbose, words};

/// `serve` says that it drives what is new within this.
const TAKEN_UP_WITHIN: Span = Span::seconds(2);

/// What every command starts from.
pub(crate) struct Context {
    pub(crate) printer: Printer,
    /// The project's directory: the one that was named, or the nearest one above with a project.
    pub(crate) dir: PathBuf,
    /// The directory that was named.
    pub(crate) named_dir: PathBuf,
    pub(crate) environment: Option<String>,
    pub(crate) clock: Arc<dyn Clock>,
    actor: Option<String>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Context {
        Context {
            printer: Printer::new(global.output.into(), global.color.into(), global.quiet, global.verbose),
            dir: project_dir(&global.dir),
            named_dir: global.dir,
            environment: global.environment,
            clock: Arc::new(SystemClock),
            actor: global.actor,
        }
    }

    /// Who acts, and how that is known.
    pub(crate) fn actor(&self) -> Actor {
        let known = |name: String, known_by: &str| Actor { name, known_by: known_by.to_owned() };
        if let Some(name) = &self.actor {
            return known(name.clone(), "--as");
        }
        for variable in [env::FLAGSTAFF_ACTOR, env::GITHUB_ACTOR, env::GITLAB_USER_LOGIN, env::USER, env::LOGNAME] {
            if let Some(name) = env::get(variable) {
                return known(name, variable);
            }
        }
        known(format!("uid-{}", rustix::process::getuid().as_raw()), "user id")
    }

    /// The words that a command of this project begins with, here.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec!["flagstaff".to_owned()];
        if self.named_dir != Path::new(".") && env::get(env::FLAGSTAFF_DIR).is_none() {
            words.extend(["-C".to_owned(), safe(&self.named_dir.display().to_string())]);
        }
        if let Some(environment) = &self.environment {
            words.extend(["-e".to_owned(), safe(environment)]);
        }
        words
    }

    pub(crate) fn host(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    /// The project with its journal, and with what waits beside it where that can be taken in.
    pub(crate) fn site(&self) -> Result<Site, Failure> {
        let observer = verbose::observer(&self.printer);
        self.looked_into(Site::open_observed(&self.dir, self.actor(), self.clock.clone(), observer)?)
    }

    /// The same, for whoever shows nobody what happened to rollouts before.
    pub(crate) fn site_to_serve(&self) -> Result<Site, Failure> {
        let observer = verbose::observer(&self.printer);
        self.looked_into(Site::open_to_serve(&self.dir, self.actor(), self.clock.clone(), observer)?)
    }

    fn looked_into(&self, mut site: Site) -> Result<Site, Failure> {
        let orphans = site.spool.orphans();
        if let Err(error) = site.hear() {
            // looking is harmless; whatever grows hears for itself, and fails closed
            self.printer.err(&format!("what waits beside the journal is not taken in: {}", safe(&error.to_string())));
        }
        for orphan in site.spool.orphans().iter().filter(|path| !orphans.contains(path)) {
            let path = safe(&orphan.display().to_string());
            self.printer
                .err(&format!("a stop waited for a rollout that the journal does not know; it is kept: {path}"));
        }
        if let Some(environment) = &self.environment {
            known_environment(&site, environment)?;
        }
        Ok(site)
    }

    /// The one environment of a growing command: named, or the only one there is.
    pub(crate) fn one_environment(&self, site: &Site, release: &str) -> Result<String, Failure> {
        if let Some(environment) = &self.environment {
            return Ok(environment.clone());
        }
        let declared = site.loaded.releases().into_iter().find(|known| known.release == release);
        let mut environments = declared.map(|known| known.environments).unwrap_or_default();
        if environments.is_empty() {
            let rollouts = site.store.rollouts().filter(|rollout| rollout.plan.release == release);
            environments = rollouts.map(|rollout| rollout.plan.environment.clone()).collect();
        }
        match environments.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Failure::new(Exit::Failed, safe(&site.no_release(release)))),
            many => Err(Failure::new(Exit::Usage, format!("`{}` goes to several environments", safe(release)))
                .help(format!("name one of them with -e: {}", many.join(", ")))),
        }
    }

    pub(crate) fn rollout<'s>(&self, site: &'s Site, release: &str) -> Result<&'s Rollout, Failure> {
        let meant = |rollout: &&Rollout| {
            rollout.plan.release == release
                && self.environment.as_ref().is_none_or(|environment| *environment == rollout.plan.environment)
        };
        let all: Vec<&Rollout> = site.store.rollouts().filter(meant).collect();
        let live: Vec<&Rollout> = all.iter().copied().filter(|rollout| rollout.state.is_live()).collect();
        if let ([only], _) | ([], [only]) = (live.as_slice(), all.as_slice()) {
            return Ok(*only);
        }
        let environment = self.one_environment(site, release)?;
        site.store.newest(release, &environment).ok_or_else(|| no_rollout(release, &environment))
    }

    /// Growing in a protected environment asks for the flag's key and a reason.
    pub(crate) fn confirm(&self, protected: bool, flag: &str, growing: &Growing, what: &str) -> Result<(), Failure> {
        if !protected {
            return Ok(());
        }
        if growing.reason.is_none() {
            return Err(Failure::new(Exit::Usage, "the environment is protected: a reason is needed")
                .help("add --reason \"…\""));
        }
        let typed = match &growing.confirm {
            Some(typed) => typed.clone(),
            None if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() => dialoguer::Input::new()
                .with_prompt(format!("{} `{}`: type the flag's key to confirm", safe(what), safe(flag)))
                .allow_empty(true)
                .interact_text()
                .unwrap_or_default(),
            None => String::new(),
        };
        if typed == flag {
            return Ok(());
        }
        Err(Failure::new(Exit::Usage, "the environment is protected: the flag's key confirms it")
            .help(format!("add --confirm {}", safe(flag))))
    }

    /// A growing command on an existing rollout, with its confirmation and answer.
    pub(crate) async fn grow(
        &self,
        release: &str,
        growing: &Growing,
        build: impl FnOnce(&Rollout) -> Result<Command, Failure>,
    ) -> Result<Exit, Failure> {
        let mut site = self.site()?;
        // what grows names its environment, even where only one of several has begun
        let environment = self.one_environment(&site, release)?;
        let rollout = site.store.newest(release, &environment).ok_or_else(|| no_rollout(release, &environment))?;
        let command = build(rollout)?;
        let plan = rollout.plan.clone();
        let saw = rollout.state.version;
        // going to a smaller stage takes the feature away: that never asks
        if command.can_grow() && !command.shrinks(rollout.state.stage) {
            let what = format!("{} {}, on for {} now,", command.word(), plan.address(), rollout.state.allowed);
            self.confirm(site.is_protected(&plan), &plan.flag, growing, &what)?;
        }
        let done = site.command(release, &plan.environment, command, growing.reason.clone(), Some(saw)).await?;
        let exit = self.answer(vec![Ok(done.clone())]);
        self.say_who_drives(&mut site, &done, &plan).await;
        exit
    }

    /// What grew goes on only while somebody drives it.
    pub(crate) async fn say_who_drives(&self, site: &mut Site, report: &CommandReport, plan: &Plan) {
        if self.printer.machine() || report.phase != Phase::Running {
            return;
        }
        let until = site.now().plus(TAKEN_UP_WITHIN);
        let driver = loop {
            let (drivers, now) = (site.drivers(), site.now());
            let driver = driver_of(&drivers, &report.address, now);
            // whoever drives everything takes up what is new at its next look
            if driver.is_some() || now >= until || !drivers.iter().any(|driver| driver.command == "serve") {
                break driver;
            }
            self.clock.sleep_until(now.plus(Span(100))).await;
        };
        self.printer.note(&words::driven(driver.as_deref(), plan));
    }

    /// Tells what came of a command on each of several rollouts. Where none succeeded the first failure is the answer.
    pub(crate) fn answer(&self, results: Vec<Result<CommandReport, Failure>>) -> Result<Exit, Failure> {
        if results.first().is_some_and(Result::is_err) && !results.iter().any(Result::is_ok) {
            let mut failures = results.into_iter().filter_map(Result::err);
            let first = failures.next();
            let rest = failures.fold(Exit::Done, |worst, failure| worst.worst(self.tell(&failure)));
            return first.map_or(Ok(rest), |first| Err(Failure { exit: first.exit.worst(rest), ..first }));
        }
        let mut answer = CommandAnswer::default();
        let mut worst = Exit::Done;
        for result in results {
            match result {
                Ok(report) => {
                    worst = worst.worst(after(&report));
                    let row = answers::row(&report);
                    if !self.printer.machine() {
                        answers::print(&self.printer, &row);
                    }
                    answer.rollouts.push(row);
                }
                Err(failure) => {
                    worst = worst.worst(self.tell(&failure));
                    answer.errors.push(error(&failure));
                }
            }
        }
        self.printer.answer(&answer);
        Ok(worst)
    }

    /// For what is text and nothing else: a machine format is refused rather than ignored.
    pub(crate) fn text_only(&self, command: &str) -> Result<(), Failure> {
        match self.printer.machine() {
            true => Err(Failure::new(Exit::Usage, format!("`{command}` prints text only")).help("leave out -o")),
            false => Ok(()),
        }
    }

    /// Tells of a failure and gives its code. A machine gets a document whatever happens, and only one.
    pub(crate) fn fail(&self, failure: &Failure) -> Exit {
        if !self.printer.has_answered() {
            self.printer.answer(&error(failure));
        }
        self.tell(failure)
    }

    fn tell(&self, failure: &Failure) -> Exit {
        if !self.printer.machine() {
            findings::print(&self.printer, &failure.findings);
        }
        self.printer.err(&format!("error: {}", safe(&failure.message)));
        if let Some(help) = &failure.help {
            self.printer.err(&format!("  {}", safe(help)));
        }
        failure.exit
    }
}

fn no_rollout(release: &str, environment: &str) -> Failure {
    let (release, environment) = (safe(release), safe(environment));
    Failure::new(Exit::Failed, format!("{release}@{environment} has no rollout"))
        .help(format!("flagstaff start {release} -e {environment}"))
}

/// An environment that the project has, or had when something was started there.
fn known_environment(site: &Site, environment: &str) -> Result<(), Failure> {
    let known = site.loaded.project().map(|project| project.environments.as_slice()).unwrap_or_default();
    let names: Vec<&str> = known.iter().map(|known| known.name.value.as_str()).collect();
    let begun = site.store.rollouts().any(|rollout| rollout.plan.environment == environment);
    if begun || names.contains(&environment) {
        return Ok(());
    }
    let message = format!("there is no environment `{}`", safe(environment));
    Err(Failure::new(Exit::Usage, message).help(format!("the project has: {}", names.join(", "))))
}

/// From a directory without documents, the nearest one above that has a project; git does the same.
fn project_dir(named: &Path) -> PathBuf {
    let has_documents = named.join("flagstaff.yaml").exists() || named.join("flagstaff").is_dir();
    if named != Path::new(".") || has_documents {
        return named.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let above = here.ancestors().skip(1).find(|above| above.join("flagstaff.yaml").is_file());
    above.map_or_else(|| named.to_owned(), Path::to_owned)
}

fn error(failure: &Failure) -> ErrorAnswer {
    ErrorAnswer {
        exit: failure.exit.code(),
        message: failure.message.clone(),
        help: failure.help.clone(),
        findings: findings::rows(&failure.findings),
    }
}

/// Who drives a rollout: `run@host`.
pub(crate) fn driver_of(drivers: &[DriverSeen], address: &str, now: Timestamp) -> Option<String> {
    let driving = drivers.iter().filter(|driver| driver.drives.iter().any(|driven| driven == address));
    // who is there all along says more than who comes from time to time
    driving.min_by_key(|driver| driver.comes_and_goes()).map(|driver| driver.told(now))
}

/// The exit of a command that left a rollout where it is: what was not read back is unreachable.
fn after(report: &CommandReport) -> Exit {
    if report.unconfirmed || (report.trouble.is_some() && report.phase == Phase::Paused) {
        return Exit::Unreachable;
    }
    Exit::Done
}

/// The exit of a rollout that somebody waited for.
pub(crate) fn ended(rollout: &Rollout) -> Exit {
    match rollout.state.phase {
        Phase::Completed => Exit::Done,
        Phase::Stopped => Exit::Stopped,
        Phase::Paused => Exit::NeedsPerson,
        Phase::Running if rollout.state.waits_for_approval(&rollout.plan) => Exit::NeedsPerson,
        Phase::Running | Phase::None => Exit::Done,
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Failure {
        match error {
            ControlError::Refused(refusal) => {
                let exit = match refusal.kind {
                    RefusalKind::Stopped => Exit::Stopped,
                    RefusalKind::NotAuthorised => Exit::NotAuthorised,
                    RefusalKind::Unreachable => Exit::Unreachable,
                    _ => Exit::Failed,
                };
                let failure = Failure::new(exit, format!("refused: {}", refusal.reason));
                match refusal.instead {
                    Some(instead) => failure.help(format!("instead: flagstaff {instead}")),
                    None => failure,
                }
            }
            ControlError::Invalid(findings) => Failure::invalid(findings),
            ControlError::Unreachable(why) => Failure::new(Exit::Unreachable, why),
            ControlError::NotAuthorised(why) => Failure::new(Exit::NotAuthorised, why),
            ControlError::Spool(error) => Failure::new(Exit::Unreachable, error.to_string())
                .help("nothing grows before it is taken in; `flagstaff abort`, `pause` and `freeze` work without it"),
            ControlError::Journal(error) => {
                let help = "`flagstaff abort` and `pause` work without it";
                Failure::new(Exit::Unreachable, error.to_string()).help(help)
            }
            ControlError::NotFound(what) | ControlError::Failed(what) => Failure::new(Exit::Failed, what),
        }
    }
}
