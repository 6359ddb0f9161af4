//! Releases on one policy against a real Prometheus: a tick of all of them, the batched queries alone, and a query a release.
//!
//! `cargo bench --bench prometheus [RELEASES]`, 10,000 unless written; it needs `prometheus`. The bounds: a tick takes at most
//! 1.3 times what its batched queries take when nothing else is done, and those at most a quarter of a query a release. How
//! many requests each of them makes is printed beside it.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::unwrap_used, reason = "what does not start ends the bench")]

mod asked;
mod project;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flagstaff::clock::{Clock, SystemClock};
use flagstaff::control::{Site, StartOptions};
use flagstaff::engine::{Actor, Input, Span, Timestamp};
use flagstaff::telemetry::prometheus::promql;

#[path = "../../tests/it/support/page.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod page;
#[path = "../../tests/it/support/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod server;

const ROUNDS: usize = 3;
/// Each has its own flag file: a start writes the whole file.
const FLAGS_OF_AN_ENVIRONMENT: usize = 500;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let releases = numbers.first().copied().unwrap_or(10_000);
    let flags: Vec<String> = (0..releases).map(|number| format!("r{number:05}")).collect();
    let names: Vec<&str> = flags.iter().map(String::as_str).collect();
    let pages: Vec<_> = names.chunks(FLAGS_OF_AN_ENVIRONMENT).map(page::Page::serve).collect();
    let folder = tempfile::tempdir().unwrap();
    let prometheus =
        project::Prometheus::serve(folder.path(), &pages.iter().map(|page| page.url.clone()).collect::<Vec<_>>());
    project::write(folder.path(), &prometheus.url, &flags, FLAGS_OF_AN_ENVIRONMENT);
    let actor = Actor { name: "bench".to_owned(), known_by: "--as".to_owned() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut site = Site::open(folder.path(), actor, clock.clone()).unwrap();
    // until it has scraped
    let mut turns = 0;
    while let Err(error) = site.start(&flags[0], "e0", &StartOptions::default()).await {
        turns += 1;
        assert!(turns < 120, "{error}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let began = Instant::now();
    for (number, flag) in flags.iter().enumerate().skip(1) {
        let environment = format!("e{}", number / FLAGS_OF_AN_ENVIRONMENT);
        site.start(flag, &environment, &StartOptions::default()).await.unwrap();
    }
    println!("{releases} starts: {:.1} s", began.elapsed().as_secs_f64());

    let ids: BTreeSet<String> = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
    let queries: BTreeSet<_> =
        site.store.rollouts().flat_map(|rollout| &rollout.plan.series).map(|series| series.query.clone()).collect();
    let queries: Vec<_> = queries.into_iter().collect();
    // the texts that go out for a tick, and those of a query a release, as they were asked
    let batched = asked::texts(&queries).await;
    let alone: BTreeSet<String> =
        queries.iter().flat_map(|query| std::iter::once(promql::text(query)).chain(promql::age(query))).collect();
    let alone: Vec<String> = alone.into_iter().collect();
    println!("{} queries: {} requests in batches, {} one by one", queries.len(), batched.len(), alone.len());

    let (mut ticks, mut together, mut read, mut apart) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut turns = 0;
        let at = loop {
            let began = Instant::now();
            let passed = site.pass(&ids).await.unwrap();
            let took = began.elapsed().as_secs_f64();
            let present = passed.steps.iter().filter_map(|(_, step)| match &step.input {
                Input::Tick(tick) if tick.present => Some(tick.clone()),
                _ => None,
            });
            let present: Vec<_> = present.collect();
            if present.len() == releases {
                if present.iter().all(|tick| tick.readings.iter().all(|reading| reading.value().is_some())) {
                    ticks.push(took);
                    break present[0].at;
                }
                // the first windows are not full yet
                turns += 1;
                assert!(turns < 6, "a reading is unknown: {:?}", present.first());
            }
            clock.sleep_until(passed.next.unwrap_or(clock.now()).max(clock.now().plus(Span(20)))).await;
        };
        together.push(asked::bare(&prometheus.url, &batched, at).await);
        let source = site.sources["prom"].clone();
        let began = Instant::now();
        let answers = source.instant(&queries, at).await;
        assert!(answers.iter().all(|answered| answered.reading.value().is_some()));
        read.push(began.elapsed().as_secs_f64());
        // once takes long enough
        if round == 0 {
            apart.push(asked::bare(&prometheus.url, &alone, at).await);
        }
    }
    let (tick, together, read, apart) = (median(ticks), median(together), median(read), median(apart));
    println!("a tick of all:                     {tick:.3} s");
    println!("its requests, by a bare client:    {together:.3} s; a tick takes {:.2} times that", tick / together);
    println!("its requests, read and judged:     {read:.3} s");
    println!("a query a release, bare:           {apart:.3} s; {:.1} times the batches", apart / together);
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// An instant as servers read it.
fn instant(at: Timestamp) -> String {
    format!("{}.{:03}", at.0 / 1000, at.0 % 1000)
}
