//! `help`.

use clap::{Args, CommandFactory};

use super::Cli;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec::codes;

/// Explain a command, a topic or a finding's code
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command, a code, or one of: exit-codes, conditions, durations, environment
    #[arg(value_name = "TOPIC|CODE")]
    pub(crate) topic: Option<String>,
}

const TOPICS: &[(&str, &str)] = &[
    (
        "exit-codes",
        "0    done, or the awaited state is reached\n1    failed\n2    differences found (--detailed-exitcode only)\n\
         3    invalid documents\n4    not authorised\n5    backend, telemetry or journal unreachable\n\
         6    shut down or aborted\n7    paused or waiting for approval: a person is needed\n8    timed out\n\
         9    audit verification failed\n64   wrong usage\n130  interrupted\n\n\
         6 and 7 only for releases named on the command line; over several the most serious wins: 9, 5, 6, 7, 8, 1, 0.",
    ),
    (
        "conditions",
        "Comparisons of metrics with numbers carrying units, joined by `and`, `or`, `not` and parentheses:\n\n  \
         error_rate > 2%\n  p99 > 1500ms and requests > 100\n  error_rate > 1.5 * baseline(error_rate)\n  \
         slow(500ms) < 1%\n  missing(requests)\n  exposure >= 50% and error_rate > 1%\n\n\
         Shares are compared with percentages, times with times, counts with bare numbers. There is no equality.\n\
         An unknown reading makes a condition unknown unless the rest settles it; `missing(x)` is\nunknown only where nobody looked.",
    ),
    ("durations", "90s, 2m, 1h30m, 24h, 7d, 250ms; units ms s m h d w, larger ones first, each once."),
    (
        "environment",
        "FLAGSTAFF_DIR      the project's directory, as -C\nFLAGSTAFF_ACTOR    who acts, as --as\n\
         GITHUB_ACTOR, GITLAB_USER_LOGIN, USER, LOGNAME   who acts, in this order\nNO_COLOR           no colour\n\
         COLUMNS            the width of the output",
    ),
];

impl Help {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut command = Cli::command();
        let Some(topic) = self.topic else {
            context.printer.data(command.render_long_help().to_string().trim_end());
            context.printer.out("\nTopics: exit-codes, conditions, durations, environment, and every finding's code.");
            return Ok(Exit::Done);
        };
        let page = TOPICS.iter().find(|(name, _)| *name == topic).map(|(_, page)| *page);
        if let Some(page) = page.or_else(|| codes::page(&topic)) {
            context.printer.out(page);
            return Ok(Exit::Done);
        }
        command.build();
        match command.find_subcommand_mut(&topic) {
            Some(found) => {
                context.printer.data(found.render_long_help().to_string().trim_end());
                Ok(Exit::Done)
            }
            None => Err(Failure::new(Exit::Usage, format!("there is no command, topic or code `{topic}`"))
                .help("flagstaff help")),
        }
    }
}
