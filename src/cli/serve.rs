//! `serve`.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::notifying::{self, Beginning, Notifying};
use super::signals::{self, Told};
use crate::control::Site;
use crate::control::apply::Follow;
use crate::control::drive::{Seen, is_news};
use crate::control::signal::Desk;
use crate::engine::Span;
use crate::serve::intake::{Intake, WAIT_AT_MOST};
use crate::serve::line::{Level, Line};
use crate::serve::vitals::Vitals;
use crate::serve::{self, applying, watchdog};
use crate::view::{audit, log, words};

/// A pass that takes longer than this to end, once it was told to, is left: what it intended is carried out by whoever
/// comes next.
const LEAVE_WITHIN: Span = Span::seconds(60);
/// What was recorded last is told to others within this, or by whoever comes next.
const TELL_WITHIN: Span = Span::seconds(2);

/// Drive every rollout, also those that are started later, until told to end
///
/// The controller as one process: it judges every tick of every rollout, follows the documents, and answers on /healthz,
/// /readyz and /metrics. Its log is on stderr, a line each: logfmt, or JSON with -o json. Where the project names
/// `notifications`, others are told what happens.
///
/// SIGTERM and SIGINT let the pass in hand finish, with its effects. Ends with 0 on SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Listen here; port 0 takes a free one and says which
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4780")]
    pub(crate) listen: SocketAddr,
    /// Apply the documents as `apply --yes` does, now and whenever they have changed: missing flags are made, off
    #[arg(long)]
    pub(crate) apply: bool,
}

impl Serve {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (log, clock) = (log::log(&context.printer), Arc::clone(&context.clock));
        let say = |level: Level, event: &'static str| Line::new(clock.now(), level, event);
        let mut site = context.site_to_serve()?;
        let listener = TcpListener::bind(self.listen).await.map_err(|error| {
            let why = format!("cannot listen on {}: {error}", self.listen);
            Failure::new(Exit::Failed, why).help("name another address with --listen")
        })?;
        let address = listener.local_addr().unwrap_or(self.listen);
        log(&say(Level::Info, "listening").with("address", address.to_string()));
        if !address.ip().is_loopback() {
            let why = "others than this machine can connect, and nothing is encrypted: put a proxy with TLS before it";
            log(&say(Level::Warn, "open").with("why", why));
        }
        if site.loaded.has_errors() {
            let why = "the documents have errors: nothing starts, what runs goes on by its pinned plan";
            log(&say(Level::Warn, "documents").with("why", why));
        }
        let vitals = Arc::new(Vitals::since(clock.now()));
        let (end, ended) = watch::channel(false);
        // with a connection of its own: a pass that waits keeps no signal waiting
        let at_desk = Site::open_to_stop(&context.dir, context.actor(), Arc::clone(&clock), None)?;
        let (desk, declared) = Desk::new(at_desk);
        let from = Beginning::following(&site, desk.notifications());
        let tell = notifying::in_the_log(Arc::clone(&vitals), Arc::clone(&clock), Arc::clone(&log));
        let notifying = Notifying::begin(context, &site, from, tell)
            .map_err(|why| log(&say(Level::Error, "notifications").with("why", format!("nobody is told: {why}"))));
        let (send, incoming) = mpsc::channel(WAIT_AT_MOST);
        let (dir, environment) = (context.dir.clone(), context.environment.clone());
        let (told, by, to) = (Arc::clone(&vitals), Arc::clone(&clock), Arc::clone(&log));
        let intake = Intake::new(dir, declared, send, environment, told, by, to);
        // they end with this one
        let mut beside = tokio::task::JoinSet::new();
        let (told, by) = (Arc::clone(&vitals), Arc::clone(&clock));
        beside.spawn(serve::answer(listener, told, by, Some(Arc::new(intake))));
        let mut desk = tokio::spawn(desk.take_in(incoming, ended.clone()));
        beside.spawn(watchdog::watch(Arc::clone(&vitals), Arc::clone(&clock), Arc::clone(&log)));
        if self.apply {
            let (dir, environment) = (context.dir.clone(), context.environment.clone());
            let follow = Follow { dir, actor: context.actor(), clock: Arc::clone(&clock), environment };
            let begun = applying::begin(follow, Arc::clone(&vitals), Arc::clone(&log));
            begun.map_err(|error| Failure::new(Exit::Failed, format!("cannot begin to apply: {error}")))?;
        }
        site.declare_driver("serve", &context.host());
        let (told, at_leisure) = {
            let mut see = |seen: Seen<'_>| match seen {
                Seen::Step(rollout, step) => {
                    vitals.step(rollout, step);
                    if is_news(step) {
                        for entry in audit::entries(0, &rollout.id, &rollout.plan, step) {
                            let line = say(Level::Info, "step").with("rollout", rollout.address());
                            let line = line.with("state", words::phase(rollout)).with("who", entry.who);
                            let line = line.with("what", entry.what);
                            log(&entry.reason.into_iter().fold(line, |line, reason| line.with("reason", reason)));
                        }
                    }
                }
                Seen::Trouble(error) => {
                    let why = error.chain();
                    if vitals.trouble(&why) {
                        log(&say(Level::Error, "journal").with("why", why));
                    }
                }
                Seen::Pass(rollouts, now) => {
                    if vitals.pass(rollouts, now) {
                        log(&say(Level::Info, "journal").with("what", "usable again"));
                    }
                }
            };
            let mut drive = std::pin::pin!(site.serve(context.environment.as_deref(), ended, &mut see));
            let told = tokio::select! {
                () = &mut drive => Told::Terminate,
                told = signals::told() => told,
                // nothing ends it but a fault: whoever starts the process anew is better than half of it
                _ = &mut desk => {
                    return Err(Failure::new(Exit::Failed, "whoever takes in signals has ended").help("start it again"));
                }
            };
            log(&say(Level::Info, "ending").with("why", told.word()));
            let _ = end.send(true);
            let both = async {
                drive.await;
                let _ = desk.await;
            };
            let left = tokio::select! {
                () = both => None,
                _ = signals::told() => Some("told twice"),
                () = clock.sleep_until(clock.now().plus(LEAVE_WITHIN)) => Some("the pass in hand does not end"),
            };
            if let Some(why) = left {
                let then = "what was intended is carried out by whoever drives next";
                log(&say(Level::Warn, "left").with("why", why).with("then", then));
            }
            (told, left.is_none())
        };
        site.retire_driver();
        if let (Ok(notifying), true) = (notifying, at_leisure) {
            tokio::select! {
                () = notifying.leave(TELL_WITHIN) => {}
                _ = signals::told() => {}
            }
        }
        log(&say(Level::Info, "ended"));
        Ok(if told == Told::Terminate { Exit::Done } else { Exit::Interrupted })
    }
}
