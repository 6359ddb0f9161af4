//! `help`.

use clap::{Args, CommandFactory};

use super::Cli;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec::codes;
use crate::view::safe::safe;

/// Explain a command, a topic or a finding's code
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command, a code, or one of: exit-codes, conditions, durations, output, environment
    #[arg(value_name = "TOPIC|CODE")]
    pub(crate) topic: Vec<String>,
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
         In `healthy` a line may be proven: error_rate < 1% at 95% confidence.\nA safeguard may promise how often it is wrong, and then counts: false_alarms: { max: 5%, per: 24h }, catches: 5%.\n\
         It may be on a burn rate over two windows: burn_rate(error_rate, 99.9%) > 14.4 with over: [1h, 5m].\n\
         An unknown reading makes a condition unknown unless the rest settles it; `missing(x)` is\nunknown only where nobody looked.",
    ),
    ("durations", "90s, 2m, 1h30m, 24h, 7d, 250ms; units ms s m h d w, larger ones first, each once."),
    (
        "output",
        "-o human   text for people\n-o json    exactly one JSON document\n-o jsonl   one JSON document a line; run, watch, wait, demo and audit log stream\n\
         -o yaml    the document of json as YAML\n\nEvery document names its schema in `schema`; `flagstaff schema NAME` prints it. A failure is a document too:\n\
         flagstaff/error/v1. Data is on stdout, everything else on stderr; -v tells there what is read, asked and written.",
    ),
    (
        "environment",
        "FLAGSTAFF_DIR      the project's directory, as -C\nFLAGSTAFF_ACTOR    who acts, as --as\n\
         GITHUB_ACTOR, GITLAB_USER_LOGIN, USER, LOGNAME   who acts, in this order\nNO_COLOR           no colour\n\
         COLUMNS            the width of the output",
    ),
];

impl Help {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.text_only("help")?;
        let mut command = Cli::command();
        if self.topic.is_empty() {
            context.printer.data(command.render_long_help().to_string().trim_end());
            context
                .printer
                .out("\nTopics: exit-codes, conditions, durations, output, environment, and every finding's code.");
            return Ok(Exit::Done);
        }
        command.build();
        let mut found = Some(&mut command);
        for word in &self.topic {
            found = found.and_then(|command| command.find_subcommand_mut(word));
        }
        if let Some(found) = found {
            context.printer.data(found.render_long_help().to_string().trim_end());
            return Ok(Exit::Done);
        }
        let topic = self.topic.join(" ");
        let page = TOPICS.iter().find(|(name, _)| *name == topic).map(|(_, page)| *page);
        match page.or_else(|| codes::page(&topic)) {
            Some(page) => {
                context.printer.out(page);
                Ok(Exit::Done)
            }
            None => Err(Failure::new(Exit::Usage, format!("there is no command, topic or code `{}`", safe(&topic)))
                .help("flagstaff help")),
        }
    }
}
