//! Being told to end: Ctrl-C, and what init systems and `timeout` send.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is told to end.
pub(crate) async fn told_to_end() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => _ = terminate.recv().await,
            // it cannot be listened for: then the process ends the hard way, which is safe too
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
