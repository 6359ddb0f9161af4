//! A small shop: real HTTP, features by evaluating the flag file, a `/metrics` page per service, and faults of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::task::JoinSet;

use super::evaluate::Evaluator;
use crate::clock::Clock;
use crate::engine::{Span, Timestamp};

/// Upper bounds of the latency histogram in seconds.
const BOUNDS: [f64; 6] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The shop's services; each stands behind the flag of its name.
pub(super) const SERVICES: [&str; 3] = ["checkout-v2", "search-rank", "wish-list"];

/// The new search's index server keeps up with a third of the users. Above that, requests fail.
const SEARCH_CAPACITY: f64 = 0.35;
/// The wish list's metrics page breaks so long after somebody first used the new one.
const WISH_LIST_BREAKS_AFTER: Span = Span::seconds(14);

/// The shop.
pub(super) struct Shop {
    evaluator: Evaluator,
    counts: Mutex<Counts>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Counts {
    /// By service and whether the user had the feature.
    by_arm: BTreeMap<(usize, bool), Arm>,
    wish_list_used: Option<Timestamp>,
}

#[derive(Default)]
struct Arm {
    requests: u64,
    failed: u64,
    buckets: [u64; BOUNDS.len()],
    seconds: f64,
    load: f64,
}

/// A shop that is open: its address, and its tasks, which end with it.
pub(super) struct Open {
    pub(super) address: String,
    _tasks: JoinSet<()>,
}

/// Opens the shop with its users.
pub(super) async fn open(flags: PathBuf, clock: Arc<dyn Clock>) -> Result<Open, String> {
    let shop = Arc::new(Shop {
        evaluator: Evaluator::new(flags),
        counts: Mutex::new(Counts::default()),
        clock: clock.clone(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let router = Router::new()
        .route("/{service}", get(visit))
        .route("/{service}/metrics", get(metrics))
        .with_state(shop.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // ends when the task is dropped with the shop
        let _ = axum::serve(listener, router).await;
    });
    let client = crate::http::client(std::time::Duration::from_secs(2))?;
    for (index, service) in SERVICES.into_iter().enumerate() {
        tasks.spawn(users(client.clone(), format!("{address}/{service}"), index as u64, clock.clone()));
    }
    Ok(Open { address, _tasks: tasks })
}

/// A stream of visitors: 2,000 different users, one in twenty an employee.
async fn users(client: crate::http::Client, url: String, seed: u64, clock: Arc<dyn Clock>) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    loop {
        // splitmix64: any spread will do, as long as every run sees the same users
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let user = (mixed ^ (mixed >> 31)) % 2000;
        let email = if user.is_multiple_of(20) { "acme.example" } else { "mail.example" };
        let _ = client.get(format!("{url}?user=user-{user}&email=user-{user}@{email}")).send().await;
        clock.sleep_until(clock.now().plus(Span(6))).await;
    }
}

async fn visit(
    State(shop): State<Arc<Shop>>,
    Path(service): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> StatusCode {
    let Some(index) = SERVICES.iter().position(|known| *known == service) else { return StatusCode::NOT_FOUND };
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let (user, email) = (text("user"), text("email"));
    let on = shop.evaluator.is_on(&service, user, email);
    let mut counts = shop.counts.lock().unwrap_or_else(PoisonError::into_inner);
    if on && service == "wish-list" {
        let now = shop.clock.now();
        counts.wish_list_used.get_or_insert(now);
    }
    let all: f64 = counts.by_arm.iter().filter(|((of, _), _)| *of == index).map(|(_, arm)| arm.recent()).sum();
    let arm = counts.by_arm.entry((index, on)).or_default();
    let share = if all > 0.0 { arm.recent() / all } else { 0.0 };
    let overloaded = on && service == "search-rank" && share > SEARCH_CAPACITY;
    let number = arm.requests;
    // every third request to the overloaded index fails, and all of them are slow
    let failed = (overloaded && number % 3 == 0) || number % 400 == 399;
    let seconds = if overloaded { 0.7 } else { 0.02 + (number % 7) as f64 * 0.01 };
    arm.count(failed, seconds);
    for arm in counts.by_arm.values_mut() {
        arm.forget();
    }
    if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

async fn metrics(State(shop): State<Arc<Shop>>, Path(service): Path<String>) -> Result<String, StatusCode> {
    let Some(index) = SERVICES.iter().position(|known| *known == service) else { return Err(StatusCode::NOT_FOUND) };
    let counts = shop.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let broken = counts.wish_list_used.is_some_and(|used| shop.clock.now() >= used.plus(WISH_LIST_BREAKS_AFTER));
    if service == "wish-list" && broken {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut page = String::from("# TYPE http_request_duration_seconds histogram\n");
    for on in [true, false] {
        let none = Arm::default();
        let arm = counts.by_arm.get(&(index, on)).unwrap_or(&none);
        let labels = format!("flag=\"{service}\",variant=\"{}\"", if on { "on" } else { "off" });
        for (bound, count) in BOUNDS.iter().zip(arm.buckets) {
            let _ = writeln!(page, "http_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let (all, seconds) = (arm.requests, arm.seconds);
        let _ = writeln!(page, "http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {all}");
        let _ = writeln!(page, "http_request_duration_seconds_sum{{{labels}}} {seconds}");
        for (code, count) in [("200", arm.requests - arm.failed), ("500", arm.failed)] {
            let _ = writeln!(page, "http_request_duration_seconds_count{{{labels},code=\"{code}\"}} {count}");
        }
    }
    Ok(page)
}

impl Arm {
    fn count(&mut self, failed: bool, seconds: f64) {
        self.requests += 1;
        self.failed += u64::from(failed);
        self.seconds += seconds;
        self.load += 1.0;
        for (bound, bucket) in BOUNDS.iter().zip(&mut self.buckets) {
            *bucket += u64::from(seconds <= *bound);
        }
    }

    /// The load of the last moments.
    fn recent(&self) -> f64 {
        self.load
    }

    fn forget(&mut self) {
        self.load *= 0.999;
    }
}
