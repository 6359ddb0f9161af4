//! Secrets: where they come from, and that they are never shown.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::env;

/// A command may take so long to say a secret.
const COMMAND_WITHIN: Duration = Duration::from_secs(5);
/// Longer than this is no token.
const BYTES_AT_MOST: usize = 64 * 1024;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for a header and for nothing else.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where a secret comes from. Shown without a command's arguments: there may be one among them.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An environment variable, by name.
    Env(String),
    /// A file.
    File(PathBuf),
    /// What a command says on its standard output: the program and its arguments, no shell. It runs in a folder.
    Command(Vec<String>, PathBuf),
}

impl Credential {
    /// Fetches a token.
    ///
    /// # Errors
    /// Why it cannot be had, for people. Names the place, never any content: what a command says may be half a secret.
    pub async fn fetch(&self) -> Result<Secret, String> {
        let text = self.told().await?;
        let text = text.trim();
        if text.is_empty() || text.len() > BYTES_AT_MOST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{self} holds no token: one line of visible ASCII is expected"));
        }
        Ok(Secret::new(text))
    }

    /// Fetches a password or whatever else stands on one line: blanks and letters of everybody count.
    ///
    /// # Errors
    /// As [`Credential::fetch`].
    pub async fn fetch_line(&self) -> Result<Secret, String> {
        let text = self.told().await?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() || text.len() > BYTES_AT_MOST || text.chars().any(char::is_control) {
            return Err(format!("{self} holds no secret: one line is expected"));
        }
        Ok(Secret::new(text))
    }

    async fn told(&self) -> Result<String, String> {
        match self {
            Credential::Env(name) => env::get(name).ok_or_else(|| format!("the variable {name} is not set")),
            Credential::File(path) => {
                let file = path.clone();
                // a pipe may keep its reader waiting
                let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file));
                let read = tokio::time::timeout(COMMAND_WITHIN, read).await;
                let read = read.map_err(|_| format!("{} says nothing", path.display()))?;
                let read = read.map_err(|_| format!("cannot read {}", path.display()))?;
                read.map_err(|error| format!("cannot read {}: {}", path.display(), error.kind()))
            }
            Credential::Command(words, folder) => said(words, folder).await,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Env(name) => write!(f, "the variable {name}"),
            Credential::File(path) => write!(f, "{}", path.display()),
            Credential::Command(words, _) => {
                write!(f, "the command `{}`", words.first().map(String::as_str).unwrap_or_default())
            }
        }
    }
}

async fn said(words: &[String], folder: &PathBuf) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else { return Err("the command is empty".to_owned()) };
    let started = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // what it complains about may hold what it was to say
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let child = started.map_err(|error| format!("the command `{program}` does not start: {}", error.kind()))?;
    match tokio::time::timeout(COMMAND_WITHIN, child.wait_with_output()).await {
        Err(_) => Err(format!("the command `{program}` says nothing within {} s", COMMAND_WITHIN.as_secs())),
        Ok(Err(error)) => Err(format!("the command `{program}` cannot be heard: {}", error.kind())),
        Ok(Ok(output)) if !output.status.success() => Err(format!("the command `{program}` failed: {}", output.status)),
        Ok(Ok(output)) => String::from_utf8(output.stdout).map_err(|_| format!("the command `{program}` says no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str) -> Credential {
        Credential::Command(["sh", "-c", script].map(str::to_owned).to_vec(), std::env::temp_dir())
    }

    #[tokio::test]
    async fn a_secret_comes_from_a_file_or_a_command_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), " canary\n").unwrap();
        for credential in [Credential::File(folder.path().join("token")), command("echo canary")] {
            let secret = credential.fetch().await.unwrap();
            assert_eq!(secret.text(), "canary");
            assert!(!format!("{secret:?} {credential:?} {credential}").contains("canary"));
            assert_eq!(format!("{secret:?}"), "(secret)");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("two"), "canary\nlines").unwrap();
        for (credential, named) in [
            (Credential::Env("FLAGSTAFF_NO_SUCH_VARIABLE".to_owned()), "FLAGSTAFF_NO_SUCH_VARIABLE"),
            (Credential::File(folder.path().join("none")), "none"),
            (Credential::File(folder.path().join("two")), "one line"),
            (command("echo canary; exit 3"), "exit status: 3"),
            (command("echo canary >&2"), "`sh` holds no token"),
            (Credential::Command(vec!["./no-such-program".to_owned()], folder.path().to_owned()), "does not start"),
        ] {
            let why = credential.fetch().await.unwrap_err();
            assert!(why.contains(named) && !why.contains("canary"), "{why}");
        }
    }
}
