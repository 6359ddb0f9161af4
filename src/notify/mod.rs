//! Tells others, each once, when a rollout becomes something else: from the journal alone, on a thread of its own, with files of
//! its own. Nothing that drives or stops a rollout waits for anything here, or hears of it.

mod follow;
mod lane;
mod message;
mod send;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use self::follow::Follower;
use self::lane::Lane;
pub use self::message::Message;
use self::send::{Came, Sender};
use crate::clock::Clock;
use crate::engine::{Span, Timestamp};
use crate::journal::Sequence;
use crate::journal::outbox::{Outbox, OutboxError};
use crate::spec::notifications::Notifications;

/// How often the journal and the documents are looked at.
const LOOK: Span = Span::seconds(1);
/// What has failed for so long is given up.
pub const GIVE_UP_AFTER: Span = Span::hours(24);

/// What is worth telling whoever looks after the process.
#[derive(Debug)]
pub enum Told<'t> {
    /// What came of a message, of this notification.
    Message(&'t str, &'t Message, Outcome<'t>),
    /// So many messages of this notification are given up, and why: they are too old, or too many.
    GaveUp(&'t str, u64, &'t str),
    /// How many messages of each notification wait.
    Waiting(BTreeMap<String, u64>),
    /// Nothing can be found out or kept for now, and why.
    Trouble(&'t str),
    /// It can again.
    Recovered,
    /// The journal is another one than before: what happens in it from now on is told.
    AnotherJournal,
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'t> {
    /// It was delivered.
    Delivered,
    /// It was delivered, having failed before.
    DeliveredAtLast,
    /// It failed for the first time, and why; it is tried again.
    Failed(&'t str),
    /// It was refused, and why; it is not sent again.
    Refused(&'t str),
}

/// Whoever hears of it.
pub type Tell = Box<dyn FnMut(Told<'_>) + Send>;

/// Tells others.
pub struct Notifier {
    dir: PathBuf,
    place: PathBuf,
    declared: watch::Receiver<Notifications>,
    clock: Arc<dyn Clock>,
    tell: Tell,
    follower: Follower,
    outbox: Option<Outbox>,
    lanes: BTreeMap<String, Lane>,
    /// What does not work for now, by what it is about.
    troubles: BTreeMap<About, String>,
}

/// What may not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// Finding out what is to be told.
    Following,
    /// Keeping what was delivered.
    Keeping,
}

/// A message that was under way.
struct Landed {
    notification: String,
    at: Timestamp,
    message: Message,
    came: Came,
}

type Flying = FuturesUnordered<Pin<Box<dyn Future<Output = Landed>>>>;

impl Notifier {
    /// For the journal at a path. Receivers that are new now are told what comes after `began` in it.
    pub fn new(
        dir: &Path,
        journal: &Path,
        began: Sequence,
        declared: watch::Receiver<Notifications>,
        clock: Arc<dyn Clock>,
        tell: Tell,
    ) -> Notifier {
        Notifier {
            dir: dir.to_owned(),
            place: Outbox::beside(journal),
            declared,
            clock,
            tell,
            follower: Follower::new(journal.to_owned(), began),
            outbox: None,
            lanes: BTreeMap::new(),
            troubles: BTreeMap::new(),
        }
    }

    /// Goes on until it is told by when to leave, or nobody is there to tell it. Then what is there is tried once more.
    pub async fn run(mut self, mut leave: watch::Receiver<Option<Timestamp>>) {
        let mut flying = Flying::new();
        let mut look = Timestamp(0);
        let mut leaving = false;
        loop {
            let now = self.clock.now();
            // a clock that was set back is not waited for
            look = look.min(now.plus(LOOK));
            let by = *leave.borrow_and_update();
            if by.is_some() && !leaving {
                // what was recorded last is told, too
                (leaving, look) = (true, now);
            }
            if now >= look {
                look = if self.look() { now } else { now.plus(LOOK) };
            }
            self.launch(now, leaving, &mut flying);
            let is_done = flying.is_empty() && look > now;
            if by.is_some_and(|by| is_done || now >= by) {
                return;
            }
            let waiting = self.lanes.values().filter(|lane| !lane.is_flying && lane.due > now).map(|lane| lane.due);
            let next = waiting.chain(by).fold(look, Timestamp::min);
            let clock = Arc::clone(&self.clock);
            tokio::select! {
                Some(landed) = flying.next(), if !flying.is_empty() => self.land(landed),
                () = clock.sleep_until(next) => {}
                changed = leave.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Looks at the documents and the journal. Returns whether there is more to be looked at.
    fn look(&mut self) -> bool {
        let declared = self.declared.borrow().clone();
        let is_there = self.place.exists();
        if !is_there {
            // somebody took it away, and another process would make a new one
            self.outbox = None;
        }
        if declared.all.is_empty() && !is_there {
            return false;
        }
        if self.outbox.is_none() {
            self.follower.close();
            let taken = Outbox::take(&self.place);
            self.outbox = self.heard(About::Following, taken).flatten();
        }
        let Some(mut outbox) = self.outbox.take() else { return false };
        // what waits is sent, also while the journal cannot be read
        let is_declared = |name: &String| declared.all.iter().any(|doc| doc.name.value == *name);
        self.lanes.retain(|name, _| is_declared(name));
        for doc in &declared.all {
            match self.lanes.get_mut(&doc.name.value) {
                Some(lane) => lane.follow(doc),
                None => _ = self.lanes.insert(doc.name.value.clone(), Lane::new(doc.clone())),
            }
        }
        let looked = self.follower.look(&mut outbox, &declared.all, declared.is_whole);
        self.outbox = Some(outbox);
        let Some(looked) = self.heard(About::Following, looked) else { return false };
        if looked.another {
            (self.tell)(Told::AnotherJournal);
        }
        for (notification, count) in &looked.given_up {
            (self.tell)(Told::GaveUp(notification, *count, "too many wait"));
        }
        self.count();
        looked.more
    }

    fn count(&mut self) {
        let Some(outbox) = &self.outbox else { return };
        let waiting = self.lanes.keys().filter_map(|name| Some((name.clone(), outbox.waiting(name).ok()?)));
        (self.tell)(Told::Waiting(waiting.collect()));
    }

    /// Sends what is next to everybody who may get something now. Whoever leaves tries nothing that failed again.
    fn launch(&mut self, now: Timestamp, leaving: bool, flying: &mut Flying) {
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        for name in names {
            let (Some(lane), Some(outbox)) = (self.lanes.get_mut(&name), &mut self.outbox) else { continue };
            if lane.is_flying || now < lane.due || (leaving && lane.failures > 0) {
                continue;
            }
            let Some(to) = lane.doc.to.clone() else { continue };
            let kept = lane.unkept.as_ref().map_or(Ok(()), |id| outbox.done(&name, id));
            let next = match kept {
                Ok(()) => {
                    lane.unkept = None;
                    outbox.next(&name)
                }
                Err(why) => Err(why),
            };
            let next = match next {
                Ok(next) => next,
                Err(why) => {
                    lane.failed(now, None);
                    self.heard(About::Keeping, Err::<(), OutboxError>(why));
                    continue;
                }
            };
            let Some(waiting) = next else { continue };
            let Ok(message) = serde_json::from_str::<Message>(&waiting.body) else {
                // of another version, or damaged: nobody could make anything of it
                lane.unkept = Some(waiting.id);
                (self.tell)(Told::GaveUp(&name, 1, "it cannot be read"));
                continue;
            };
            lane.is_flying = true;
            let (dir, project) = (self.dir.clone(), self.declared.borrow().project.clone());
            let (clock, client) = (Arc::clone(&self.clock), lane.client.take());
            flying.push(Box::pin(async move {
                let sender = Sender { dir: &dir, project: &project, clock: &*clock, client };
                let came = sender.send(&to, &message).await;
                Landed { notification: name, at: waiting.at, message, came }
            }));
        }
    }

    /// What came of a message.
    fn land(&mut self, landed: Landed) {
        let Landed { notification, at, message, came } = landed;
        let now = self.clock.now();
        // of one that was taken out meanwhile nothing is remembered
        let Some(lane) = self.lanes.get_mut(&notification) else { return };
        lane.is_flying = false;
        let (notification, message) = (notification.as_str(), &message);
        match came {
            Came::Delivered(client) => {
                lane.client = Some(client);
                lane.worked();
                lane.unkept = Some(message.id.clone());
                let has_failed = lane.told.as_ref() == Some(&message.id);
                let outcome = if has_failed { Outcome::DeliveredAtLast } else { Outcome::Delivered };
                (self.tell)(Told::Message(notification, message, outcome));
            }
            Came::Refused(why) => {
                lane.worked();
                lane.unkept = Some(message.id.clone());
                (self.tell)(Told::Message(notification, message, Outcome::Refused(&why)));
            }
            Came::Again { why, after } => {
                lane.failed(now, after);
                if lane.told.as_ref() != Some(&message.id) {
                    lane.told = Some(message.id.clone());
                    (self.tell)(Told::Message(notification, message, Outcome::Failed(&why)));
                }
                if now.since(at) >= GIVE_UP_AFTER {
                    self.give_up(notification, now, &why);
                }
            }
        }
        self.keep(notification);
    }

    /// A message that is done with is so for whoever comes next, too.
    fn keep(&mut self, notification: &str) {
        let (Some(lane), Some(outbox)) = (self.lanes.get_mut(notification), &mut self.outbox) else { return };
        let Some(id) = &lane.unkept else { return };
        let done = outbox.done(notification, id);
        match done {
            Ok(()) => lane.unkept = None,
            Err(_) => lane.failed(self.clock.now(), None),
        }
        self.heard(About::Keeping, done);
    }

    fn give_up(&mut self, notification: &str, now: Timestamp, why: &str) {
        let Some(outbox) = &mut self.outbox else { return };
        let old = outbox.give_up(notification, now.minus(GIVE_UP_AFTER));
        if let Some(count) = self.heard(About::Keeping, old).filter(|count| *count > 0) {
            let why = format!("older than {GIVE_UP_AFTER}: {why}");
            (self.tell)(Told::GaveUp(notification, count, &why));
        }
    }

    /// Tells of what does not work, once, and once when it works again.
    fn heard<T>(&mut self, about: About, result: Result<T, impl Display>) -> Option<T> {
        match result {
            Ok(found) => {
                if self.troubles.remove(&about).is_some() {
                    (self.tell)(Told::Recovered);
                }
                Some(found)
            }
            Err(why) => {
                let why = why.to_string();
                if self.troubles.get(&about) != Some(&why) {
                    (self.tell)(Told::Trouble(&why));
                }
                self.troubles.insert(about, why);
                None
            }
        }
    }
}
