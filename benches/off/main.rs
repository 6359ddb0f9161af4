//! From *stop* to *off at a real Unleash*, against the bare call that does it, side by side in one run.
//!
//! `cargo bench --bench off [ROUNDS]`; needs what the tests against a real Unleash need, and curl. The bounds of the design:
//! `abort` as a whole process takes at most 3 times a bare `curl` of the same call; inside a process that drives, a rule's
//! stop is at most 10 ms behind the bare call at p99 (of 200 rounds or more), and so is a signal to `serve`, which is 20 times
//! faster than an alert rule, Alertmanager, a webhook and curl.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::unwrap_used, reason = "server and page are the tests' own, and may")]

mod inside;
mod process;
mod project;
mod signal;
mod watched;

// the tests do more with them
#[allow(dead_code)]
#[path = "../../tests/it/support/page.rs"]
mod page;
#[allow(dead_code)]
#[path = "../../tests/it/unleash/server.rs"]
mod server;

/// Rounds inside a process, and of signals; whole processes are measured in a quarter of them.
const ROUNDS: usize = 240;

/// Rounds of a rule, Alertmanager, a webhook and curl: some 15 seconds each.
const CHAINS: usize = 5;

/// Times of one side, in milliseconds, ascending.
struct Times(Vec<f64>);

impl Times {
    fn of(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        Times(times)
    }

    /// The smallest time that so many hundredths of all are within.
    fn percentile(&self, hundredths: usize) -> f64 {
        self.0[(self.0.len() * hundredths).div_ceil(100).max(1) - 1]
    }

    fn print(&self, name: &str) {
        let [median, p90, p99] = [50, 90, 99].map(|hundredths| self.percentile(hundredths));
        let (slowest, n) = (self.0[self.0.len() - 1], self.0.len());
        println!("  {name}: median {median:.1} ms, p90 {p90:.1}, p99 {p99:.1}, slowest {slowest:.1} (n = {n})");
    }
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn main() {
    let rounds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    let server = server::server();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("load at the beginning: {} on {cores} cores", load());

    let (ours, bare) = process::measure(server, (rounds / 4).max(1));
    println!("the whole process, from its start to its end:");
    ours.print("flagstaff abort RELEASE -e ENV");
    bare.print("curl -X POST .../off");
    println!("  ratio of the medians {:.2}, at most 3", ours.percentile(50) / bare.percentile(50));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let inside::Measured { decided, recorded, call, bare } = runtime.block_on(inside::measure(server, rounds));
    println!("inside a process that drives, from the last reading of the breach:");
    recorded.print("until it is decided, recorded and sent");
    call.print("the call");
    decided.print("both: until off is answered");
    bare.print("the bare call");
    let behind = |hundredths| decided.percentile(hundredths) - bare.percentile(hundredths);
    println!("  behind the bare call: {:.1} ms at the median, {:.1} ms at p99, at most 10", behind(50), behind(99));
    let signal::Measured { signal, bare, chain } = signal::measure(server, rounds, CHAINS);
    println!("from sending a signal to `serve` until the server has recorded the off:");
    signal.print("POST /signals/NAME");
    bare.print("the bare call");
    let behind = |hundredths| signal.percentile(hundredths) - bare.percentile(hundredths);
    println!("  behind the bare call: {:.1} ms at the median, {:.1} ms at p99, at most 10", behind(50), behind(99));
    chain.print("rule, Alertmanager, webhook, curl");
    println!("  ratio of the medians {:.0}, at least 20", chain.percentile(50) / signal.percentile(50));
    println!("load at the end: {}", load());
}
