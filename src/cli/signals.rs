//! Being told to end: Ctrl-C, what init systems and `timeout` send, and a terminal that goes away.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is told to end.
pub(crate) async fn told_to_end() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = told_by(SignalKind::terminate()) => {}
        () = told_by(SignalKind::hangup()) => {}
    }
}

async fn told_by(kind: SignalKind) {
    match signal(kind) {
        Ok(mut told) => _ = told.recv().await,
        // it cannot be listened for: then the process ends the hard way, which is safe too
        Err(_) => std::future::pending().await,
    }
}
