//! A gate before each step of one who works: they say that they are there, and wait to be let on, or die.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The side of the one who works.
#[derive(Clone)]
pub(crate) struct Gate(Option<Arc<Side>>);

struct Side {
    there: UnboundedSender<()>,
    go: Mutex<UnboundedReceiver<()>>,
}

/// The side of the one who lets them on; without it they do not go on any more.
pub(crate) struct Keeper {
    pub(crate) there: UnboundedReceiver<()>,
    go: UnboundedSender<()>,
}

impl Gate {
    /// One that lets everybody on.
    pub(crate) fn open() -> Gate {
        Gate(None)
    }

    /// One with a keeper.
    pub(crate) fn kept() -> (Gate, Keeper) {
        let ((there, arrives), (go, goes)) = (unbounded_channel(), unbounded_channel());
        (Gate(Some(Arc::new(Side { there, go: Mutex::new(goes) }))), Keeper { there: arrives, go })
    }

    /// Waits to be let on; `false` where nobody will.
    pub(crate) async fn pass(&self) -> bool {
        let Some(side) = &self.0 else { return true };
        let _ = side.there.send(());
        side.go.lock().await.recv().await.is_some()
    }

    /// As [`Gate::pass`], in a thread that may wait.
    pub(crate) fn pass_blocking(&self) -> bool {
        let Some(side) = &self.0 else { return true };
        let _ = side.there.send(());
        side.go.blocking_lock().blocking_recv().is_some()
    }
}

impl Keeper {
    /// Lets them on, once.
    pub(crate) fn let_on(&self) {
        let _ = self.go.send(());
    }
}
