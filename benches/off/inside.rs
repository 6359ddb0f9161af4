//! A rule's stop inside a process that drives, against the bare call on a connection that is warm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flagstaff::backend::Backend;
use flagstaff::backend::unleash::{Access, Unleash};
use flagstaff::control::{Site, StartOptions, Store};
use flagstaff::engine::{Actor, Phase, Span};
use flagstaff::http::{Certificates, Client, Credential, Method, client_for, fetch};
use flagstaff::journal::spool::Spool;
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::spec;
use flagstaff::telemetry::Source;

use crate::server::{Server, TOKEN, environment};
use crate::watched::{Failing, Forward, Seen, Watch, Watched};
use crate::{Times, project};

const RELEASE: &str = "off-by-rule";
const EVERY: Span = Span::hours(1);

/// What was measured, each from its own beginning.
pub(super) struct Measured {
    /// From the last reading in hand to *off* answered: what a breach waits for.
    pub(super) decided: Times,
    /// Of this, until the call was begun: judging, the journal's commit.
    pub(super) recorded: Times,
    /// And the call.
    pub(super) call: Times,
    /// The same call and nothing else.
    pub(super) bare: Times,
}

/// A driver's site on the real server and a journal on the disk.
fn site(dir: &Path, server: &Server, watch: &Watch, clock: &Forward) -> Site {
    project::write(dir, RELEASE, "1h", &server.url, "http://127.0.0.1:9/metrics");
    let token = dir.join("token");
    std::fs::write(&token, TOKEN).expect("a file");
    let access = Access { token: Some(Credential::File(token)), certificates: Certificates::default() };
    let backend = Unleash::new(&server.url, "default", "production", false, access);
    let backend: Arc<dyn Backend> = Arc::new(Watched { backend, watch: watch.clone() });
    let source: Arc<dyn Source> = Arc::new(Failing(watch.clone()));
    let path = dir.join("journal.db");
    let store = Store::load(Box::new(SqliteJournal::open(&path).expect("a journal"))).expect("a journal");
    Site::from_parts(
        dir,
        spec::load(dir),
        store,
        Spool::beside(&path),
        BTreeMap::from([("production".to_owned(), backend)]),
        BTreeMap::from([("app".to_owned(), source)]),
        Arc::new(clock.clone()),
        Actor { name: "bench".to_owned(), known_by: "--as".to_owned() },
    )
}

async fn switch(client: &Client, server: &Server, to: &str) -> f64 {
    let request = client.request(Method::POST, format!("{}{}/{to}", server.url, environment(RELEASE)));
    let began = Instant::now();
    let reply = fetch(request.header("Authorization", TOKEN)).await.expect("an answer");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(reply.status, 200, "{}", reply.text);
    took
}

/// Both sides in each round, who comes first by turns, on a rollout begun anew.
pub(super) async fn measure(server: &Server, rounds: usize) -> Measured {
    let (folder, watch, clock) = (tempfile::tempdir_in(".").expect("a folder"), Watch::default(), Forward::default());
    let mut site = site(folder.path(), server, &watch, &clock);
    let second = Duration::from_secs(10);
    let client = client_for(&server.url, second, second, &Certificates::default()).expect("a client");
    let [mut decided, mut recorded, mut call, mut bare] = [(); 4].map(|()| Vec::new());
    for round in 0..=rounds {
        let options = StartOptions { again: round > 0, ..StartOptions::default() };
        let begun = site.start(RELEASE, "production", &options).await.expect("a start");
        let early = if round % 2 == 1 { Some(bare_call(&client, server).await) } else { None };
        switch(&client, server, "on").await;
        {
            let mut forward = clock.0.lock().expect("no one panics with it");
            *forward = Span(forward.0 + EVERY.0);
        }
        *watch.0.lock().expect("no one panics with it") = Seen::default();
        site.pass(&BTreeSet::from([begun.rollout.clone()])).await.expect("a pass");
        let phase = site.store.rollout(&begun.rollout).expect("it is there").state.phase;
        assert_eq!(phase, Phase::Stopped, "the breach stops");
        let seen = std::mem::take(&mut *watch.0.lock().expect("no one panics with it"));
        let ((began, answered), last) = (seen.off.expect("it was sent"), seen.last_answer.expect("it was judged"));
        let late = match early {
            Some(early) => early,
            None => bare_call(&client, server).await,
        };
        // the first round pays for what is done once
        if round > 0 {
            let between = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1000.0;
            decided.push(between(last, answered));
            recorded.push(between(last, began));
            call.push(between(began, answered));
            bare.push(late);
        }
    }
    let [decided, recorded, call, bare] = [decided, recorded, call, bare].map(Times::of);
    Measured { decided, recorded, call, bare }
}

/// The call on a flag that is on.
async fn bare_call(client: &Client, server: &Server) -> f64 {
    switch(client, server, "on").await;
    switch(client, server, "off").await
}
