//! Whether each page can be read, and what is on it.

use futures_util::future::join_all;

use super::{Scrape, exposition};
use crate::checkup::{Check, ClockRead, Fault};
use crate::clock::within;
use crate::engine::{Span, Timestamp};
use crate::http::{self, Reply, fetch, shown};

/// One page may take so long here; a reading takes no longer than `every`.
const PATIENCE: Span = Span::seconds(4);

impl Scrape {
    /// Each page in the documents' order, and then the clock that is furthest from ours.
    pub(super) async fn checks(&self) -> Vec<Check> {
        let pages = join_all(self.targets.iter().map(|target| self.page(target))).await;
        let (mut checks, clocks): (Vec<Check>, Vec<Option<ClockRead>>) = pages.into_iter().unzip();
        if let Some(clock) = clocks.into_iter().flatten().max_by_key(|clock| clock.difference()) {
            checks.push(clock.check("nothing is decided by it, but its log tells other times"));
        }
        checks
    }

    async fn page(&self, target: &str) -> (Check, Option<ClockRead>) {
        let place = shown(target);
        let failed = |fault, seen: String, advice: &str| {
            (Check::failed("page", fault, format!("{place}: {seen}"), advice), None)
        };
        let before = self.clock.now();
        let page = match &self.client {
            Ok(client) => within(&*self.clock, PATIENCE, fetch(client.get(target))).await,
            Err(why) => return failed(Fault::Other, why.clone(), "look at the machine's certificates"),
        };
        let after = self.clock.now();
        let Reply { status, text, date, .. } = match page {
            Some(Ok(reply)) => reply,
            Some(Err(why)) => return failed(Fault::Unreachable, why.detail, REACH),
            None => return failed(Fault::Unreachable, "no answer in time".to_owned(), REACH),
        };
        match status {
            200 => {}
            401 | 403 => {
                let advice = "name a page that needs no password, or read it through `prometheus` with a `token_file`";
                return failed(Fault::NotAuthorised, format!("status {status}"), advice);
            }
            _ => return failed(Fault::Unreachable, format!("status {status}"), REACH),
        }
        let check = match exposition::parse(&text) {
            Err(error) => return failed(Fault::Unreachable, format!("not a metrics page: {error}"), FORMAT),
            Ok(samples) if samples.is_empty() => Check::warning(
                "page",
                format!("{place}: there is no series on it"),
                "let the service count something before a release starts; a page without series answers nothing",
            ),
            Ok(samples) => {
                let took = after.since(before);
                Check::fine("page", format!("{place}: {} series, read in {} ms", samples.len(), took.0))
            }
        };
        let theirs = date.and_then(|date| http::date(&date)).map(Timestamp);
        (check, theirs.map(|theirs| ClockRead { theirs, step: Span::seconds(1), before, after }))
    }
}

const REACH: &str = "check the address in `targets`, that the service runs, and that this machine may reach it";
const FORMAT: &str = "point `targets` at a page in the Prometheus text format or OpenMetrics, mostly `/metrics`";
