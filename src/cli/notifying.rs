//! Telling others, beside a process that drives: on a thread of its own, which the process never waits for longer than it says.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use super::context::Context;
use crate::clock::Clock;
use crate::control::Site;
use crate::engine::{Span, Timestamp};
use crate::journal::Sequence;
use crate::notify::{Notifier, Outcome, Tell, Told};
use crate::serve::line::{Level, Line, Log};
use crate::serve::vitals::Vitals;
use crate::spec::notifications::Notifications;

/// A thread that does not end in time is left, so much later than it should have.
const GRACE: Span = Span(500);
/// More than this is not told to the person at a terminal.
const LINES_AT_MOST: usize = 20;

/// Whoever tells others.
pub(crate) struct Notifying {
    leave: watch::Sender<Option<Timestamp>>,
    ended: oneshot::Receiver<()>,
    clock: Arc<dyn Clock>,
}

/// Where telling begins: in a site's journal, after what is in it already.
pub(crate) struct Beginning {
    began: Sequence,
    declared: watch::Receiver<Notifications>,
}

impl Beginning {
    /// As a site is now, with notifications as `declared` tells of them.
    pub(crate) fn following(site: &Site, declared: watch::Receiver<Notifications>) -> Beginning {
        Beginning { began: site.store.sequence(), declared }
    }

    /// As a site is now, with its notifications.
    pub(crate) fn of(site: &Site) -> Beginning {
        let (_, declared) = watch::channel(Notifications::of(&site.loaded).unwrap_or_default());
        Beginning::following(site, declared)
    }

    /// Whether there is somebody to be told.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.declared.borrow().all.is_empty()
    }
}

impl Notifying {
    /// Begins to tell others.
    ///
    /// # Errors
    /// Where there can be no thread: nothing else is harmed.
    pub(crate) fn begin(context: &Context, site: &Site, from: Beginning, tell: Tell) -> Result<Notifying, String> {
        let clock = Arc::clone(&context.clock);
        let (leave, told) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let journal = site.loaded.project().map(|project| site.dir.join(&project.journal)).unwrap_or_default();
        let Beginning { began, declared } = from;
        let notifier = Notifier::new(&context.dir, Path::new(&journal), began, declared, Arc::clone(&clock), tell);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let run = move || {
            runtime.block_on(notifier.run(told));
            let _ = end.send(());
            // a file that says nothing, or a name that nobody resolves, is not waited for
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("notify".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Notifying { leave, ended, clock })
    }

    /// Lets it try what is there, and waits for that so long at most.
    pub(crate) async fn leave(self, within: Span) {
        let by = self.clock.now().plus(within);
        let _ = self.leave.send(Some(by));
        tokio::select! {
            _ = self.ended => {}
            () = self.clock.sleep_until(by.plus(GRACE)) => {}
        }
    }
}

/// Tells the log and the numbers of `serve`.
pub(crate) fn in_the_log(vitals: Arc<Vitals>, clock: Arc<dyn Clock>, log: Log) -> Tell {
    Box::new(move |told: Told<'_>| {
        count(&vitals, &told);
        if let Some((level, line)) = line(&told) {
            let about = if matches!(told, Told::Trouble(_) | Told::Recovered | Told::AnotherJournal) {
                "notifications"
            } else {
                "notification"
            };
            log(&line
                .into_iter()
                .fold(Line::new(clock.now(), level, about), |line, (name, value)| line.with(name, value)));
        }
    })
}

/// Keeps what went wrong for the person at a terminal, who reads it at the end.
pub(crate) fn for_the_end(lines: Arc<Mutex<Vec<String>>>) -> Tell {
    Box::new(move |told: Told<'_>| {
        let Some((Level::Warn | Level::Error, line)) = line(&told) else { return };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_AT_MOST {
            let words: Vec<String> = line.into_iter().map(|(name, value)| format!("{name} {value}")).collect();
            lines.push(words.join(", "));
        }
    })
}

fn count(vitals: &Vitals, told: &Told<'_>) {
    match told {
        Told::Message(name, _, Outcome::Delivered | Outcome::DeliveredAtLast) => vitals.notified(name, "delivered", 1),
        Told::Message(name, _, Outcome::Refused(_)) => vitals.notified(name, "refused", 1),
        Told::GaveUp(name, count, _) => vitals.notified(name, "given-up", *count),
        Told::Waiting(waiting) => vitals.notifications_wait(waiting.clone()),
        Told::Message(_, _, Outcome::Failed(_)) | Told::Trouble(_) | Told::Recovered | Told::AnotherJournal => {}
    }
}

type Fields = Vec<(&'static str, String)>;

/// What is worth a line: what failed, once, and what came of that.
fn line(told: &Told<'_>) -> Option<(Level, Fields)> {
    let (level, fields): (Level, Vec<(&'static str, &str)>) = match told {
        Told::Message(_, _, Outcome::Delivered) | Told::Waiting(_) => return None,
        Told::Message(name, message, outcome) => {
            let (level, result, why) = match outcome {
                Outcome::Failed(why) => (Level::Warn, "tried-again", Some(*why)),
                Outcome::Refused(why) => (Level::Error, "refused", Some(*why)),
                Outcome::Delivered | Outcome::DeliveredAtLast => (Level::Info, "delivered", None),
            };
            let mut fields = vec![("notification", *name), ("rollout", &message.subject), ("what", &message.event)];
            fields.extend([("id", message.id.as_str()), ("result", result)]);
            fields.extend(why.map(|why| ("why", why)));
            (level, fields)
        }
        Told::GaveUp(name, count, why) => {
            let more = vec![("notification", (*name).to_owned()), ("messages", count.to_string())];
            let rest = [("result", "given-up".to_owned()), ("why", (*why).to_owned())];
            return Some((Level::Error, more.into_iter().chain(rest).collect()));
        }
        Told::Trouble(why) => (Level::Error, vec![("why", *why)]),
        Told::Recovered => (Level::Info, vec![("what", "others are told again")]),
        Told::AnotherJournal => {
            (Level::Warn, vec![("why", "another journal than before: what happens in it from now on is told")])
        }
    };
    Some((level, fields.into_iter().map(|(name, value)| (name, value.to_owned())).collect()))
}
