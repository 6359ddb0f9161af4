//! `completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::context::Context;
use super::exit::{Exit, Failure};

/// Print the completion script of a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.text_only("completions")?;
        context.printer.data(script(self.shell).trim_end());
        Ok(Exit::Done)
    }
}

/// A shell's script.
pub(crate) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flagstaff", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
