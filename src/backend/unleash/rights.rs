//! Whether we may do what will be needed, as the server judges it.

use serde_json::Value;

use super::Unleash;
use crate::checkup::{Check, Fault};

/// What will be needed, in the server's word and in ours.
const NEEDED: [(&str, &str); 6] = [
    (MAKES_FLAGS, "make flags"),
    (DESCRIBES_FLAGS, "describe flags"),
    ("CREATE_FEATURE_STRATEGY", "add strategies"),
    ("UPDATE_FEATURE_STRATEGY", "change strategies"),
    ("DELETE_FEATURE_STRATEGY", "remove strategies"),
    ("UPDATE_FEATURE_ENVIRONMENT", "switch on and off"),
];
/// All of them.
const ALL: &str = "make and describe flags, add, change and remove strategies, and switch on and off";
/// What can be done without: flags may be there already, and described.
const MAKES_FLAGS: &str = "CREATE_FEATURE";
const DESCRIBES_FLAGS: &str = "UPDATE_FEATURE";

const ROLE: &str = "give the token's user the root role Editor, or a project role with what is missing";

impl Unleash {
    /// What the server says about who we are, held against what will be needed.
    pub(super) fn permissions(&self, user: &Value) -> Check {
        let place = format!("in project {}, environment {}", self.project, self.environment);
        let Some(granted) = user.get("permissions").and_then(Value::as_array) else {
            return Check::fine("permissions", "not said");
        };
        let missing: Vec<_> = NEEDED.iter().filter(|(name, _)| !self.grants(granted, name)).collect();
        let named: Vec<String> = missing.iter().map(|(name, words)| format!("{words} ({name})")).collect();
        let seen = format!("it may not {} {place}", named.join(", "));
        match missing.as_slice() {
            [] => Check::fine("permissions", format!("it may {ALL} {place}")),
            few if few.iter().all(|(name, _)| [MAKES_FLAGS, DESCRIBES_FLAGS].contains(name)) => {
                let advice = format!("make and describe each flag before its release starts, or {ROLE}");
                Check::warning("permissions", seen, advice)
            }
            _ => Check::failed("permissions", Fault::NotAuthorised, seen, ROLE),
        }
    }

    /// Whether a list of permissions has one, or all, for this project and environment, as the server judges it.
    fn grants(&self, granted: &[Value], wanted: &str) -> bool {
        granted.iter().any(|granted| {
            let within = |key: &str, ours: &str| {
                granted.get(key).and_then(Value::as_str).is_none_or(|theirs| theirs == ours || theirs == "*")
            };
            let name = granted.get("permission").and_then(Value::as_str).unwrap_or_default();
            (name == wanted || name == "ADMIN")
                && within("project", &self.project)
                && within("environment", &self.environment)
        })
    }
}
