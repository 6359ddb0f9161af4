//! A demonstration against a small shop with faults of its own. Everything else is the code that `run` uses.

mod evaluate;
mod shop;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::control::drive::{Seen, Until};
use crate::control::{Rollout, Site, StartOptions, replay};
use crate::engine::input::Actor;
use crate::engine::{Cause, Phase, Span, State};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Journal as _, Sequence, verify};
use crate::view::live::Live;
use crate::view::printer::{Printer, Tone};
use crate::view::progress::End;
use crate::view::{status, verbose, words};

const PROJECT: &str = include_str!("project/flagstaff.yaml");
const ENVIRONMENT: &str = "shop";
/// It takes about a minute; what takes longer has gone wrong.
const LIMIT: Span = Span::seconds(100);

/// Runs the demo. Whether it ended as described.
///
/// # Errors
/// What kept it from running at all.
pub async fn run(printer: &Printer, keep: Option<&Path>, clock: Arc<dyn Clock>) -> Result<bool, String> {
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = match keep {
        Some(dir) if dir.join("flagstaff.yaml").exists() => {
            return Err(format!("{} has a project already; name a new directory", dir.display()));
        }
        Some(dir) => dir,
        None => temporary.path(),
    };
    fs::create_dir_all(dir).map_err(|error| error.to_string())?;
    let shop = shop::open(dir.join("flags.flagd.json"), clock.clone()).await?;
    let project = PROJECT.replace("SHOP", &shop.address);
    fs::write(dir.join("flagstaff.yaml"), project).map_err(|error| error.to_string())?;
    printer.note(&format!("a small shop is open at {}; three releases start", shop.address));

    let actor = Actor { name: "demo".to_owned(), known_by: "demo".to_owned() };
    let mut site = Site::open_observed(dir, actor, clock.clone(), verbose::observer(printer))
        .map_err(|error| error.to_string())?;
    // the first visitors, so that there is something to measure
    clock.sleep_until(clock.now().plus(Span::seconds(2))).await;
    let mut ids = BTreeSet::new();
    let mut live = Live::new(printer);
    for release in shop::SERVICES {
        let options = StartOptions { reason: Some("demo".to_owned()), ..StartOptions::default() };
        let started = site.start(release, ENVIRONMENT, &options).await.map_err(|error| error.to_string())?;
        if let Some(rollout) = site.store.rollout(&started.rollout) {
            started.steps.iter().for_each(|step| live.step(rollout, step));
        }
        ids.insert(started.rollout);
    }
    {
        let mut see = |seen: Seen<'_>| match seen {
            Seen::Step(rollout, step) => live.step(rollout, step),
            Seen::Trouble(error) => live.trouble(error, clock.now()),
            Seen::Pass(rollouts, now) => live.draw(rollouts, now),
        };
        let give_up = clock.sleep_until(clock.now().plus(LIMIT));
        tokio::select! {
            end = site.drive(&ids, Until::PersonIsNeeded, &mut see) => { end.map_err(|error| error.to_string())?; }
            () = give_up => printer.err("the demo took too long"),
            _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
        }
    }
    let rows = status::rows(&mut site, &Vec::from_iter(ids.iter().cloned()));
    let shown: Vec<&Rollout> = ids.iter().filter_map(|id| site.store.rollout(id)).collect();
    live.finish(End::Done, rows, &shown, clock.now());
    let told = tell(printer, &site);
    let proven = prove(printer, dir)?;
    if let Some(dir) = keep {
        printer.note(&format!("the project is in {}; try: flagstaff -C {} audit log", dir.display(), dir.display()));
    }
    Ok(told && proven)
}

/// What happened and why; whether it is what was to happen.
fn tell(printer: &Printer, site: &Site) -> bool {
    let mut as_described = true;
    for release in shop::SERVICES {
        let Some(rollout) = site.store.newest(release, ENVIRONMENT) else { return false };
        let state = &rollout.state;
        as_described &= is_as_described(release, state);
        let news = rollout.steps.iter().rev().flat_map(|(_, step)| step.events.iter().rev());
        let mut last = news.filter_map(|event| words::event(&rollout.plan, event));
        let why = last.find(|line| !line.starts_with("read back")).unwrap_or_default();
        if !printer.machine() {
            let tone = if state.phase == Phase::Completed { Tone::Good } else { Tone::Warn };
            let name = printer.tone(&format!("{release:<12} {:<10}", words::phase(rollout)), tone);
            printer.out(&format!("{name} on for {:<10} {why}", state.allowed.to_string()));
        }
    }
    as_described
}

fn is_as_described(release: &str, state: &State) -> bool {
    match release {
        "checkout-v2" => state.phase == Phase::Completed,
        "search-rank" => state.phase == Phase::Stopped && state.stopped_by == Some(Cause::Rule("errors".to_owned())),
        _ => state.phase == Phase::Paused && state.causes.contains(&Cause::Rule("no_data".to_owned())),
    }
}

/// Verifies the journal and computes every decision again.
fn prove(printer: &Printer, dir: &Path) -> Result<bool, String> {
    let mut journal = SqliteJournal::open(&dir.join(".flagstaff/journal.db")).map_err(|error| error.to_string())?;
    let records = journal.load(Sequence(0), usize::MAX).map_err(|error| error.to_string())?;
    let head = verify::verify(journal.id(), &records, None);
    let replayed = replay::replay(&records);
    let (verified, computed) = (head.is_ok(), replayed.is_ok());
    let line = |text: String| if printer.machine() { printer.note(&text) } else { printer.out(&text) };
    match head {
        Ok(head) => line(format!("audit verify: {} records, unbroken, head {}", records.len(), &head.hash[..12])),
        Err(damage) => line(format!("audit verify: {damage}")),
    }
    match replayed {
        Ok(done) => line(format!(
            "audit replay: {} inputs, {} events: every decision comes out the same",
            done.inputs, done.events
        )),
        Err(difference) => line(format!("audit replay: {difference}")),
    }
    Ok(verified && computed)
}
