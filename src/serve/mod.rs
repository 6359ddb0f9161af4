//! The controller as one process, seen from outside: its listener, how it is doing, and what it tells.
//!
//! Nothing here touches a rollout: driving goes on whatever is asked here, and however often.

pub mod applying;
pub mod intake;
pub mod line;
mod listener;
pub mod metrics;
pub mod vitals;
pub mod watchdog;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use self::intake::Intake;
use self::vitals::Vitals;
use crate::clock::Clock;

/// What is asked about, and by which clock.
#[derive(Clone)]
struct Seen {
    vitals: Arc<Vitals>,
    clock: Arc<dyn Clock>,
}

/// Answers on a listener until it is dropped; takes in signals where there is an intake.
pub async fn answer(listener: TcpListener, vitals: Arc<Vitals>, clock: Arc<dyn Clock>, intake: Option<Arc<Intake>>) {
    let router = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured))
        .with_state(Seen { vitals, clock });
    let router = match intake {
        None => router,
        Some(intake) => router.merge(
            Router::new()
                .route("/signals/{name}", post(intake::receive))
                .route("/api/signal-endpoint/{name}", post(intake::receive))
                .with_state(intake),
        ),
    };
    let _ = axum::serve(listener::Bounded::new(listener), router).await;
}

async fn ready(State(seen): State<Seen>) -> Response {
    let faults = seen.vitals.faults(seen.clock.now());
    match faults.is_empty() {
        true => (StatusCode::OK, "ready\n").into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, faults.join("\n") + "\n").into_response(),
    }
}

async fn measured(State(seen): State<Seen>) -> Response {
    let page = metrics::page(&seen.vitals, seen.clock.now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}
