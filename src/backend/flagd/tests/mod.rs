//! Tests that stand between the steps of a write.

mod races;
mod reading;
mod writing;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Flagd;
use super::body::{self, Meaning};
use crate::backend::{BackendError, Expose, Switch};
use crate::engine::input::{Observed, Stamp};
use crate::engine::plan::{AttributeTest, Audience, Constraint};
use crate::engine::{Exposure, Percentage};

/// A folder with a flag file in it, or none yet.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    /// In memory, where there is such a folder: thousands of orders of steps need not wait for a disk.
    fn in_memory() -> Place {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Place { folder }
    }

    fn with(text: &str) -> Place {
        let place = Place::new();
        place.write(text);
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("flags.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// A backend that waits for no lock.
    fn backend(&self) -> Flagd {
        let mut backend = Flagd::new(self.folder.path(), "flags.json");
        (backend.patience, backend.off_patience) = (Duration::ZERO, Duration::ZERO);
        backend
    }

    fn hooked(&self, hook: impl Fn(&'static str) + Send + Sync + 'static) -> Flagd {
        self.backend().stepping(hook)
    }

    fn read(&self, flag: &str) -> Observed {
        self.backend().observe(flag, &audiences()).unwrap()
    }

    /// Sets an exposure as a rule would, on what is read now.
    fn grow(&self, flag: &str, exposure: Exposure) -> Result<(), BackendError> {
        self.backend().set(&self.request(flag, exposure, Switch::Keep))
    }

    /// Sets an exposure as a start would, on what is read now.
    fn start(&self, flag: &str, exposure: Exposure) -> Result<(), BackendError> {
        self.backend().set(&self.request(flag, exposure, Switch::TurnOn))
    }

    fn request(&self, flag: &str, exposure: Exposure, switch: Switch) -> Expose {
        Expose {
            flag: flag.to_owned(),
            exposure,
            audiences: audiences(),
            stickiness: "targetingKey".to_owned(),
            stamp: stamp("journal", "rollout"),
            switch,
            revision: self.read(flag).revision,
            take_over: false,
        }
    }

    /// Whom evaluators serve, whatever markers say.
    fn served(&self, flag: &str) -> Exposure {
        match body::meaning(&self.json()["flags"][flag], &audiences()) {
            Meaning::Ours(ours) => ours.exposure,
            Meaning::Nobody(_) => Exposure::nobody(),
            Meaning::Foreign { why, .. } => panic!("{why}: {}", self.text()),
        }
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn is_marked(&self) -> bool {
        self.files().iter().any(|name| name.starts_with("flags.json.off-"))
    }
}

fn stamp(journal: &str, rollout: &str) -> Stamp {
    Stamp { journal: journal.to_owned(), rollout: rollout.to_owned() }
}

fn percent(percent: u32) -> Exposure {
    Exposure::percent(Percentage::whole(percent))
}

fn exposure(audiences: &[&str], percent: u32) -> Exposure {
    Exposure {
        audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
        percentage: Percentage::whole(percent),
    }
}

fn audiences() -> BTreeMap<String, Audience> {
    let constraint = |attribute: &str, is| Constraint { attribute: attribute.to_owned(), is };
    let staff = constraint("email", AttributeTest::EndsWith("@acme.example".to_owned()));
    let named = constraint("userId", AttributeTest::In(vec!["u-1".to_owned(), "u-2".to_owned()]));
    let beta = constraint("groups", AttributeTest::Contains("beta".to_owned()));
    BTreeMap::from([
        ("staff".to_owned(), Audience { any: vec![staff, named] }),
        ("beta".to_owned(), Audience { any: vec![beta] }),
    ])
}

/// A file as a team writes it: comments as members of the top, odd spacing, odd numbers, a shared rule.
const SHARED: &str = r#"{
    "$schema" : "https://flagd.dev/schema/v0/flags.json",
    "$comment": "ours: do not sort",
    "metadata": {"flagSetId": "shop",   "version": 1.50},
    "flags": {
        "search":   { "state": "DISABLED", "variants": {"a": 1.0, "b": 1e3, "c": 1E-7}, "defaultVariant": "a" },

        "checkout": {
            "state": "ENABLED", "variants": { "on": true, "off": false },
            "defaultVariant": "off",
            "metadata": { "owner": "payments", "weight": 2.50 }
        },
        "last": {"state":"ENABLED","variants":{"x":{"deep":[1.0,{"é":"\u00e9 \/"}]}},"defaultVariant":"x","targeting":{"if":[{"$ref":"staff"},"x"]}}
    },
    "$evaluators": { "staff": {"ends_with":[{"var":"email"},"@acme.example"]} }
}
"#;
