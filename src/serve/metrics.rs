//! The page that Prometheus reads, in its text format 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, names after <https://prometheus.io/docs/practices/naming/>

use std::fmt::{Display, Write as _};

use super::vitals::{Counts, Vitals};
use crate::engine::Timestamp;

/// The page as it is now.
pub fn page(vitals: &Vitals, now: Timestamp) -> String {
    let overdue = vitals.overdue(now);
    let counts = vitals.counts().clone();
    let mut page = Page(String::new());
    page.head("flagstaff_build_info", "gauge", "The version that runs; always 1.");
    page.sample("flagstaff_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Some(began) = counts.began {
        page.head("flagstaff_start_timestamp_seconds", "gauge", "When the process began.");
        page.sample("flagstaff_start_timestamp_seconds", &[], seconds(began.0));
    }
    if let Some(last) = counts.last_pass {
        page.head("flagstaff_last_pass_timestamp_seconds", "gauge", "When a pass was finished and recorded last.");
        page.sample("flagstaff_last_pass_timestamp_seconds", &[], seconds(last.0));
    }
    page.head("flagstaff_ready", "gauge", "Whether /readyz says so.");
    page.sample("flagstaff_ready", &[], u8::from(vitals.faults(now).is_empty()));
    page.head("flagstaff_rollouts", "gauge", "Rollouts by state; of each release and environment the newest.");
    for (state, count) in &counts.states {
        page.sample("flagstaff_rollouts", &[("state", state)], count);
    }
    page.head("flagstaff_rollouts_overdue", "gauge", "Rollouts whose next tick should have been judged; 20 at most.");
    page.sample("flagstaff_rollouts_overdue", &[], overdue.len());
    let most = overdue.first().map_or(0, |due| now.since(due.at).0);
    page.head("flagstaff_overdue_seconds", "gauge", "For how long the one that waits longest has been overdue.");
    page.sample("flagstaff_overdue_seconds", &[], seconds(i64::try_from(most).unwrap_or(i64::MAX)));
    page.counters(&counts);
    page.0
}

struct Page(String);

impl Page {
    fn counters(&mut self, counts: &Counts) {
        self.head("flagstaff_passes_total", "counter", "Passes over all rollouts, by whether they could be recorded.");
        self.sample("flagstaff_passes_total", &[("result", "recorded")], counts.passes);
        self.sample("flagstaff_passes_total", &[("result", "failed")], counts.passes_failed);
        self.head("flagstaff_ticks_total", "counter", "Ticks judged, by this process or another one of the journal.");
        self.sample("flagstaff_ticks_total", &[], counts.ticks);
        self.head("flagstaff_tick_delay_seconds", "summary", "How much after it fell due a present tick was judged.");
        let delay = i64::try_from(counts.delay).unwrap_or(i64::MAX);
        self.sample("flagstaff_tick_delay_seconds_sum", &[], seconds(delay));
        self.sample("flagstaff_tick_delay_seconds_count", &[], counts.present);
        self.head("flagstaff_decisions_total", "counter", "What was decided, and by what.");
        for ((what, by), count) in &counts.decisions {
            self.sample("flagstaff_decisions_total", &[("decision", what), ("by", by)], count);
        }
        self.head("flagstaff_backend_errors_total", "counter", "Reads and writes of flags that failed.");
        for (environment, count) in &counts.backend_errors {
            self.sample("flagstaff_backend_errors_total", &[("environment", environment)], count);
        }
        self.head("flagstaff_telemetry_errors_total", "counter", "Queries that a source did not answer.");
        for (source, count) in &counts.telemetry_errors {
            self.sample("flagstaff_telemetry_errors_total", &[("source", source)], count);
        }
        self.head("flagstaff_applies_total", "counter", "Changes of documents that were applied.");
        for (result, count) in &counts.applied {
            self.sample("flagstaff_applies_total", &[("result", result)], count);
        }
        self.head("flagstaff_signals_total", "counter", "Signals that came, and what came of them.");
        for ((name, result), count) in &counts.signals {
            self.sample("flagstaff_signals_total", &[("signal", name), ("result", result)], count);
        }
        self.head("flagstaff_notifications_total", "counter", "Messages to others, and what came of them.");
        for ((name, result), count) in &counts.notifications {
            self.sample("flagstaff_notifications_total", &[("notification", name), ("result", result)], count);
        }
        self.head("flagstaff_notifications_waiting", "gauge", "Messages that have not been delivered yet.");
        for (name, count) in &counts.waiting {
            self.sample("flagstaff_notifications_waiting", &[("notification", name)], count);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{}}} {value}", labels.join(",")),
        };
    }
}

/// A label's value: names of environments and sources are anybody's.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Milliseconds as seconds.
fn seconds(milliseconds: i64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        let vitals = Vitals::since(Timestamp(1_500));
        vitals.signal("a\"} 1\nflagstaff_ready 1\\", "done");
        let page = page(&vitals, Timestamp(2_000));
        assert!(page.contains("{signal=\"a\\\"} 1\\nflagstaff_ready 1\\\\\",result=\"done\"} 1\n"), "{page}");
        assert!(page.contains("flagstaff_start_timestamp_seconds 1.500\n"), "{page}");
        assert!(page.contains("flagstaff_ready 0\n"), "no pass has been finished: {page}");
    }
}
