//! Being told to end: Ctrl-C, what init systems and `timeout` send, and a terminal that goes away.

use tokio::signal::unix::{SignalKind, signal};

/// How the process was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// By Ctrl-C.
    Interrupt,
    /// By an init system.
    Terminate,
    /// By a terminal that went away.
    HangUp,
}

impl Told {
    /// As people call the signal.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Told::Interrupt => "SIGINT",
            Told::Terminate => "SIGTERM",
            Told::HangUp => "SIGHUP",
        }
    }
}

/// Returns when the process is told to end.
pub(crate) async fn told_to_end() {
    told().await;
}

/// Returns when the process is told to end, and how.
pub(crate) async fn told() -> Told {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Told::Interrupt,
        () = told_by(SignalKind::terminate()) => Told::Terminate,
        () = told_by(SignalKind::hangup()) => Told::HangUp,
    }
}

async fn told_by(kind: SignalKind) {
    match signal(kind) {
        Ok(mut told) => _ = told.recv().await,
        // it cannot be listened for: then the process ends the hard way, which is safe too
        Err(_) => std::future::pending().await,
    }
}
