//! Backends, with what a person does to them by hand.

use std::sync::Arc;

use flagstaff::backend::Backend;
use flagstaff::backend::flagd::Flagd;
use flagstaff::backend::unleash::{Access, Unleash};
use flagstaff::http::Certificates;
use serde_json::{Value, json};

use crate::unleash::saying;
use crate::unleash::server::{TOKEN, environment, server};

/// A backend with one flag, and other hands on it.
pub(super) trait Place: Sync {
    /// The flag.
    fn flag(&self) -> String;

    /// A way to it of its own, as another process has it.
    fn backend(&self) -> Arc<dyn Backend>;

    /// A person sets the share that is there to so many percent.
    fn hand_sets(&self, percent: u32);

    /// A person takes an audience's tests away, so that it is everybody.
    fn hand_widens_audience(&self);

    /// Whether the backend records who did something.
    fn knows_hands(&self) -> bool;
}

/// A flag file.
pub(super) struct FlagFile {
    folder: tempfile::TempDir,
    flag: String,
}

impl FlagFile {
    pub(super) fn new(case: &str) -> FlagFile {
        FlagFile { folder: tempfile::tempdir().unwrap(), flag: case.to_owned() }
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.folder.path().join("flags.json");
        let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        edit(&mut file["flags"][&self.flag]);
        std::fs::write(path, file.to_string()).unwrap();
    }
}

impl Place for FlagFile {
    fn flag(&self) -> String {
        self.flag.clone()
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(Flagd::new(self.folder.path(), "flags.json"))
    }

    fn hand_sets(&self, percent: u32) {
        self.edit(|flag| {
            let branches = flag["targeting"]["if"].as_array_mut().unwrap();
            let share = json!({ "fractional": [["on", percent * 1000], ["off", 100_000 - percent * 1000]] });
            *branches.last_mut().unwrap() = share;
            flag["metadata"]["percentage"] = (percent * 1000).into();
        });
    }

    fn hand_widens_audience(&self) {
        self.edit(|flag| flag["targeting"]["if"][0] = true.into());
    }

    fn knows_hands(&self) -> bool {
        false
    }
}

/// A live Unleash.
pub(super) struct Live {
    flag: String,
    shared: bool,
}

impl Live {
    pub(super) fn new(case: &str) -> Live {
        Live { flag: format!("conforms-{}", case.replace('_', "-")), shared: false }
    }

    /// Others have a strategy in the same flag, which is on.
    pub(super) fn shared(case: &str) -> Live {
        let live = Live { flag: format!("shared-{}", case.replace('_', "-")), shared: true };
        if case != "a_flag_that_is_not_there_is_off_and_nobody" {
            let body = json!({ "name": live.flag, "type": "release" });
            server().person("POST", "/api/admin/projects/default/features", Some(&body));
            let theirs = json!({ "name": "flexibleRollout", "title": "theirs", "parameters": { "rollout": "3" } });
            server().person("POST", &format!("{}/strategies", environment(&live.flag)), Some(&theirs));
            server().person("POST", &format!("{}/on", environment(&live.flag)), None);
        }
        live
    }

    fn patch(&self, kind: &str, path: &str, value: Value) {
        let environment = environment(&self.flag);
        let shown = server().ours("GET", &environment, None);
        let ours = |found: &&Value| found["title"].as_str().is_some_and(|title| title.contains(kind));
        let found = shown["strategies"].as_array().unwrap().iter().find(ours).unwrap().clone();
        let patch = json!([{ "op": "replace", "path": path, "value": value }]);
        let path = format!("{environment}/strategies/{}", found["id"].as_str().unwrap());
        server().person("PATCH", &path, Some(&patch));
    }
}

impl Place for Live {
    fn flag(&self) -> String {
        self.flag.clone()
    }

    fn backend(&self) -> Arc<dyn Backend> {
        let access = Access { token: Some(saying(TOKEN)), certificates: Certificates::default() };
        Arc::new(Unleash::new(&server().url, "default", "production", self.shared, access))
    }

    fn hand_sets(&self, percent: u32) {
        self.patch(":percentage", "/parameters/rollout", percent.to_string().into());
    }

    fn hand_widens_audience(&self) {
        self.patch(":audience:", "/constraints", json!([]));
    }

    fn knows_hands(&self) -> bool {
        true
    }
}
