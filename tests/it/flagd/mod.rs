//! The flag file backend, seen from outside: by its port, and by those who read the file.

mod evaluators;
mod port;
mod proof;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use flagstaff::backend::flagd::Flagd;
use flagstaff::backend::{Backend, BackendError, Expose, Switch};
use flagstaff::engine::input::{Observed, Stamp};
use flagstaff::engine::plan::{AttributeTest, Audience, Constraint};
use flagstaff::engine::{Exposure, Percentage};

/// A flag file of its own, driven by one rollout.
struct Place {
    folder: tempfile::TempDir,
    backend: Flagd,
    stickiness: String,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let backend = Flagd::new(folder.path(), "flags.json");
        Place { folder, backend, stickiness: "targetingKey".to_owned() }
    }

    fn with(text: &str) -> Place {
        let place = Place::new();
        fs::write(place.path(), text).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("flags.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    async fn read(&self, flag: &str) -> Observed {
        self.backend.read(flag, &audiences()).await.unwrap()
    }

    async fn expose(&self, flag: &str, exposure: Exposure, switch: Switch) -> Result<(), BackendError> {
        let request = Expose {
            flag: flag.to_owned(),
            exposure,
            audiences: audiences(),
            stickiness: self.stickiness.clone(),
            stamp: Stamp { journal: "journal".to_owned(), rollout: "rollout".to_owned() },
            switch,
            revision: self.read(flag).await.revision,
            take_over: false,
        };
        self.backend.expose(&request).await
    }
}

fn exposure(audiences: &[&str], thousandths: u32) -> Exposure {
    Exposure {
        audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
        percentage: Percentage::from_thousandths(thousandths).unwrap(),
    }
}

fn audiences() -> BTreeMap<String, Audience> {
    let constraint = |attribute: &str, is| Constraint { attribute: attribute.to_owned(), is };
    let staff = constraint("email", AttributeTest::EndsWith("@acme.example".to_owned()));
    let named = constraint("userId", AttributeTest::In(vec!["user-17".to_owned(), "user-18".to_owned()]));
    let beta = constraint("groups", AttributeTest::Contains("beta".to_owned()));
    let north = constraint("region", AttributeTest::StartsWith("north-".to_owned()));
    BTreeMap::from([
        ("staff".to_owned(), Audience { any: vec![staff, named] }),
        ("beta".to_owned(), Audience { any: vec![beta, north] }),
    ])
}
