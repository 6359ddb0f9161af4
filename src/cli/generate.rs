//! `generate`: the files that are made from the command definitions. Hidden; the tests check that they are current.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::completions::script;
use super::exit::{Exit, Failure};
use crate::spec::schema;
use crate::view::schemas;

/// Write man pages, completion scripts and JSON Schemas
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Where `man/`, `completions/` and `schemas/` go
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
    let (man, completions, published) = (dir.join("man"), dir.join("completions"), dir.join("schemas"));
    for folder in [&man, &completions, &published] {
        fs::create_dir_all(folder)?;
    }
    clap_mangen::generate_to(Cli::command(), &man)?;
    for (shell, name) in [(Shell::Bash, "flagstaff.bash"), (Shell::Zsh, "_flagstaff"), (Shell::Fish, "flagstaff.fish")]
    {
        fs::write(completions.join(name), script(shell))?;
    }
    // written by hand; it goes with the others
    let documents = ("documents", schema::documents());
    for (name, schema) in schemas::all().into_iter().chain([documents]) {
        fs::write(published.join(format!("{name}.v1.json")), format!("{schema:#}\n"))?;
    }
    Ok(())
}
