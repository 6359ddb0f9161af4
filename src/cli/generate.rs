//! `generate`: the files that are made from the command definitions. Hidden; the tests check that they are current.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::completions::script;
use super::exit::{Exit, Failure};

/// Write man pages and completion scripts
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Where `man/` and `completions/` go
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

impl Generate {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        write(&self.dir).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Exit::Done)
    }
}

fn write(dir: &Path) -> std::io::Result<()> {
    let (man, completions) = (dir.join("man"), dir.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), &man)?;
    for (shell, name) in [(Shell::Bash, "flagstaff.bash"), (Shell::Zsh, "_flagstaff"), (Shell::Fish, "flagstaff.fish")]
    {
        fs::write(completions.join(name), script(shell))?;
    }
    Ok(())
}
