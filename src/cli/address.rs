//! `release@environment`, as answers write it, may be typed wherever a release is.

use super::Command;
use super::args::Global;

/// Takes an address apart: what stands behind `@` is the environment. Where another one was named, it is left as it is, and
/// no release is called so.
pub(crate) fn take_apart(global: &mut Global, command: &mut Command) {
    let Some(release) = release(command) else { return };
    let Some((name, environment)) = release.split_once('@') else { return };
    if global.environment.as_ref().is_none_or(|named| named == environment) && !environment.is_empty() {
        global.environment = Some(environment.to_owned());
        *release = name.to_owned();
    }
}

/// The one release that a command is about.
fn release(command: &mut Command) -> Option<&mut String> {
    match command {
        Command::Plan(plan) => plan.release.as_mut(),
        Command::Start(start) => only(&mut start.releases),
        Command::Run(run) => only(&mut run.releases),
        Command::Status(status) => only(&mut status.releases),
        Command::Watch(watch) => Some(&mut watch.release),
        Command::Wait(wait) => Some(&mut wait.release),
        Command::Explain(explain) => Some(&mut explain.release),
        Command::Approve(approve) => Some(&mut approve.release),
        Command::Pause(pause) => Some(&mut pause.release),
        Command::Resume(resume) => resume.release.as_mut(),
        Command::Abort(abort) => abort.release.as_mut(),
        Command::Force(force) => Some(&mut force.release),
        Command::Rollback(rollback) => Some(&mut rollback.release),
        Command::Mute(mute) => Some(&mut mute.release),
        Command::Freeze(freeze) => freeze.release.as_mut(),
        _ => None,
    }
}

fn only(releases: &mut Vec<String>) -> Option<&mut String> {
    match releases.as_mut_slice() {
        [one] => Some(one),
        _ => None,
    }
}
