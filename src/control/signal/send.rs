//! A signal from a command: the same way as one from outside, without a server between.

use tokio::sync::{mpsc, oneshot, watch};

use super::{Delivery, Desk, SignalRow, Waiting};
use crate::control::site::Site;

impl Site {
    /// Records a signal and carries out what it decides. What is not read back in time is still being carried out.
    pub async fn send_signal(self, delivery: Delivery) -> Vec<SignalRow> {
        let (desk, _declared) = Desk::new(self);
        let (send, incoming) = mpsc::channel(1);
        let (answer, answered) = oneshot::channel();
        // the channel has room for one
        let _ = send.try_send(Waiting { delivery, answer });
        let (_end, ended) = watch::channel(false);
        let take_in = desk.take_in(incoming, ended);
        tokio::pin!(take_in);
        tokio::select! {
            rows = answered => rows.unwrap_or_default(),
            () = &mut take_in => Vec::new(),
        }
    }
}
