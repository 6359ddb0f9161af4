//! Every environment variable that flagstaff knows, by name, and the only place that reads them.

/// The project's directory, as `-C`.
pub const FLAGSTAFF_DIR: &str = "FLAGSTAFF_DIR";
/// Who acts, as `--as`.
pub const FLAGSTAFF_ACTOR: &str = "FLAGSTAFF_ACTOR";
/// The token of an Unleash where no document says where one comes from: for a stop while the Project document is broken.
pub const FLAGSTAFF_UNLEASH_TOKEN: &str = "FLAGSTAFF_UNLEASH_TOKEN";
/// Set to anything but the empty text: no colour. <https://no-color.org>
pub const NO_COLOR: &str = "NO_COLOR";
/// Set by CI systems.
pub const CI: &str = "CI";
/// The user who started a GitHub workflow.
pub const GITHUB_ACTOR: &str = "GITHUB_ACTOR";
/// Set to `true` in a GitHub workflow: findings become annotations.
pub const GITHUB_ACTIONS: &str = "GITHUB_ACTIONS";
/// The user who started a GitLab pipeline.
pub const GITLAB_USER_LOGIN: &str = "GITLAB_USER_LOGIN";
/// The OS user.
pub const USER: &str = "USER";
/// The OS user, elsewhere.
pub const LOGNAME: &str = "LOGNAME";
/// Locale: decides between Unicode and ASCII drawing.
pub const LC_ALL: &str = "LC_ALL";
/// Locale.
pub const LC_CTYPE: &str = "LC_CTYPE";
/// Locale.
pub const LANG: &str = "LANG";
/// The terminal's kind; `dumb` gets no redrawing.
pub const TERM: &str = "TERM";
/// Width of the output where no terminal tells.
pub const COLUMNS: &str = "COLUMNS";

/// The value of a variable; `None` if unset, empty or not Unicode.
#[expect(clippy::disallowed_methods, reason = "this is the one reader")]
pub fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
