//! `signal`.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::Site;
use crate::control::signal::{Delivery, Item, RecordedWord, SignalRow, SignalWord, key};
use crate::view::signal::{self, SignalAnswer};
use crate::view::verbose;

/// Send a signal of the project's from a script: it acts as if an alert had come
///
/// Needs no server. What the signal asks for stands in the Project document, below `signals`; it can only pause, roll back or
/// shut down. Without -e it acts in all environments that the signal may act in.
#[derive(Debug, Args)]
pub(crate) struct Signal {
    /// The signal, as the Project document names it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A release, or a flag's key
    #[arg(long, value_name = "RELEASE")]
    pub(crate) release: String,
    /// Record this with it
    #[arg(long, value_name = "TEXT")]
    pub(crate) detail: Option<String>,
}

impl Signal {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (observer, clock) = (verbose::observer(&context.printer), Arc::clone(&context.clock));
        let site = Site::open_to_stop(&context.dir, context.actor(), clock, observer).map_err(|error| {
            Failure::from(error).help(format!("flagstaff abort {} works without the journal", self.release))
        })?;
        let signals = site.loaded.project().map(|project| project.signals.as_slice()).unwrap_or_default();
        let Some(doc) = signals.iter().find(|doc| doc.name.value == self.name) else {
            let known: Vec<&str> = signals.iter().map(|doc| doc.name.value.as_str()).collect();
            return Err(Failure::new(Exit::Usage, format!("there is no signal `{}`", self.name)).help(
                match known.is_empty() {
                    true => "the Project document declares none; `signals:` does".to_owned(),
                    false => format!("signals: {}", known.join(", ")),
                },
            ));
        };
        let allowed: Vec<String> = doc.environments.iter().map(|text| text.value.clone()).collect();
        if let Some(named) =
            context.environment.as_ref().filter(|named| !allowed.is_empty() && !allowed.contains(named))
        {
            return Err(Failure::new(Exit::Usage, format!("signal `{}` may not act in `{named}`", self.name))
                .help(format!("it may in: {}", allowed.join(", "))));
        }
        // typed twice it is meant twice
        let unique = [&context.clock.now().0.to_string(), &std::process::id().to_string()];
        let item = Item {
            key: key(&["command", unique[0], unique[1]]),
            names: vec![self.release.clone()],
            environment: context.environment.clone(),
            labels: BTreeMap::new(),
            detail: self.detail.clone().unwrap_or_default(),
        };
        let delivery = Delivery {
            name: self.name.clone(),
            source: "flagstaff signal".to_owned(),
            then: doc.then.clone(),
            digest: String::new(),
            by: Some(context.actor()),
            allowed,
            items: vec![item],
        };
        let items = site.send_signal(delivery).await;
        if !context.printer.machine() {
            items.iter().for_each(|row| signal::print(&context.printer, row));
        }
        let exit = items.iter().map(exit).fold(Exit::Done, Exit::worst);
        context.printer.answer(&SignalAnswer { signal: self.name, items, truncated: None });
        Ok(exit)
    }
}

fn exit(row: &SignalRow) -> Exit {
    match row.result {
        SignalWord::CarryingOut => Exit::Unreachable,
        SignalWord::Unknown => Exit::Failed,
        _ if row.recorded == Some(RecordedWord::Nowhere) => Exit::Unreachable,
        _ => Exit::Done,
    }
}
