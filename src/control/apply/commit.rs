//! The Git commit that documents come from, and whether it is older than another.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::engine::Timestamp;

/// Git answers about a commit at once, or something is wrong with the disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its id, in hexadecimal.
    pub id: String,
    /// When it was committed.
    pub at: Timestamp,
    /// Whether tracked files beside it were changed.
    pub dirty: bool,
}

/// The commit of the work tree that holds a directory; `None` where there is none, or no Git.
pub async fn commit_of(dir: &Path) -> Option<Commit> {
    let (_, shown) = git(dir, &["log", "-1", "--format=%H %ct"]).await.filter(|(code, _)| *code == 0)?;
    let (id, at) = shown.trim().split_once(' ')?;
    let (dirty, _) = git(dir, &["diff-index", "--quiet", "HEAD", "--", "."]).await?;
    Some(Commit { id: id.to_owned(), at: Timestamp(at.parse::<i64>().ok()?.saturating_mul(1000)), dirty: dirty != 0 })
}

/// Whether a commit is older than another one. Where history is not there to tell (a shallow clone), or parted, the
/// time of the commits does.
pub(super) async fn is_older(dir: &Path, commit: &Commit, than: &Commit) -> bool {
    if commit.id == than.id {
        return false;
    }
    let ancestry = |of: &str, to: &str| ["merge-base", "--is-ancestor", of, to].map(str::to_owned);
    let asked = [ancestry(&commit.id, &than.id), ancestry(&than.id, &commit.id)];
    let mut codes = [None, None];
    for (words, code) in asked.iter().zip(&mut codes) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        *code = git(dir, &words).await.map(|(code, _)| code);
    }
    match codes.into() {
        (Some(0), _) => true,
        (_, Some(0)) => false,
        _ => commit.at < than.at,
    }
}

async fn git(dir: &Path, words: &[&str]) -> Option<(i32, String)> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(words).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER_WITHIN, command.output()).await.ok()?.ok()?;
    Some((output.status.code()?, String::from_utf8_lossy(&output.stdout).into_owned()))
}
