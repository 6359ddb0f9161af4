//! The shop's flags: evaluated from the flag file, as any flagd consumer does.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use flagd_evaluation_engine::{FeatureFlag, FlagParser, Operator};
use open_feature::EvaluationContext;
use std::collections::HashMap;

/// Evaluates flags of a file, read again when it changes.
pub(super) struct Evaluator {
    path: PathBuf,
    operator: Operator,
    read: Mutex<(Option<SystemTime>, HashMap<String, FeatureFlag>)>,
}

impl Evaluator {
    pub(super) fn new(path: PathBuf) -> Evaluator {
        Evaluator { path, operator: Operator::new(), read: Mutex::new((None, HashMap::new())) }
    }

    /// Whether a user gets a feature. The code's default is off.
    pub(super) fn is_on(&self, flag: &str, user: &str, email: &str) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = std::fs::metadata(&self.path).and_then(|about| about.modified()).ok();
        if changed != read.0 || read.0.is_none() {
            // what cannot be read leaves the old flags standing, as in flagd
            if let Some(parsed) =
                std::fs::read_to_string(&self.path).ok().and_then(|text| FlagParser::parse_string(&text).ok())
            {
                *read = (changed, parsed.flags);
            }
        }
        let Some(found) = read.1.get(flag) else { return false };
        let context =
            EvaluationContext::default().with_targeting_key(user).with_custom_field("email", email.to_owned());
        let targeting = found.get_targeting();
        let variant = match targeting.as_str() {
            "" | "{}" | "null" => None,
            rule => self.operator.apply(flag, rule, &context).ok().flatten(),
        };
        let variant = variant.unwrap_or_else(|| found.default_variant.clone());
        found.variants.get(&variant).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }
}
